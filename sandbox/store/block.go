package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

const (
	// blockBytes is how many bytes of lines go into a block; a longer line has
	// its own. Finding one line decompresses one block.
	blockBytes = 256 << 10

	magic      = 0x184D2A5E
	headerSize = 8 + 48
)

// block is a piece of the log. text is there until data is.
type block struct {
	first, last int64 // numbers
	from, to    int64 // received, ms since 1970
	size        int   // bytes of the lines
	text        []byte
	data        []byte // compressed; nil in a file
	offset      int64  // of the compressed frame in the file
	packed      int    // its bytes
	ended       bool   // lines behind last do not count
}

func (b *block) add(line []byte, number, received int64) {
	if b.size == 0 {
		b.first, b.from = number, received
	}
	b.last, b.to = number, received
	b.text = append(b.text, line...)
	b.size += len(line)
}

// counting returns the lines of the block's text that count.
func (b *block) counting(text []byte) []byte {
	if !b.ended {
		return text
	}
	at := 0
	for at < len(text) {
		if n, ok := leading(text[at:]); ok && n > b.last {
			break
		}
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		at += end + 1
	}
	return text[:at]
}

// within tells whether lines of the block were received from from up to to.
func (b *block) within(from, to int64) bool { return b.size > 0 && b.to >= from && b.from < to }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendHeader appends the skippable frame before the block's data.
func (b *block) appendHeader(h []byte) []byte {
	start := len(h)
	le := binary.LittleEndian
	h = le.AppendUint32(h, magic)
	h = le.AppendUint32(h, headerSize-8)
	h = le.AppendUint32(h, uint32(b.packed))
	h = le.AppendUint32(h, uint32(b.size))
	for _, n := range []int64{b.first, b.last, b.from, b.to} {
		h = le.AppendUint64(h, uint64(n))
	}
	h = le.AppendUint32(h, 0)
	return le.AppendUint32(h, crc32.Checksum(h[start:], castagnoli))
}

var errHeader = errors.New("not the header of a block")

func readHeader(h []byte) (b block, err error) {
	le := binary.LittleEndian
	if le.Uint32(h) != magic || le.Uint32(h[4:]) != headerSize-8 || le.Uint32(h[headerSize-4:]) != crc32.Checksum(h[:headerSize-4], castagnoli) {
		return b, errHeader
	}
	b.packed, b.size = int(le.Uint32(h[8:])), int(le.Uint32(h[12:]))
	for i, n := range []*int64{&b.first, &b.last, &b.from, &b.to} {
		*n = int64(le.Uint64(h[16+8*i:]))
	}
	return b, nil
}
