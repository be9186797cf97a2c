package upload

import (
	"errors"
	"os"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"

	"export2batch/internal/durable"
)

// Every operation on the file system fails once, and everything after it: then
// the disk is well again.
func TestEveryFailingOperation(t *testing.T) {
	parts := lines(9, 6)
	for op := 0; ; op++ {
		passed := false
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, picky)
			o := options(partitionFolder(t, parts), f)
			o.EventsPerRequest, o.Parallel = 4, 1
			faulty := &failingFS{FS: fast, left: op}
			o.FS = faulty
			sum, err := Run(t.Context(), o)
			if sum.Read != sum.Accepted+sum.Rejected+sum.Pending {
				t.Errorf("operation %d: %+v", op, sum)
			}
			if passed = faulty.left >= 0; passed {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Errorf("operation %d failed and Run did not say so", op)
			} else if !errors.Is(err, errDisk) {
				t.Errorf("operation %d: %v", op, err)
			}
			repeated := f.repeated
			o.FS = fast
			sum = mustRun(t, o)
			if sum.Accepted != 13 || sum.Rejected != 2 {
				t.Errorf("operation %d: %+v", op, sum)
			}
			if got := rejectedIDs(t, o); !reflect.DeepEqual(got, pickyAside) {
				t.Errorf("operation %d: set aside %v", op, got)
			}
			if f.repeated-repeated > 4 {
				t.Errorf("operation %d: %d events were sent twice, more than one request", op, f.repeated)
			}
			f.checkTaken(parts, asSet(pickyAside))
		})
		if passed {
			if op < 30 {
				t.Errorf("only %d operations", op)
			}
			return
		}
		if t.Failed() {
			return
		}
	}
}

var errDisk = errors.New("no space left on device")

// failingFS fails from the operation on that left counts down to. A failing
// write leaves the half of its bytes.
type failingFS struct {
	durable.FS
	mu   sync.Mutex
	left int
}

func (f *failingFS) fail() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		return errDisk
	}
	return nil
}

func (f *failingFS) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	h, err := f.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return &failingHandle{h, f}, nil
}

func (f *failingFS) Rename(from, to string) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f *failingFS) MkdirAll(path string, perm os.FileMode) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.FS.MkdirAll(path, perm)
}

func (f *failingFS) SyncDir(path string) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.FS.SyncDir(path)
}

type failingHandle struct {
	durable.Handle
	fs *failingFS
}

func (h *failingHandle) Read(p []byte) (int, error) {
	if err := h.fs.fail(); err != nil {
		return 0, err
	}
	return h.Handle.Read(p)
}

func (h *failingHandle) Write(p []byte) (int, error) {
	if err := h.fs.fail(); err != nil {
		n, _ := h.Handle.Write(p[:len(p)/2])
		return n, err
	}
	return h.Handle.Write(p)
}

func (h *failingHandle) Sync() error {
	if err := h.fs.fail(); err != nil {
		return err
	}
	return h.Handle.Sync()
}

func (h *failingHandle) Truncate(size int64) error {
	if err := h.fs.fail(); err != nil {
		return err
	}
	return h.Handle.Truncate(size)
}

func (h *failingHandle) Close() error {
	err := h.fs.fail()
	return errors.Join(h.Handle.Close(), err)
}
