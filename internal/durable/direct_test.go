package durable_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"export2batch/internal/durable"
)

const buffer = 512 << 10 // of a direct file

func pseudoRandom(n int) []byte {
	rnd := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	rnd.Read(b)
	return b
}

// writeDirect writes data in pieces that fit nothing.
func writeDirect(fsys durable.FS, path string, data []byte) error {
	f, err := durable.Create(durable.Direct(fsys), path)
	if err != nil {
		return err
	}
	defer f.Abort()
	for len(data) > 0 {
		n := min(len(data), 100_003)
		if m, err := f.Write(data[:n]); err != nil || m != n {
			return errors.Join(err, fmt.Errorf("%d of %d bytes written", m, n))
		}
		data = data[n:]
	}
	return f.Commit()
}

func TestDirectFilesHoldWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{0, 1, 4095, 4096, 4097, buffer - 1, buffer, buffer + 1, 3*buffer - 1, 3 * buffer, 3*buffer + 4097} {
		data := pseudoRandom(size)
		for _, fsys := range []durable.FS{durable.OS, newFaulty(t, dir), &refusing{FS: durable.OS, open: true}, &refusing{FS: durable.OS, write: 1}, &refusing{FS: durable.OS, write: 2}} {
			path := filepath.Join(dir, "a")
			if err := writeDirect(fsys, path, data); err != nil {
				t.Fatalf("%d bytes through %T: %v", size, fsys, err)
			}
			if got := read(t, path); got != string(data) {
				t.Errorf("%d bytes through %T: the file is another, of %d", size, fsys, len(got))
			}
			if r, ok := fsys.(*refusing); ok && !r.refused && size > buffer {
				t.Errorf("%d bytes: nothing was refused", size)
			}
		}
	}
}

// refusing cannot write directly, as some file systems: it says so when a file
// is opened, or at a write.
type refusing struct {
	durable.FS
	open    bool
	write   int // the one that fails
	refused bool
}

func (r *refusing) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	if r.open && !r.refused {
		r.refused = true
		return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EINVAL}
	}
	h, err := r.FS.OpenFile(path, flag, perm)
	return &refusingHandle{h, r}, err
}

type refusingHandle struct {
	durable.Handle
	fs *refusing
}

func (h *refusingHandle) Write(p []byte) (int, error) {
	if h.fs.write--; h.fs.write == 0 {
		h.fs.refused = true
		return 0, &os.PathError{Op: "write", Err: syscall.EINVAL}
	}
	return h.Handle.Write(p)
}

// TestDirectFilesPassFaultsOn fails one operation after the other.
func TestDirectFilesPassFaultsOn(t *testing.T) {
	data := pseudoRandom(2*buffer + 5)
	for n := 1; ; n++ {
		dir := t.TempDir()
		f := newFaulty(t, dir)
		f.FailAt(n, syscall.ENOSPC)
		err := writeDirect(f, filepath.Join(dir, "name"), data)
		if !f.Failed() {
			if err != nil {
				t.Error(err)
			}
			if n < 10 { // mkdir, open, 3 × write, truncate, sync, close, rename, syncdir
				t.Errorf("%d operations were made to fail", n-1)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("fault %d: error %v", n, err)
		}
		want := "(absent)"
		if strings.HasPrefix(f.Operations()[n-1], "syncdir") {
			want = string(data)
		}
		if got := read(t, filepath.Join(dir, "name")); got != want {
			t.Errorf("fault %d at %s: %d bytes stand under the name", n, f.Operations()[n-1], len(got))
		}
		if got := read(t, filepath.Join(dir, ".name.tmp")); got != "(absent)" {
			t.Errorf("fault %d: the temporary file is left", n)
		}
	}
}

// TestDirectFilesAreSyncedWhole loses power behind the end.
func TestDirectFilesAreSyncedWhole(t *testing.T) {
	dir, data := t.TempDir(), pseudoRandom(buffer+1)
	f := newFaulty(t, dir)
	if err := writeDirect(f, filepath.Join(dir, "name"), data); err != nil {
		t.Fatal(err)
	}
	if err := f.Crash(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "name")); got != string(data) {
		t.Errorf("%d bytes are left of %d", len(got), len(data))
	}
}

func TestADirectFileEndsWhereItWasSynced(t *testing.T) {
	h, err := durable.Direct(durable.OS).OpenFile(filepath.Join(t.TempDir(), "a"), os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Write([]byte("no whole unit")); err != nil {
		t.Fatal(err)
	}
	if err := h.Sync(); err != nil {
		t.Fatal(err)
	}
	_, err = h.Write(bytes.Repeat([]byte("more"), buffer))
	if err == nil || h.Sync() == nil {
		t.Error("written behind an end that is no multiple of a unit")
	}
	if _, err := h.Seek(0, 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
