package inflate

import "math/bits"

// An entry of a table says what the bits that stand next mean.
//
//	bit   31     a literal, which is bits 16–23
//	bits  16–30  the shortest length or distance, or where the subtable begins
//	bit   15     not a literal, length or distance: one of the three below
//	bits  8–12   how many bits the code has; of a subtable: how many index it
//	bits  0–7    how many bits to consume: the code and the extra bits behind it
//
// Codes longer than the table's index share an entry of it, which names the
// subtable that the bits behind index.
type entry uint32

const (
	literal   entry = 1 << 31
	special   entry = 1 << 15
	endMarker entry = special | 1<<14
	invalid   entry = special | 1<<13
	subtable  entry = special // and neither of the two above
	kind      entry = literal | endMarker | invalid
)

const (
	maxCode     = 15 // bits of the longest code
	literalBits = 11 // that index the table of literals and lengths
	offsetBits  = 8
	headerBits  = 7 // the longest code that the codes of a block are written with

	// The most entries that tables and subtables need together, for codes of 286, 30 and 19 symbols
	// (zlib, examples/enough.c).
	literalTable = 2342
	offsetTable  = 402
	headerTable  = 1 << headerBits
)

// lengthBase and lengthExtra belong to the symbols from 257, RFC 1951, 3.2.5.
var lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
var lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}

// literalMeanings and offsetMeanings are the entries of the symbols without
// the bits that their codes have.
var literalMeanings = func() (m [288]entry) {
	for i := range 256 {
		m[i] = literal | entry(i)<<16
	}
	m[256] = endMarker
	for i, base := range lengthBase {
		m[257+i] = entry(base)<<16 | entry(lengthExtra[i])
	}
	m[286], m[287] = invalid, invalid // they take part in the fixed code and never occur
	return m
}()

var offsetMeanings = func() (m [32]entry) {
	base := 1
	for i := range 30 {
		extra := max(0, i/2-1)
		m[i] = entry(base)<<16 | entry(extra)
		base += 1 << extra
	}
	m[30], m[31] = invalid, invalid
	return m
}()

var headerMeanings = func() (m [19]entry) {
	for i := range m {
		m[i] = entry(i) << 16
	}
	return m
}()

func (e entry) base() uint   { return uint(e>>16) & 0x7fff }
func (e entry) code() uint   { return uint(e>>8) & 31 }
func (e entry) length() uint { return uint(e & 0xff) }

// value is the length or distance of which the bits are the code and the extra
// bits.
func (e entry) value(bits uint64) uint {
	return e.base() + uint(bits&(1<<(e&63)-1))>>(e>>8&31)
}

// build fills table for symbols with codes of these lengths, 0 for a symbol
// that does not occur. It reports whether the lengths make a code: a complete
// one, a single code of one bit, or none at all.
func build(table []entry, indexBits uint, lengths []uint8, meanings []entry) bool {
	var count, next [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	used := len(lengths) - count[0]
	count[0] = 0
	code := 0
	for n := 1; n <= maxCode; n++ {
		code = (code + count[n-1]) << 1
		next[n] = code
	}
	root := table[:1<<indexBits]
	if code+count[maxCode] != 1<<maxCode {
		if used > 1 || used != count[1] {
			return false
		}
		for i := range root {
			root[i] = invalid | 1
		}
	}

	// The codes, first bit lowest. Of those that need a subtable the root notes the longest.
	var codes [len(literalMeanings)]uint16
	long := false
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		codes[symbol] = bits.Reverse16(uint16(next[n])) >> (16 - n)
		next[n]++
		if uint(n) <= indexBits {
			spread(root, uint(codes[symbol]), uint(n), meanings[symbol])
		} else {
			root[codes[symbol]&uint16(len(root)-1)] = 0
			long = true
		}
	}
	if !long {
		return true
	}
	for symbol, n := range lengths {
		if uint(n) > indexBits {
			at := &root[codes[symbol]&uint16(len(root)-1)]
			*at = max(*at, entry(n))
		}
	}
	free := uint(len(root))
	for symbol, n := range lengths {
		if uint(n) <= indexBits {
			continue
		}
		at := &root[codes[symbol]&uint16(len(root)-1)]
		if *at <= maxCode {
			more := uint(*at) - indexBits
			*at = subtable | entry(free)<<16 | entry(more)<<8 | entry(indexBits)
			free += 1 << more
		}
		sub := table[at.base() : at.base()+1<<at.code()]
		spread(sub, uint(codes[symbol])>>indexBits, uint(n)-indexBits, meanings[symbol])
	}
	return true
}

// spread sets all places of the table whose index begins with the code.
func spread(table []entry, code, n uint, meaning entry) {
	// What a meaning has in its lowest byte are extra bits.
	e := meaning&^0xff | entry(n)<<8 | (meaning&0xff + entry(n))
	if meaning&(special|literal) != 0 {
		e = meaning | entry(n)
	}
	for i := code; i < uint(len(table)); i += 1 << n {
		table[i] = e
	}
}
