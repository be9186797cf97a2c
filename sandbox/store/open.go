package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"export2batch/internal/durable"
)

// FileOptions say how a log in a file is opened.
type FileOptions struct {
	FS     durable.FS
	Path   string
	NoSync bool
	// Last is the number of the last line that counts: later ones are what a
	// killed process wrote without telling anybody, and are cut off.
	Last int64
	// Each is given every line that is there.
	Each func(line []byte) error
}

// Open opens a log in a file, or starts it.
func Open(o FileOptions) (l *Log, err error) {
	l = &Log{fs: o.FS, path: o.Path, noSync: o.NoSync}
	l.codec()
	if l.file, err = o.FS.OpenFile(o.Path, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return nil, err
	}
	if err := l.replay(&o); err != nil {
		return nil, errors.Join(err, l.file.Close())
	}
	return l, nil
}

func (l *Log) replay(o *FileOptions) error {
	if err := l.readHeaders(o.Last); err != nil {
		return err
	}
	beyond := false
	if n := len(l.blocks); n > 0 && l.blocks[n-1].last > o.Last {
		l.blocks[n-1].last, l.blocks[n-1].ended, beyond = o.Last, true, true
	}
	var text []byte
	var err error
	for i := range l.blocks {
		b := &l.blocks[i]
		if text, err = l.readBlock(l.file, b, text); err != nil {
			return l.damaged(i, err)
		}
		lines := b.counting(text)
		for rest := lines; len(rest) > 0; {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				return l.damaged(i, errors.New("a line has no end"))
			}
			if err := o.Each(rest[:end]); err != nil {
				return l.damaged(i, err)
			}
			rest = rest[end+1:]
		}
		l.lines += int64(len(lines))
	}
	if _, err := l.file.Seek(l.end, io.SeekStart); err != nil {
		return fmt.Errorf("read %s: %w", l.path, err)
	}
	if beyond {
		return l.mark(o.Last)
	}
	return nil
}

// readHeaders finds the blocks and cuts off those of which nothing counts.
func (l *Log) readHeaders(last int64) error {
	size, err := l.file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("read %s: %w", l.path, err)
	}
	var header [headerSize]byte
	for l.end < size {
		if size-l.end < headerSize {
			return l.cut()
		}
		if _, err := l.file.Seek(l.end, io.SeekStart); err != nil {
			return fmt.Errorf("read %s: %w", l.path, err)
		}
		if _, err := io.ReadFull(l.file, header[:]); err != nil {
			return fmt.Errorf("read %s: %w", l.path, err)
		}
		b, err := readHeader(header[:])
		if err != nil {
			return l.damaged(len(l.blocks), err)
		}
		if b.first > last && b.size > 0 {
			return l.cut()
		}
		b.offset = l.end + headerSize
		if b.offset+int64(b.packed) > size {
			if b.size == 0 {
				return l.cut() // a mark: it is made again
			}
			return l.damaged(len(l.blocks), errShort) // it counts, so somebody was told
		}
		if err := l.join(b); err != nil {
			return err
		}
		l.end = b.offset + int64(b.packed)
		l.held = l.end
	}
	return nil
}

// join adds a block that was read; a mark ends the block before it.
func (l *Log) join(b block) error {
	n := len(l.blocks)
	if b.size == 0 {
		if n > 0 && b.first > l.blocks[n-1].first {
			before := &l.blocks[n-1]
			before.last = min(before.last, b.first-1)
			before.ended = true
		}
		return nil
	}
	if n > 0 && b.first <= l.blocks[n-1].last {
		return l.damaged(n, errors.New("its numbers go back"))
	}
	l.blocks = append(l.blocks, b)
	return nil
}

// mark writes a block without lines: what follows last in the block before it
// does not count, whatever comes later.
func (l *Log) mark(last int64) error {
	to := l.blocks[len(l.blocks)-1].to
	m := block{first: last + 1, last: last + 1, from: to, to: to}
	out := m.appendHeader(nil)
	if _, err := l.file.Write(out); err != nil {
		return fmt.Errorf("write %s: %w", l.path, err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", l.path, err)
	}
	l.end += int64(len(out))
	l.held = l.end
	return nil
}

// cut takes off what is behind the whole blocks.
func (l *Log) cut() error {
	if err := l.file.Truncate(l.end); err != nil {
		return fmt.Errorf("cut %s: %w", l.path, err)
	}
	if _, err := l.file.Seek(l.end, io.SeekStart); err != nil {
		return fmt.Errorf("cut %s: %w", l.path, err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", l.path, err)
	}
	return nil
}

func (l *Log) damaged(block int, err error) error {
	return fmt.Errorf("%s is damaged: block %d: %w", l.path, block+1, err)
}
