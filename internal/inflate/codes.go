package inflate

import "encoding/binary"

const (
	// What a turn of the fast loop may touch: it reads eight bytes of input twice, and writes two literals and the longest copy, in strides.
	inputSlack  = 16
	stride      = 16
	outputSlack = 2 + 258 + stride
)

// codes decodes from a compressed block, until out is full or the block ends.
// Text begins at out[begun].
func (d *Decoder) codes(out []byte, n, begun int) (int, error) {
	for {
		n = d.copy(out, n)
		if n == len(out) {
			return n, nil
		}
		if len(d.in)-d.pos < inputSlack && d.failed == nil {
			d.more() // whether it is enough shows at the next symbol
		}
		if len(d.in)-d.pos >= inputSlack && len(out)-n >= outputSlack {
			var err error
			if n, err = d.fast(out, n, begun); err != nil || d.state != inCodes {
				return n, err
			}
			continue
		}
		e, bits, err := d.next(d.literals[:], literalBits)
		switch {
		case err != nil:
			return n, err
		case e&literal != 0:
			out[n] = byte(e >> 16)
			n++
			continue
		case e&kind == endMarker:
			d.state = atBlock
			return n, nil
		}
		length := e.value(bits)
		if e, bits, err = d.next(d.offsets[:], offsetBits); err != nil {
			return n, err
		}
		if d.distance = e.value(bits); d.distance > uint(n-begun) {
			return n, ErrCorrupt
		}
		d.length = length
	}
}

// copy does what there is room for of the copy that is under way.
func (d *Decoder) copy(out []byte, n int) int {
	for d.length > 0 && n < len(out) {
		m := copy(out[n:], out[n-int(d.distance):][:min(d.length, d.distance)])
		n += m
		d.length -= uint(m)
	}
	return n
}

// fast is codes where there is enough input and room that neither needs to be
// looked at within a turn.
func (d *Decoder) fast(out []byte, n, begun int) (int, error) {
	in, pos, bits, nbits := d.in, d.pos, d.bits, d.nbits
	lastIn, lastOut := len(in)-inputSlack, len(out)-outputSlack
	var err error
turns:
	for pos <= lastIn && n <= lastOut {
		// At least 56 bits. Those above are read again and are the same.
		bits |= binary.LittleEndian.Uint64(in[pos:]) << (nbits & 63)
		pos += int((63 - nbits) >> 3)
		nbits |= 56

		// Up to three literals in a row, of 11 bits each at most: enough is left for a length.
		e := d.literals[bits&(1<<literalBits-1)]
		if e&literal != 0 {
			out[n] = byte(e >> 16)
			n++
			bits >>= e & 63
			nbits -= uint(e & 63)
			e = d.literals[bits&(1<<literalBits-1)]
			if e&literal != 0 {
				out[n] = byte(e >> 16)
				n++
				bits >>= e & 63
				nbits -= uint(e & 63)
				e = d.literals[bits&(1<<literalBits-1)]
				if e&literal != 0 {
					out[n] = byte(e >> 16)
					n++
					bits >>= e & 63
					nbits -= uint(e & 63)
					continue
				}
			}
		}
		if e&special != 0 {
			if e&kind == subtable {
				bits >>= literalBits
				nbits -= literalBits
				e = d.literals[e.base()+uint(bits)&(1<<(e.code()&63)-1)]
				if e&literal != 0 {
					out[n] = byte(e >> 16)
					n++
					bits >>= e & 63
					nbits -= uint(e & 63)
					continue
				}
			}
			switch {
			case e&kind == endMarker:
				bits >>= e & 63
				nbits -= uint(e & 63)
				d.state = atBlock
				break turns
			case e&special != 0:
				err = ErrCorrupt
				break turns
			}
		}
		length := int(e.value(bits))
		bits >>= e & 63
		nbits -= uint(e & 63)

		bits |= binary.LittleEndian.Uint64(in[pos:]) << (nbits & 63)
		pos += int((63 - nbits) >> 3)
		nbits |= 56
		e = d.offsets[bits&(1<<offsetBits-1)]
		if e&special != 0 {
			if e&kind == subtable {
				bits >>= offsetBits
				nbits -= offsetBits
				e = d.offsets[e.base()+uint(bits)&(1<<(e.code()&63)-1)]
			}
			if e&special != 0 {
				err = ErrCorrupt
				break
			}
		}
		distance := int(e.value(bits))
		bits >>= e & 63
		nbits -= uint(e & 63)
		from := n - distance
		if from < begun {
			err = ErrCorrupt
			break
		}
		switch {
		case distance >= stride:
			// Strides do not overlap what they write; the last may overshoot.
			to, end := n, n+length
			for {
				src, dst := out[from:from+stride], out[to:to+stride]
				binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src))
				binary.LittleEndian.PutUint64(dst[8:], binary.LittleEndian.Uint64(src[8:]))
				from += stride
				to += stride
				if to >= end {
					break
				}
			}
			n = end
		default:
			for range length {
				out[n] = out[from]
				n++
				from++
			}
		}
	}
	d.pos, d.bits, d.nbits = pos, bits&(1<<(nbits&63)-1), nbits
	return n, err
}
