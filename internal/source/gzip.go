package source

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"export2batch/internal/inflate"
)

// gzipText reads gzip members in a row (RFC 1952), and knows where each began:
// behind damage, reading can go on at a later one.
type gzipText struct {
	stored   *bufio.Reader
	read     *countedReader // beneath stored
	base     int64          // offset of what read began with, in the input
	start    int64          // offset of the member being read
	deflate  inflate.Decoder
	inMember bool
	sum      uint32 // CRC-32 of the member's text
	size     uint32 // of its text, modulo 2³²
}

const gzipBuffer = 64 << 10

var (
	errNotGzip      = errors.New("no gzip header")
	errGzipChecksum = errors.New("gzip checksum mismatch")
)

// newGzipText begins with the member at the start of r. With an error it can
// still tell where that is.
func newGzipText(r *countedReader, base int64) (*gzipText, error) {
	t := &gzipText{stored: bufio.NewReaderSize(r, gzipBuffer), read: r, base: base}
	return t, t.begin()
}

// offset is where in the input the next byte comes from.
func (t *gzipText) offset() int64 { return t.base + t.read.n - int64(t.stored.Buffered()) }

// begin reads the header of the member that comes next; io.EOF: there is none.
//
//	1f 8b method(1)=8 flags(1) time(4) level(1) system(1)
//	[length(2) extra] [name 0] [comment 0] [CRC-16 of the header]
func (t *gzipText) begin() error {
	t.start, t.inMember = t.offset(), false
	head, err := t.stored.Peek(10)
	switch {
	case len(head) == 0:
		return err
	case !bytes.HasPrefix(gzipMagic, head[:min(len(head), len(gzipMagic))]):
		return errNotGzip
	case err != nil:
		return cutShort(err)
	}
	const hasSum, hasExtra, hasName, hasComment = 2, 4, 8, 16
	flags := head[3]
	crc := crc32.NewIEEE()
	skip := func(n int) error {
		_, err := io.CopyN(crc, t.stored, int64(n))
		return cutShort(err)
	}
	if err := skip(10); err != nil {
		return err
	}
	if flags&hasExtra != 0 {
		length, err := t.stored.Peek(2)
		if err != nil {
			return cutShort(err)
		}
		if err := skip(2 + int(binary.LittleEndian.Uint16(length))); err != nil {
			return err
		}
	}
	for _, text := range []byte{hasName, hasComment} {
		for c := byte(1); flags&text != 0 && c != 0; {
			if c, err = t.stored.ReadByte(); err != nil {
				return cutShort(err)
			}
			crc.Write([]byte{c})
		}
	}
	if flags&hasSum != 0 {
		want := uint16(crc.Sum32())
		sum, err := t.stored.Peek(2)
		if err != nil {
			return cutShort(err)
		}
		if binary.LittleEndian.Uint16(sum) != want {
			return errNotGzip
		}
		t.stored.Discard(2) // they are buffered
	}
	t.deflate.Reset(t.stored)
	t.inMember, t.sum, t.size = true, 0, 0
	return nil
}

// Append decompresses into the free capacity of text, at whose end the text
// before must still stand, inflate.Window bytes of it.
func (t *gzipText) Append(text []byte) ([]byte, error) {
	for {
		if !t.inMember {
			if err := t.begin(); err != nil {
				return text, err
			}
		}
		was := len(text)
		text, err := t.deflate.Append(text)
		t.sum = crc32.Update(t.sum, crc32.IEEETable, text[was:])
		t.size += uint32(len(text) - was)
		if err == io.EOF {
			err = t.end()
		}
		if len(text) > was || err != nil {
			return text, err
		}
	}
}

// end compares what stands behind a member: its CRC-32 and size.
func (t *gzipText) end() error {
	trailer, err := t.stored.Peek(8)
	if err != nil {
		return cutShort(err)
	}
	sum, size := binary.LittleEndian.Uint32(trailer), binary.LittleEndian.Uint32(trailer[4:])
	t.stored.Discard(8) // they are buffered
	t.inMember = false
	if sum != t.sum || size != t.size {
		return errGzipChecksum
	}
	return nil
}

// cutShort says that the end came inside something.
func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
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
	if t.begin() != nil {
		return 0, false
	}
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
	t, err := newGzipText(&countedReader{r: bytes.NewReader(data)}, 0)
	if err != nil {
		return false
	}
	text, err := t.Append(make([]byte, 0, 512))
	if len(text) == 0 {
		return err == nil || err == io.EOF // an empty member, whose checksum is right
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false
	}
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}
