// Package inflate decompresses DEFLATE data (RFC 1951) straight into the memory
// that its text is used in, in about half the time that klauspost/compress
// takes: decompression was the largest part of converting an export. It only
// reads; what is written is compressed by that library. A fuzz target holds it
// to the standard library's reader, and its callers compare checksums.
//
// It keeps no window. The text decoded before must still stand in front of the
// place that more is appended at, as far as distances reach back.
package inflate

import (
	"bufio"
	"errors"
	"io"
)

// Window is how far back in the text distances reach, in bytes.
const Window = 32 << 10

// ErrCorrupt says that data is not DEFLATE data.
var ErrCorrupt = errors.New("the compressed data is corrupt")

// Decoder decompresses one DEFLATE stream after the other. The zero Decoder
// needs a Reset. It is not safe for concurrent use.
type Decoder struct {
	src *bufio.Reader
	in  []byte // what src has buffered
	pos int    // how much of it is consumed

	bits  uint64 // consumed of in and not yet used, the next lowest
	nbits uint   // how many

	state    state
	last     bool   // no block follows this one
	produced uint64 // bytes of text since Reset
	length   uint   // of the copy or stored block that is under way
	distance uint

	literals [literalTable]entry
	offsets  [offsetTable]entry
	lengths  [286 + 30 + 4]uint8
	isFixed  bool // the tables hold the fixed code

	failed error // what src ended with
}

type state uint8

const (
	atBlock state = iota
	inStored
	inCodes
	atEnd
)

// Reset begins a stream where src stands. It must have a buffer of 4 KiB or
// more, and is used by nobody else before the stream's end.
func (d *Decoder) Reset(src *bufio.Reader) {
	d.src, d.in, d.pos = src, nil, 0
	d.bits, d.nbits = 0, 0
	d.state, d.last, d.produced, d.length = atBlock, false, 0, 0
	d.failed = nil
}

// Append decodes into the free capacity of text, until it is full or the
// stream ends, which is io.EOF: src then stands behind it. With every error
// comes the text decoded before it. A stream that breaks off is
// io.ErrUnexpectedEOF. The last Window bytes of what was decoded since Reset
// must stand at the end of text, and there must be room.
func (d *Decoder) Append(text []byte) ([]byte, error) {
	out, n := text[:cap(text)], len(text)
	begun := n - int(min(d.produced, uint64(n))) // distances do not reach before it
	was := n
	var err error
	d.in, _ = d.src.Peek(d.src.Buffered())
	for err == nil && n < len(out) {
		switch d.state {
		case atBlock:
			err = d.block()
		case inStored:
			n, err = d.stored(out, n)
		case inCodes:
			n, err = d.codes(out, n, begun)
		case atEnd:
			err = io.EOF
		}
	}
	if d.state == atEnd {
		err = io.EOF
	}
	d.produced += uint64(n - was)
	d.giveBack()
	d.src.Discard(d.pos) // they are buffered
	d.in, d.pos = nil, 0
	return out[:n], err
}

// giveBack returns the bytes of in that are in bits and not begun.
func (d *Decoder) giveBack() {
	d.pos -= int(d.nbits / 8)
	d.nbits %= 8
	d.bits &= 1<<d.nbits - 1
}

// more reads more input behind what is not used, until there are inputSlack
// bytes, and returns an error if there are no more than before.
func (d *Decoder) more() error {
	d.giveBack()
	had := len(d.in) - d.pos
	d.src.Discard(d.pos) // they are buffered
	d.pos = 0
	if d.failed == nil && d.src.Buffered() < inputSlack {
		_, d.failed = d.src.Peek(inputSlack)
	}
	d.in, _ = d.src.Peek(d.src.Buffered())
	switch {
	case len(d.in) > had:
		return nil
	case d.failed == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return d.failed
}

// need makes sure that there are so many bits, at most 48.
func (d *Decoder) need(n uint) error {
	for d.nbits < n {
		if d.pos == len(d.in) {
			if err := d.more(); err != nil {
				return err
			}
		}
		d.bits |= uint64(d.in[d.pos]) << d.nbits
		d.pos++
		d.nbits += 8
	}
	return nil
}

// take returns the next bits as a number, at most 16 of them.
func (d *Decoder) take(n uint) (uint, error) {
	if err := d.need(n); err != nil {
		return 0, err
	}
	v := uint(d.bits & (1<<n - 1))
	d.bits >>= n
	d.nbits -= n
	return v, nil
}

// next decodes a symbol and its extra bits, and returns its entry and the
// bits it was made of.
func (d *Decoder) next(table []entry, indexBits uint) (entry, uint64, error) {
	for {
		// Bits that are not there are zero: an entry that needs them is not trusted.
		bits, used := d.bits, uint(0)
		e := table[bits&(1<<indexBits-1)]
		if e&kind == subtable {
			used = e.length()
			bits >>= used
			e = table[e.base()+uint(bits)&(1<<e.code()-1)]
		}
		if used += e.length(); used <= d.nbits {
			d.bits >>= used
			d.nbits -= used
			if e&(literal|invalid) == invalid {
				return e, 0, ErrCorrupt
			}
			return e, bits, nil
		}
		if err := d.need(d.nbits + 1); err != nil {
			return 0, 0, err
		}
	}
}
