package durable

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// Direct returns fsys with files that bypass the cache of the operating system
// where that is possible (Linux, and most of its file systems), and are written
// while the next bytes are made: for large output that is synced at its end and
// not read soon. Copying it into the cache first costs as much time as making
// it. Such a file is written from start to end, for one goroutine; it takes
// 2 × 512 KiB of memory.
func Direct(fsys FS) FS { return directFS{fsys} }

type directFS struct{ FS }

// OpenFile opens a new file.
func (d directFS) OpenFile(path string, flag int, perm os.FileMode) (Handle, error) {
	h, err := d.FS.OpenFile(path, flag|directFlag, perm)
	if cannotDirect(err) {
		h, err = d.FS.OpenFile(path, flag, perm)
	}
	if err != nil {
		return nil, err
	}
	return &directHandle{Handle: h, fs: d.FS, path: path, buf: directBuffer()}, nil
}

// cannotDirect is how a file system says so.
func cannotDirect(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported)
}

const (
	directSize = 512 << 10
	directUnit = 4096 // what addresses, offsets and lengths must be multiples of
)

// directBuffers holds *[]byte.
var directBuffers = sync.Pool{New: func() any {
	b := make([]byte, directSize+directUnit)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (directUnit - 1))
	b = b[skip : skip+directSize : skip+directSize]
	return &b
}}

func directBuffer() []byte { return (*directBuffers.Get().(*[]byte))[:0] }

// directHandle gathers what is written in one buffer while another one is
// being written.
type directHandle struct {
	Handle
	fs   FS
	path string

	buf    []byte
	other  []byte     // the buffer that is not filled now; nil before it is needed
	flying chan error // the result of the write under way; nil when there is none
	size   int64
	err    error
}

func (h *directHandle) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		m := copy(h.buf[len(h.buf):directSize], p)
		h.buf, p, n = h.buf[:len(h.buf)+m], p[m:], n+m
		if len(h.buf) == directSize {
			if err := h.start(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// start begins to write the buffer, when the one before is written.
func (h *directHandle) start() error {
	if err := h.wait(); err != nil {
		return err
	}
	full := h.buf
	if h.buf = h.other; h.buf == nil {
		h.buf = directBuffer()
	}
	h.buf, h.other = h.buf[:0], full
	h.size += int64(len(full))
	done, at := make(chan error, 1), h.size-int64(len(full))
	h.flying = done
	go func() { done <- h.put(full, at) }()
	return nil
}

func (h *directHandle) wait() error {
	if h.flying != nil {
		h.err = <-h.flying
		h.flying = nil
	}
	return h.err
}

// put writes p behind the first at bytes. A file system may open a file for
// direct writing and refuse to do it.
func (h *directHandle) put(p []byte, at int64) error {
	_, err := h.Handle.Write(p)
	if !cannotDirect(err) {
		return err
	}
	plain, err := h.fs.OpenFile(h.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := h.Handle.Close(); err != nil {
		plain.Close()
		return err
	}
	h.Handle = plain
	if _, err := plain.Seek(at, 0); err != nil {
		return err
	}
	_, err = plain.Write(p)
	return err
}

// Sync writes what is left: up to a whole unit, which is then cut to length.
func (h *directHandle) Sync() error {
	if err := h.wait(); err != nil {
		return err
	}
	if rest := len(h.buf); rest > 0 {
		padded := (rest + directUnit - 1) &^ (directUnit - 1)
		clear(h.buf[rest:padded])
		if err := h.put(h.buf[:padded], h.size); err != nil {
			return err
		}
		h.size += int64(rest)
		h.buf = h.buf[:0]
		if padded > rest {
			if err := h.Handle.Truncate(h.size); err != nil {
				return err
			}
		}
		h.err = errSynced
	}
	return h.Handle.Sync()
}

// errSynced refuses to go on behind an end that is no multiple of a unit.
var errSynced = errors.New("write behind a direct file's end")

// Close waits for the write under way.
func (h *directHandle) Close() error {
	h.wait() // what it failed with is of no use: Sync was not called
	for _, b := range [][]byte{h.buf, h.other} {
		if b != nil {
			directBuffers.Put(&b)
		}
	}
	h.buf, h.other = nil, nil
	return h.Handle.Close()
}

// Seek, Truncate and Read are for files that are not being made.
func (h *directHandle) Seek(int64, int) (int64, error) { return 0, h.refuse("seek") }
func (h *directHandle) Truncate(int64) error           { return h.refuse("truncate") }
func (h *directHandle) Read([]byte) (int, error)       { return 0, h.refuse("read") }

func (h *directHandle) refuse(operation string) error {
	return fmt.Errorf("%s %s: %w", operation, h.path, errors.ErrUnsupported)
}
