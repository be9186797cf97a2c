// Package durable writes files that survive a crash: a file appears under its
// final name complete and synced, or not at all.
//
// The order is always: write under a temporary name in the same folder, sync,
// close, rename, sync the folder. The temporary name is the final one with a
// dot before and ".tmp" behind, so what a killed process left is recognised
// and overwritten by the next one.
package durable

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const tempSuffix = ".tmp"

// File is a file under its temporary name. Commit or Abort must be called
// once; Abort after Commit does nothing, so it can be deferred.
type File struct {
	h    Handle
	fs   FS
	path string
	done bool
}

// Create starts a file that will be named path, making the folders it needs.
func Create(fsys FS, path string) (*File, error) {
	if err := fsys.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	h, err := fsys.OpenFile(tempName(path), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	return &File{h: h, fs: fsys, path: path}, nil
}

// Write appends to the file.
func (f *File) Write(p []byte) (int, error) { return f.h.Write(p) }

// Commit makes the file durable under its final name. When it fails the
// temporary file is removed and nothing stands under the final name but what
// stood there before; only where the last step fails, the sync of the folder,
// the whole file stands there and might be gone after a crash.
func (f *File) Commit() error {
	if f.done {
		return fmt.Errorf("commit %s: already closed", f.path)
	}
	if err := f.h.Sync(); err != nil {
		f.Abort()
		return fmt.Errorf("sync %s: %w", f.path, err)
	}
	f.done = true
	if err := f.h.Close(); err != nil {
		f.fs.Remove(tempName(f.path))
		return fmt.Errorf("close %s: %w", f.path, err)
	}
	if err := f.fs.Rename(tempName(f.path), f.path); err != nil {
		f.fs.Remove(tempName(f.path))
		return err
	}
	return f.fs.SyncDir(filepath.Dir(f.path))
}

// Abort closes and removes the temporary file.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	// The file is unwanted: nothing that fails here changes what happened.
	f.h.Close()
	f.fs.Remove(tempName(f.path))
}

// WriteFile writes data to path atomically.
func WriteFile(fsys FS, path string, data []byte) error {
	f, err := Create(fsys, path)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// IsTemp tells whether name (without folders) is one that Create gives to an
// unfinished file.
func IsTemp(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, tempSuffix)
}

func tempName(path string) string {
	dir, name := filepath.Split(path)
	return dir + "." + name + tempSuffix
}
