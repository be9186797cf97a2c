package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/klauspost/compress/s2"

	"export2batch/internal/durable"
)

// workspace is the folder for spilled events. Nothing in it outlives the
// command, so nothing in it is synced.
type workspace struct {
	fs  durable.FS
	dir string

	mu   sync.Mutex
	open map[*spill]bool
}

func newWorkspace(fsys durable.FS, dir string) *workspace {
	return &workspace{fs: fsys, dir: dir, open: map[*spill]bool{}}
}

// clear removes the folder and what is in it.
func (w *workspace) clear() error {
	for s := range w.open { // after a failure
		s.file.Close()
	}
	clear(w.open)
	names, err := os.ReadDir(w.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := w.fs.Remove(filepath.Join(w.dir, n.Name())); err != nil {
			return err
		}
	}
	return w.fs.Remove(w.dir)
}

// spool copies standard input, which is read twice, into a file.
func (w *workspace) spool(stdin io.Reader) (path string, err error) {
	if stdin == nil {
		return "", errors.New("standard input cannot be read here")
	}
	if err := w.fs.MkdirAll(w.dir, 0o777); err != nil {
		return "", err
	}
	path = filepath.Join(w.dir, "stdin.ndjson")
	f, err := w.fs.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, stdin)
	return path, errors.Join(err, f.Close())
}

// A spill is a file of records in blocks that are compressed one by one:
//
//	block:  packed bytes(4) unpacked bytes(4) S2 data
//	record: root(4) line bytes(4) time(8) event id(8) order(8) dedup(8)
//	        content(8) line
//
// all little-endian. Blocks may come from several goroutines.
type spill struct {
	mu     sync.Mutex
	file   durable.Handle
	work   *workspace
	path   string
	bytes  int64 // unpacked
	events int64
	parts  int // made of it so far
}

const recordHeader = 48

// row is a record of a spill.
type row struct {
	root    uint32
	time    int64
	eventID int64
	order   uint64 // number of the input <<40 | line
	dedup   uint64
	content uint64
	line    []byte
}

func (w *workspace) create(name string) (*spill, error) {
	if err := w.fs.MkdirAll(w.dir, 0o777); err != nil {
		return nil, err
	}
	path := filepath.Join(w.dir, name)
	f, err := w.fs.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	s := &spill{file: f, work: w, path: path}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[s] = true
	return s, nil
}

// next creates a spill for a part of another one.
func (w *workspace) next(of *spill) (*spill, error) {
	of.parts++
	return w.create(fmt.Sprintf("%s-%d", filepath.Base(of.path), of.parts))
}

func appendRow(dst []byte, r *row) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, r.root)
	dst = le.AppendUint32(dst, uint32(len(r.line)))
	for _, v := range [...]uint64{uint64(r.time), uint64(r.eventID), r.order, r.dedup, r.content} {
		dst = le.AppendUint64(dst, v)
	}
	return append(dst, r.line...)
}

// cutRow takes the first record off a block. The row points into it.
func cutRow(block []byte) (r row, rest []byte) {
	le := binary.LittleEndian
	n := int(le.Uint32(block[4:]))
	r = row{
		root: le.Uint32(block), time: int64(le.Uint64(block[8:])), eventID: int64(le.Uint64(block[16:])),
		order: le.Uint64(block[24:]), dedup: le.Uint64(block[32:]), content: le.Uint64(block[40:]),
		line: block[recordHeader : recordHeader+n : recordHeader+n],
	}
	return r, block[recordHeader+n:]
}

// write appends a block of whole records; packed is a buffer to use again.
func (s *spill) write(block []byte, events int64, packed []byte) ([]byte, error) {
	need := 8 + s2.MaxEncodedLen(len(block))
	if cap(packed) < need {
		packed = make([]byte, need)
	}
	packed = packed[:need]
	data := s2.Encode(packed[8:], block)
	binary.LittleEndian.PutUint32(packed, uint32(len(data)))
	binary.LittleEndian.PutUint32(packed[4:], uint32(len(block)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += int64(len(block))
	s.events += events
	if _, err := s.file.Write(packed[:8+len(data)]); err != nil {
		return packed, fmt.Errorf("write %s: %w", s.path, err)
	}
	return packed, nil
}

// blocks reads the spill from its start; next returns io.EOF behind the last
// block, and reuses buf.
func (s *spill) blocks() (next func(buf []byte) ([]byte, error), err error) {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var packed []byte
	return func(buf []byte) ([]byte, error) {
		var head [8]byte
		if _, err := io.ReadFull(s.file, head[:]); err != nil {
			return nil, err
		}
		n, unpacked := int(binary.LittleEndian.Uint32(head[:])), int(binary.LittleEndian.Uint32(head[4:]))
		if cap(packed) < n {
			packed = make([]byte, n)
		}
		if _, err := io.ReadFull(s.file, packed[:n]); err != nil {
			return nil, fmt.Errorf("read %s: %w", s.path, err)
		}
		if cap(buf) < unpacked {
			buf = make([]byte, unpacked)
		}
		return s2.Decode(buf[:unpacked], packed[:n])
	}, nil
}

// remove closes and deletes the spill.
func (s *spill) remove() error {
	s.work.mu.Lock()
	delete(s.work.open, s)
	s.work.mu.Unlock()
	return errors.Join(s.file.Close(), s.work.fs.Remove(s.path))
}
