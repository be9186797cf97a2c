package partition

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"export2batch/internal/durable"
	"export2batch/internal/source"
)

// workspace is the folder for spilled events. It is gone when the command
// ends; only a killed one leaves it, for the next to go on with. Nothing in it
// is synced: what a loss of power takes shows in sizes and hashes.
type workspace struct {
	fs  durable.FS
	dir string

	// Spilled events stay in memory until they exceed limit; then all of them
	// go to files, and onDisk is set.
	limit    int64
	resident atomic.Int64
	onDisk   atomic.Bool
	evict    sync.Mutex

	mu     sync.Mutex
	spills map[*spill]bool
}

func newWorkspace(fsys durable.FS, dir string) *workspace {
	return &workspace{fs: fsys, dir: dir, spills: map[*spill]bool{}}
}

const spoolName = "stdin.ndjson"

// clear removes the folder and what is in it, or all but the spool.
func (w *workspace) clear(keepSpool bool) error {
	for s := range w.spills { // after a failure
		s.release()
	}
	clear(w.spills)
	w.resident.Store(0)
	w.onDisk.Store(false)
	names, err := os.ReadDir(w.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range names {
		if keepSpool && n.Name() == spoolName {
			continue
		}
		if err := w.fs.Remove(filepath.Join(w.dir, n.Name())); err != nil {
			return err
		}
	}
	if keepSpool {
		return nil
	}
	return w.fs.Remove(w.dir)
}

// spool copies standard input, which is read twice, into a file.
func (w *workspace) spool(ctx context.Context, stdin io.Reader) (path, sum string, err error) {
	if stdin == nil {
		return "", "", errors.New("standard input cannot be read here")
	}
	if err := w.fs.MkdirAll(w.dir, 0o777); err != nil {
		return "", "", err
	}
	path = filepath.Join(w.dir, spoolName)
	f, err := w.fs.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", "", err
	}
	h := sha256.New()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, err = io.CopyBuffer(io.MultiWriter(f, h), source.Interruptible(ctx, stdin), make([]byte, 1<<18))
	return path, hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}

// new starts a spill. It has no file before it needs one.
func (w *workspace) new(name string) *spill {
	s := &spill{work: w, name: name}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spills[s] = true
	return s
}

// toDisk writes all resident blocks to files.
func (w *workspace) toDisk() error {
	w.evict.Lock()
	defer w.evict.Unlock()
	if w.onDisk.Swap(true) {
		return nil
	}
	w.mu.Lock()
	var spills []*spill
	for s := range w.spills {
		spills = append(spills, s)
	}
	w.mu.Unlock()
	for _, s := range spills {
		if err := s.toDisk(); err != nil {
			return err
		}
	}
	w.resident.Store(0)
	return nil
}

// open finds a spill that a killed run left, of the size it had.
func (w *workspace) open(state spillState) (*spill, bool) {
	s := w.new(state.Name)
	s.events, s.bytes, s.size = state.Events, state.Bytes, state.Size
	if s.events == 0 {
		return s, true
	}
	info, err := os.Stat(s.path())
	if err != nil || info.Size() != s.size {
		return nil, false
	}
	s.named = true
	s.file, err = w.fs.OpenFile(s.path(), os.O_RDWR, 0)
	return s, err == nil
}
