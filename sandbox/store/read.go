package store

import (
	"bytes"
	"fmt"
	"slices"

	"export2batch/internal/durable"
)

// Reader reads lines of a log as it stood when the reader was made. It is not
// safe for concurrent use. Close must be called.
type Reader struct {
	log    *Log
	blocks []block
	file   durable.Handle
	at     int // of the block in text, -1 none
	text   []byte
}

// Reader returns a reader.
func (l *Log) Reader() (*Reader, error) {
	l.mu.Lock()
	r := &Reader{log: l, at: -1, blocks: l.blocks[:len(l.blocks):len(l.blocks)]}
	if l.file == nil {
		r.blocks = slices.Clone(r.blocks) // in memory they change: they are compressed later
	}
	l.mu.Unlock()
	if l.file != nil {
		var err error
		if r.file, err = openRead(l.fs, l.path); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Close ends the reader.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Each calls f with the lines, without their newlines, of all blocks that have
// lines received from from up to to, in ms: at their edges there are others.
func (r *Reader) Each(from, to int64, f func(line []byte) error) error {
	for i := range r.blocks {
		if !r.blocks[i].within(from, to) {
			continue
		}
		if err := r.load(i); err != nil {
			return err
		}
		for rest := r.text; len(rest) > 0; {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				return fmt.Errorf("block %d: a line has no end", i+1)
			}
			if err := f(rest[:end]); err != nil {
				return err
			}
			rest = rest[end+1:]
		}
	}
	return nil
}

// Line returns the line with this number, without its newline, until the next
// call; nil when there is none (any more). The lines are objects whose first
// member is the number.
func (r *Reader) Line(number int64) ([]byte, error) {
	probe := Log{blocks: r.blocks}
	i, found := probe.at(number)
	if !found {
		return nil, nil
	}
	if err := r.load(i); err != nil {
		return nil, err
	}
	for rest := r.text; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		if n, ok := leading(rest[:end]); ok && n == number {
			return rest[:end:end], nil
		}
		rest = rest[end+1:]
	}
	return nil, nil
}

// leading reads the number with which a line begins: {"seq":17,…
func leading(line []byte) (n int64, ok bool) {
	colon := bytes.IndexByte(line, ':')
	for _, c := range line[colon+1:] {
		if c-'0' > 9 {
			break
		}
		n, ok = n*10+int64(c-'0'), true
	}
	return n, ok
}

// load makes the text of a block the reader's.
func (r *Reader) load(i int) (err error) {
	if r.at == i {
		return nil
	}
	b := &r.blocks[i]
	r.at = -1
	switch {
	case b.text != nil:
		r.text = b.text[:b.size:b.size]
		r.at = i
		return nil
	case r.file != nil:
		r.text, err = r.log.readBlock(r.file, b, r.text)
	default:
		r.text, err = r.log.unzip.DecodeAll(b.data, nil)
	}
	if err == nil {
		r.at = i
		r.text = b.counting(r.text)
	}
	return err
}

func (l *Log) readBlock(h durable.Handle, b *block, room []byte) ([]byte, error) {
	data, err := b.readAt(h)
	if err != nil {
		return nil, err
	}
	text, err := l.unzip.DecodeAll(data, room[:0])
	if err == nil && len(text) != b.size {
		err = fmt.Errorf("%d bytes of lines, not %d", len(text), b.size)
	}
	return text, err
}
