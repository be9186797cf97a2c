package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"export2batch/internal/durable"
)

// Log is an append-only list of lines. Append and Flush are each called by one
// goroutine at a time (in memory, Flush by any), everything else by any.
type Log struct {
	zip   *zstd.Encoder
	unzip *zstd.Decoder

	// Of a file.
	fs     durable.FS
	path   string
	file   durable.Handle
	noSync bool
	end    int64 // bytes of whole blocks
	out    []byte
	packed []byte

	limit int64 // memory: bytes of compressed blocks

	mu        sync.Mutex
	blocks    []block // memory: the last one is open; file: on disk
	pending   []block // file: not yet written, the last one is open
	spare     []byte  // file: room for the next block's lines
	held      int64   // memory: bytes of packed blocks; file: bytes of the file
	lines     int64   // bytes of lines
	closed    bool
	forgotten int64 // memory: received time up to which blocks were dropped, 0: none
}

// NewMemory makes a log in memory of at most limit bytes of compressed lines.
// When it is full the oldest are forgotten.
func NewMemory(limit int64) *Log {
	l := &Log{limit: limit}
	l.codec()
	return l
}

func (l *Log) codec() {
	// The options are constants, so neither can fail.
	l.zip, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(blockBytes))
	l.unzip, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2))
}

// Append adds a line, which ends in a newline. Numbers go up, times do not go
// back. A line in a file counts once Flush has returned nil.
func (l *Log) Append(line []byte, number, received int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := &l.blocks
	if l.file != nil {
		to = &l.pending
	}
	n := len(*to)
	if n == 0 || (*to)[n-1].text == nil || (*to)[n-1].size+len(line) > blockBytes && (*to)[n-1].size > 0 {
		text := l.spare
		if l.spare = nil; text == nil {
			text = make([]byte, 0, max(len(line), blockBytes))
		}
		*to = append(*to, block{text: text})
		n++
	}
	(*to)[n-1].add(line, number, received)
	l.lines += int64(len(line))
}

// Flush makes what was appended durable, or, in memory, small.
func (l *Log) Flush() error {
	if l.file == nil {
		l.pack()
		return nil
	}
	l.mu.Lock()
	batch := l.pending
	l.pending = nil
	l.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	if err := l.write(batch); err != nil {
		return fmt.Errorf("write %s: %w", l.path, err)
	}
	return nil
}

func (l *Log) write(batch []block) error {
	out, spare := l.out[:0], batch[0].text
	for i := range batch {
		b := &batch[i]
		l.packed = l.zip.EncodeAll(b.text, l.packed[:0])
		b.packed, b.text = len(l.packed), nil
		out = append(b.appendHeader(out), l.packed...)
		b.offset = l.end + int64(len(out)-len(l.packed))
	}
	if l.out = out; cap(out) > 16*blockBytes {
		l.out = nil
	}
	if _, err := l.file.Write(out); err != nil {
		return err
	}
	if !l.noSync {
		if err := l.file.Sync(); err != nil {
			return err
		}
	}
	l.end += int64(len(out))
	l.mu.Lock()
	l.blocks = append(l.blocks, batch...)
	l.held = l.end
	if cap(spare) == blockBytes {
		l.spare = spare[:0]
	}
	l.mu.Unlock()
	return nil
}

// pack compresses the full blocks in memory, side by side when many goroutines
// come, and forgets the oldest when there is too much.
func (l *Log) pack() {
	for {
		l.mu.Lock()
		at, text := l.unpacked()
		l.mu.Unlock()
		if text == nil {
			return
		}
		data := l.zip.EncodeAll(text, make([]byte, 0, len(text)/4))
		data = slices.Clip(slices.Clone(data)) // it stays
		l.mu.Lock()
		if i, ok := l.at(at); ok {
			b := &l.blocks[i]
			b.data, b.packed, b.text = data, len(data), nil
			l.held += int64(len(data))
		}
		for l.held > l.limit && len(l.blocks) > 1 && l.blocks[0].data != nil {
			l.held -= int64(l.blocks[0].packed)
			l.forgotten = l.blocks[0].to
			l.blocks[0].data = nil
			l.blocks = l.blocks[1:]
		}
		l.mu.Unlock()
	}
}

// unpacked takes a full block to compress: it is marked by packed, -1.
func (l *Log) unpacked() (first int64, text []byte) {
	for i := len(l.blocks) - 2; i >= 0 && l.blocks[i].data == nil; i-- {
		if b := &l.blocks[i]; b.packed == 0 {
			b.packed = -1
			return b.first, b.text
		}
	}
	return 0, nil
}

// at finds the block that would hold a number.
func (l *Log) at(number int64) (int, bool) {
	i, found := slices.BinarySearchFunc(l.blocks, number, func(b block, n int64) int {
		switch {
		case b.last < n:
			return -1
		case b.first > n:
			return 1
		}
		return 0
	})
	return i, found
}

// Size says how much a log holds.
type Size struct {
	Lines     int64 // bytes of lines, those forgotten included
	Held      int64 // bytes of memory or of the file that they take
	Forgotten int64 // time received (ms) up to which lines were forgotten; 0: none
	Latest    int64 // time received (ms) of the last line
}

// Size returns the figures as they are now.
func (l *Log) Size() Size {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := Size{Lines: l.lines, Held: l.held, Forgotten: l.forgotten}
	if n := len(l.blocks); n > 0 {
		size.Latest = l.blocks[n-1].to
	}
	return size
}

// Bytes returns how many bytes of lines the blocks hold that have lines
// received from from up to to, in ms.
func (l *Log) Bytes(from, to int64) (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.blocks {
		if b := &l.blocks[i]; b.within(from, to) {
			n += int64(b.size)
		}
	}
	return n
}

// Close ends the log. What was flushed can still be read.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil || l.closed {
		return nil
	}
	l.closed = true
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", l.path, err)
	}
	return nil
}

var errShort = errors.New("the block is cut short")

// readAt reads the block's data from the file.
func (b *block) readAt(h durable.Handle) ([]byte, error) {
	if _, err := h.Seek(b.offset, io.SeekStart); err != nil {
		return nil, err
	}
	data := make([]byte, b.packed)
	if _, err := io.ReadFull(h, data); err != nil {
		return nil, errors.Join(errShort, err)
	}
	return data, nil
}

func openRead(fsys durable.FS, path string) (durable.Handle, error) {
	return fsys.OpenFile(path, os.O_RDONLY, 0)
}
