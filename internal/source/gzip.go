package source

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
)

// gzipText reads gzip members in a row, and knows where each began: behind
// damage, reading can go on at a later one.
type gzipText struct {
	stored *bufio.Reader
	read   *countedReader // beneath stored
	base   int64          // offset of what read began with, in the input
	start  int64          // offset of the member being read
	gz     *gzip.Reader
	atEnd  bool // of a member: the next is not begun
}

const gzipBuffer = 64 << 10

// newGzipText begins with the member at the start of r. With an error it can
// still tell where that is.
func newGzipText(r *countedReader, base int64) (*gzipText, error) {
	return beginGzip(&gzipText{stored: bufio.NewReaderSize(r, gzipBuffer), read: r, base: base, start: base})
}

func beginGzip(t *gzipText) (_ *gzipText, err error) {
	if t.gz, err = gzip.NewReader(t.stored); err != nil {
		t.gz = nil
		return t, err
	}
	t.gz.Multistream(false)
	return t, nil
}

// offset is where in the input the next byte comes from.
func (t *gzipText) offset() int64 { return t.base + t.read.n - int64(t.stored.Buffered()) }

func (t *gzipText) Read(p []byte) (int, error) {
	for {
		if t.atEnd {
			if _, err := t.stored.Peek(1); err != nil {
				return 0, err
			}
			t.start = t.offset()
			if err := t.gz.Reset(t.stored); err != nil {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return 0, err
			}
			t.gz.Multistream(false)
			t.atEnd = false
		}
		n, err := t.gz.Read(p)
		if err == io.EOF {
			t.atEnd, err = true, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Resume goes on behind damage of gzip data, with the next member that can be
// read, and returns where in the stored data it begins. It may begin inside a
// line. Without one, or for other data, ok is false, and Next goes on to
// return its error.
func (l *Lines) Resume() (offset int64, ok bool) {
	if l.gzip == nil || l.err == nil || l.err == io.EOF || !errors.As(l.err, new(*DamageError)) {
		return 0, false
	}
	t := l.gzip
	if l.reopen != nil { // what was read of later members is read again
		r, err := l.reopen()
		if err != nil {
			return 0, false
		}
		skip := t.start + 1
		if _, err := io.CopyN(io.Discard, r, skip); err != nil {
			r.Close()
			return 0, false
		}
		if l.again != nil {
			l.again.Close()
		}
		l.again = r
		again := &countedReader{r: r}
		t = &gzipText{stored: bufio.NewReaderSize(again, gzipBuffer), read: again, base: skip}
	}
	if !t.find() {
		return 0, false
	}
	t.start = t.offset()
	t, err := beginGzip(t)
	if err != nil {
		return 0, false
	}
	t.atEnd = false
	l.gzip, l.text, l.err = t, t, nil
	l.start, l.end = 0, 0
	return t.start, true
}

// gzipMagic begins a member: two bytes of identification and the one method
// there is (RFC 1952).
var gzipMagic = []byte{0x1f, 0x8b, 8}

// find goes to the next place where a member seems to begin.
func (t *gzipText) find() bool {
	for {
		window, err := t.stored.Peek(gzipBuffer)
		at := bytes.Index(window, gzipMagic)
		switch {
		case at < 0 && err != nil:
			return false
		case at < 0:
			at = len(window) - len(gzipMagic) + 1
		case at == 0:
			if holdsText(window) {
				return true
			}
			at = 1
		}
		if _, err := t.stored.Discard(at); err != nil {
			return false
		}
	}
}

// holdsText tells whether data is the beginning of a gzip member of text. The
// three bytes of its beginning occur by accident as well, once in 16 MiB.
func holdsText(data []byte) bool {
	gz, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return false
	}
	gz.Multistream(false)
	text := make([]byte, 512)
	n, err := io.ReadFull(gz, text)
	if n == 0 && err == io.EOF {
		return true // an empty member, whose checksum is right
	}
	if n == 0 || err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false
	}
	for _, c := range text[:n] {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}
