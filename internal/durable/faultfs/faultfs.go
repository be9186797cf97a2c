// Package faultfs is a durable.FS for tests: it fails the operations it is
// told to fail, and it can forget everything that was not synced, as a machine
// does that loses power.
//
// It works on real files below one folder, so that code which reads with the
// os package sees what was written. To try every fault of a scenario:
//
//	for n := 1; ; n++ {
//		dir := t.TempDir()
//		fsys, err := faultfs.New(dir)
//		…
//		fsys.FailAt(n, syscall.ENOSPC) // or fsys.DieAt(n)
//		err = scenario(fsys, dir)
//		if !fsys.Failed() {
//			break // the scenario has fewer than n operations
//		}
//		// err must say so; nothing half written stands under a final name;
//		// after fsys.Crash() the scenario, started again with a new FS on
//		// dir, comes to the same end.
//	}
//
// Operations are counted from 1: OpenFile, Rename, Remove, MkdirAll and SyncDir
// of the FS; Read, Write, Seek, Sync, Truncate and Close of its handles. It is
// safe for concurrent use; operations run one at a time.
package faultfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"export2batch/internal/durable"
)

// ErrDead is what every operation returns after the one of DieAt, or after Crash.
var ErrDead = errors.New("the process is dead")

// FS is a durable.FS whose faults are chosen. New makes one.
type FS struct {
	mu     sync.Mutex
	root   string
	image  image
	log    []string
	failAt int
	dieAt  int
	err    error
	failed bool
	dead   bool
}

// New makes an FS for the files below root. What stands there is taken to be
// synced.
func New(root string) (*FS, error) {
	f := &FS{root: filepath.Clean(root)}
	return f, f.image.load(f.root)
}

// FailAt makes the n-th operation fail with err, and only that one. A failed
// Write writes the first half; any other failed operation does nothing, but a
// failed Close closes.
func (f *FS) FailAt(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt, f.err = n, err
}

// DieAt makes the n-th operation and all behind it fail with ErrDead, as if
// the process had been killed: cleaning up does not happen either.
func (f *FS) DieAt(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dieAt = n
}

// Failed tells whether an operation was made to fail.
func (f *FS) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// Operations lists what was done so far, as "write NAME", with names below the
// root and slashes.
func (f *FS) Operations() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// Crash leaves below the root only what was synced: of a file the content of
// its last Sync, of a folder the names of its last SyncDir. The FS is dead
// afterwards; New makes one for the life after.
func (f *FS) Crash() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	return f.image.restore(f.root)
}

// begin counts an operation and says how it fails. The caller holds mu.
func (f *FS) begin(operation string, paths ...string) error {
	entry := operation
	for _, p := range paths {
		if rel, err := filepath.Rel(f.root, p); err == nil {
			p = filepath.ToSlash(rel)
		}
		entry += " " + p
	}
	if f.dead {
		return fmt.Errorf("%s: %w", entry, ErrDead)
	}
	f.log = append(f.log, entry)
	if n := len(f.log); f.dieAt > 0 && n >= f.dieAt {
		f.dead, f.failed = true, true
		return fmt.Errorf("%s: %w", entry, ErrDead)
	} else if n == f.failAt {
		f.failed = true
		return fmt.Errorf("%s: %w", entry, f.err)
	}
	return nil
}

// OpenFile opens a file below the root.
func (f *FS) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("open", path); err != nil {
		return nil, err
	}
	h, err := os.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	handle := &handle{fs: f, file: h, node: f.image.open(path)}
	return handle, nil
}

// Rename renames a file.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("rename", from, to); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	f.image.rename(from, to)
	return nil
}

// Remove removes a file.
func (f *FS) Remove(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("remove", path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	f.image.remove(path)
	return nil
}

// MkdirAll makes folders, which survive a crash at once, as durable.FS says.
func (f *FS) MkdirAll(path string, perm os.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("mkdir", path); err != nil {
		return err
	}
	return os.MkdirAll(path, perm)
}

// SyncDir makes the names in a folder survive a crash.
func (f *FS) SyncDir(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("syncdir", path); err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	f.image.syncDir(path)
	return nil
}
