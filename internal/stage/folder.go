package stage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
)

// Identity is what a started folder must agree with to be gone on with.
type Identity struct {
	Stage   string
	Version string
	Options any // marshalled to JSON; everything that changes the stage's output
}

// Folder is a stage folder being written. Its methods are safe for concurrent
// use. Close must be called.
type Folder struct {
	FS   durable.FS
	Path string

	id       Identity
	options  json.RawMessage
	finished *Manifest
	release  func() error

	mu      sync.Mutex
	log     durable.Handle
	done    map[string]json.RawMessage
	broken  error // what a write to log failed with: nothing may follow a torn line
	written int   // lines of log since it was opened

	syncing sync.Mutex // held by the goroutine that syncs log, and guards synced
	synced  int        // how many of the written lines are durable
}

type header struct {
	Stage   string          `json:"stage"`
	Version string          `json:"version"`
	Options json.RawMessage `json:"options"`
}

type entry struct {
	Key  string          `json:"key"`
	Done json.RawMessage `json:"done"`
}

// Begin opens path for a stage: a new folder, one that was started with the
// same identity, or one that is finished (see Finished).
func Begin(fsys durable.FS, path string, id Identity) (*Folder, error) {
	options, err := json.Marshal(id.Options)
	if err != nil {
		return nil, err
	}
	if err := fsys.MkdirAll(path, 0o777); err != nil {
		return nil, err
	}
	release, err := Lock(path)
	if err != nil {
		return nil, err
	}
	f := &Folder{FS: fsys, Path: path, id: id, options: options, release: release, done: map[string]json.RawMessage{}}
	if err := f.open(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *Folder) open() error {
	m, err := Load(f.Path)
	switch {
	case err == nil:
		if m.Stage != f.id.Stage || m.Version != f.id.Version || !sameJSON(m.Options, f.options) {
			return fmt.Errorf("%s holds the finished result of %s %s with other options: give another folder, or remove it", f.Path, m.Stage, m.Version)
		}
		f.finished = m
		err := f.FS.Remove(filepath.Join(f.Path, unfinishedName)) // left by a kill behind the manifest
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	case errors.Is(err, ErrUnfinished):
		return f.resume()
	case !errors.Is(err, ErrNotStage):
		return err
	}
	names, err := os.ReadDir(f.Path)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !durable.IsTemp(n.Name()) {
			return fmt.Errorf("%s is not empty and was not written by export2batch: give another folder", f.Path)
		}
	}
	return f.start()
}

// start writes the header atomically, so that a folder is ours or not.
func (f *Folder) start() error {
	line, err := json.Marshal(header{f.id.Stage, f.id.Version, f.options})
	if err != nil {
		return err
	}
	if err := durable.WriteFile(f.FS, filepath.Join(f.Path, unfinishedName), append(line, '\n')); err != nil {
		return err
	}
	if err := f.openLog(); err != nil {
		return err
	}
	_, err = f.log.Seek(0, io.SeekEnd)
	return err
}

func (f *Folder) openLog() (err error) {
	f.log, err = f.FS.OpenFile(filepath.Join(f.Path, unfinishedName), os.O_RDWR, 0)
	return err
}

func (f *Folder) resume() error {
	if err := f.openLog(); err != nil {
		return err
	}
	data, err := io.ReadAll(f.log)
	if err != nil {
		return err
	}
	// A line without its newline was being written when the process died.
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	for n, line := range bytes.Split(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n")) {
		if n == 0 {
			var h header
			if err := json.Unmarshal(line, &h); err != nil {
				return fmt.Errorf("%s: %s is damaged: remove the folder and start again", f.Path, unfinishedName)
			}
			if h.Stage != f.id.Stage || h.Version != f.id.Version || !sameJSON(h.Options, f.options) {
				return fmt.Errorf("%s holds an unfinished %s of version %s with other options: finish it with those, give another folder, or remove it", f.Path, h.Stage, h.Version)
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s: line %d of %s is damaged: remove the folder and start again", f.Path, n+1, unfinishedName)
		}
		f.done[e.Key] = e.Done
	}
	// Only now is it known that the file is ours to change.
	if err := f.log.Truncate(int64(len(whole))); err != nil {
		return err
	}
	_, err = f.log.Seek(int64(len(whole)), io.SeekStart)
	return err
}

func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// Finished returns the manifest of a folder that needs no more work, or nil.
// The caller must see that its inputs are the ones it names.
func (f *Folder) Finished() *Manifest { return f.finished }

// Done reads into v what Record kept under key in an earlier run, and tells
// whether it did. It can be asked for once: there may be many.
func (f *Folder) Done(key string, v any) (bool, error) {
	f.mu.Lock()
	data, ok := f.done[key]
	delete(f.done, key)
	f.mu.Unlock()
	if !ok {
		return false, nil
	}
	return true, json.Unmarshal(data, v)
}

// Holds tells whether the files that a part wrote are all still there, those of
// files with their sizes: a user can have removed or cut one since it was
// recorded.
func (f *Folder) Holds(files []eventfile.Info, names ...string) bool {
	for i := range files {
		info, err := os.Stat(f.File(files[i].Name))
		if err != nil || info.Size() != files[i].Bytes {
			return false
		}
	}
	for _, name := range names {
		if _, err := os.Stat(f.File(name)); err != nil {
			return false
		}
	}
	return true
}

// Record keeps durably that the part named key is done.
func (f *Folder) Record(key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	line, err := json.Marshal(entry{key, data})
	if err != nil {
		return err
	}
	n, err := f.write(append(line, '\n'))
	if err != nil {
		return err
	}
	return f.syncTo(n)
}

// write appends a line to the log and returns how many it then has.
func (f *Folder) write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return 0, f.broken
	}
	if _, err := f.log.Write(line); err != nil {
		f.broken = fmt.Errorf("write %s: %w", unfinishedName, err)
		return 0, f.broken
	}
	f.written++
	return f.written, nil
}

// syncTo makes the first n lines of the log durable. One sync does for all
// that were written while the one before went on.
func (f *Folder) syncTo(n int) error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	if f.synced >= n {
		return nil
	}
	f.mu.Lock()
	written, err := f.written, f.broken
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if err := f.log.Sync(); err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.broken = fmt.Errorf("sync %s: %w", unfinishedName, err)
		return f.broken
	}
	f.synced = written
	return nil
}

// File is the path of a file of the folder; name has slashes.
func (f *Folder) File(name string) string {
	return filepath.Join(f.Path, filepath.FromSlash(name))
}

// Finish removes what earlier runs left in the outputs and keep does not list
// (names as in File), then writes the manifest.
func (f *Folder) Finish(m Manifest, keep map[string]bool) error {
	if err := f.sweep(keep); err != nil {
		return err
	}
	m.Stage, m.Version, m.Options = f.id.Stage, f.id.Version, f.options
	if err := writeManifest(f.FS, f.Path, &m); err != nil {
		return err
	}
	return f.FS.Remove(filepath.Join(f.Path, unfinishedName))
}

// outputs are the folders that stages write below their own. What else a user
// keeps in a stage folder is left alone.
var outputs = []string{"events", "identities", "partitions", "rejected"}

// sweep removes what stopped runs left: temporary files, and the output of
// inputs that are no longer there.
func (f *Folder) sweep(keep map[string]bool) error {
	for _, name := range outputs {
		err := filepath.WalkDir(f.File(name), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(f.Path, path)
			if err != nil || keep[filepath.ToSlash(rel)] {
				return err
			}
			return f.FS.Remove(path)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Close releases the folder for other commands.
func (f *Folder) Close() error {
	var err error
	if f.log != nil {
		err = f.log.Close()
		f.log = nil
	}
	if f.release != nil {
		err = errors.Join(err, f.release())
		f.release = nil
	}
	return err
}
