package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/klauspost/compress/s2"

	"export2batch/internal/durable"
)

// A spill is a list of blocks of whole records, in memory or in a file where
// they are compressed one by one:
//
//	block:  packed bytes(4) unpacked bytes(4) S2 data
//	record: root(4) line bytes(4, the highest bit: loser) time(8) event id(8)
//	        order(8) dedup(8) content(8) line
//
// all little-endian. Blocks may come from several goroutines; reading is for
// one at a time, when all is written.
type spill struct {
	work *workspace
	name string

	mu     sync.Mutex
	blocks [][]byte // resident
	file   durable.Handle
	named  bool  // the file exists
	size   int64 // of the file
	bytes  int64 // of all records
	events int64
	pieces int // and runs made of it so far
}

// spillState is what is kept of a spill for the command that goes on after a
// kill.
type spillState struct {
	Name   string `json:"name"`
	Events int64  `json:"events"`
	Bytes  int64  `json:"bytes"`
	Size   int64  `json:"size"`
}

func (s *spill) state() spillState { return spillState{s.name, s.events, s.bytes, s.size} }

// errDamagedSpill says that a spill does not hold what was written to it.
var errDamagedSpill = errors.New("a temporary file was changed or its disk is failing")

const recordHeader = 48

// row is a record of a spill.
type row struct {
	root    uint32
	loser   bool // its insert id goes to another event
	time    int64
	eventID int64
	order   uint64 // number of the input <<40 | line; of the first of equal events
	dedup   uint64
	content uint64
	line    []byte
}

const loserBit = 1 << 31 // no line is that long

func appendRow(dst []byte, r *row) []byte {
	le := binary.LittleEndian
	n := uint32(len(r.line))
	if r.loser {
		n |= loserBit
	}
	var head [recordHeader]byte
	le.PutUint32(head[0:], r.root)
	le.PutUint32(head[4:], n)
	le.PutUint64(head[8:], uint64(r.time))
	le.PutUint64(head[16:], uint64(r.eventID))
	le.PutUint64(head[24:], r.order)
	le.PutUint64(head[32:], r.dedup)
	le.PutUint64(head[40:], r.content)
	return append(append(dst, head[:]...), r.line...)
}

// cutRow takes the first record off a block. The row points into it. It fails
// where the block does not hold whole records.
func cutRow(block []byte) (r row, rest []byte, err error) {
	if len(block) < recordHeader {
		return r, nil, errDamagedSpill
	}
	le := binary.LittleEndian
	n := le.Uint32(block[4:])
	r = row{
		root: le.Uint32(block), loser: n&loserBit != 0,
		time: int64(le.Uint64(block[8:])), eventID: int64(le.Uint64(block[16:])),
		order: le.Uint64(block[24:]), dedup: le.Uint64(block[32:]), content: le.Uint64(block[40:]),
	}
	end := recordHeader + int(n&^loserBit)
	if len(block) < end {
		return r, nil, errDamagedSpill
	}
	r.line = block[recordHeader:end:end]
	return r, block[end:], nil
}

func (s *spill) path() string { return filepath.Join(s.work.dir, s.name) }

// next starts a spill for a piece of this one, or for the run of a piece.
func (s *spill) next() *spill {
	s.pieces++
	return s.work.new(fmt.Sprintf("%s-%d", s.name, s.pieces))
}

// add takes a block of whole records. It returns the block where that can be
// filled anew, nil where it is kept. Packed is a buffer to use again.
func (s *spill) add(block []byte, events int64, packed *[]byte) ([]byte, error) {
	w := s.work
	if !w.onDisk.Load() {
		cost := int64(cap(block)) + events*entryBytes
		if w.resident.Add(cost) <= w.limit {
			s.mu.Lock()
			if !w.onDisk.Load() {
				s.blocks = append(s.blocks, block)
				s.bytes += int64(len(block))
				s.events += events
				s.mu.Unlock()
				return nil, nil
			}
			s.mu.Unlock()
		} else if err := w.toDisk(); err != nil {
			return block, err
		}
	}
	data := pack(block, packed)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += int64(len(block))
	s.events += events
	return block[:0], s.write(data)
}

// pack compresses a block with its header, into buf.
func pack(block []byte, buf *[]byte) []byte {
	if need := 8 + s2.MaxEncodedLen(len(block)); cap(*buf) < need {
		*buf = make([]byte, need)
	}
	packed := (*buf)[:cap(*buf)]
	data := s2.Encode(packed[8:], block)
	binary.LittleEndian.PutUint32(packed, uint32(len(data)))
	binary.LittleEndian.PutUint32(packed[4:], uint32(len(block)))
	return packed[:8+len(data)]
}

// toDisk writes the resident blocks to the file, where none follow because
// onDisk is set before. Blocks that are added meanwhile may stand before them:
// no reader but merge counts on an order, and see sortRun for that.
func (s *spill) toDisk() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var buf []byte
	for i, block := range s.blocks {
		if err := s.write(pack(block, &buf)); err != nil {
			return err
		}
		s.blocks[i] = nil
	}
	s.blocks = nil
	return nil
}

// write appends a packed block to the file. The caller holds mu.
func (s *spill) write(packed []byte) error {
	if s.file == nil {
		if err := s.work.fs.MkdirAll(s.work.dir, 0o777); err != nil {
			return err
		}
		f, err := s.work.fs.OpenFile(s.path(), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		s.file, s.named = f, true
	}
	n, err := s.file.Write(packed)
	s.size += int64(n)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path(), err)
	}
	return nil
}

// reader gives the blocks of a spill from its start.
type reader struct {
	spill  *spill
	next   int // resident block
	left   int64
	packed []byte
}

func (s *spill) reader() (*reader, error) {
	r := &reader{spill: s, left: s.size}
	if s.file == nil {
		return r, nil
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return r, err
}

// resident returns the next block that is in memory, nil behind the last.
func (r *reader) resident() []byte {
	if r.next == len(r.spill.blocks) {
		return nil
	}
	r.next++
	return r.spill.blocks[r.next-1]
}

// head reads how long the next block of the file is; io.EOF behind the last.
func (r *reader) head() (unpacked int, err error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	var head [8]byte
	if _, err := io.ReadFull(r.spill.file, head[:]); err != nil {
		return 0, r.fail(err)
	}
	n, size := int64(binary.LittleEndian.Uint32(head[:])), int64(binary.LittleEndian.Uint32(head[4:]))
	if r.left -= 8 + n; r.left < 0 || n == 0 || size > r.spill.bytes {
		return 0, fmt.Errorf("read %s: %w", r.spill.path(), errDamagedSpill)
	}
	if int64(cap(r.packed)) < n {
		r.packed = make([]byte, n)
	}
	r.packed = r.packed[:n]
	if _, err := io.ReadFull(r.spill.file, r.packed); err != nil {
		return 0, r.fail(err)
	}
	return int(size), nil
}

func (r *reader) fail(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errDamagedSpill
	}
	return fmt.Errorf("read %s: %w", r.spill.path(), err)
}

// body unpacks the block that head announced into dst, which is as long.
func (r *reader) body(dst []byte) error {
	out, err := s2.Decode(dst, r.packed)
	if err != nil || len(out) != len(dst) {
		return fmt.Errorf("read %s: %w", r.spill.path(), errDamagedSpill)
	}
	return nil
}

// block returns the next block, wherever it is; one of the file in buf, which
// grows as needed. It returns io.EOF behind the last.
func (r *reader) block(buf []byte) ([]byte, error) {
	if b := r.resident(); b != nil {
		return b, nil
	}
	n, err := r.head()
	if err != nil {
		return nil, err
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	return buf[:n], r.body(buf[:n])
}

// each calls f with every row of the spill. The row is valid during the call.
func (s *spill) each(f func(*row) error) error {
	in, err := s.reader()
	if err != nil {
		return err
	}
	var buf []byte
	var r row // one for all: its address escapes
	for {
		block, err := in.block(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if len(s.blocks) == 0 {
			buf = block
		}
		for rest := block; len(rest) > 0; {
			if r, rest, err = cutRow(rest); err != nil {
				return fmt.Errorf("read %s: %w", s.path(), err)
			}
			if err := f(&r); err != nil {
				return err
			}
		}
	}
}

// release gives back what the spill holds, but not its file's name.
func (s *spill) release() {
	s.blocks = nil
	if s.file != nil {
		s.file.Close() // nothing of it is wanted any more
		s.file = nil
	}
}

// remove deletes the spill.
func (s *spill) remove() error {
	s.work.mu.Lock()
	delete(s.work.spills, s)
	s.work.mu.Unlock()
	s.release()
	if !s.named {
		return nil
	}
	return s.work.fs.Remove(s.path())
}
