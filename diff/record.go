package diff

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
)

// hash is the first half of a SHA-256: two different contents have the same
// one with a chance of 2^-64 in 4 thousand million events.
type hash [16]byte

func hashOf(b []byte) hash {
	sum := sha256.Sum256(b)
	return hash(sum[:len(hash{})])
}

// record is what is kept of an event.
type record struct {
	key, sum hash
	line     int64
	input    int32
	side     uint8
}

// recordSize is the length of a record on disk: the fields in their order,
// integers little-endian.
const recordSize = 16 + 16 + 8 + 4 + 1

func (r *record) append(dst []byte) []byte {
	dst = append(append(dst, r.key[:]...), r.sum[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.line))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(r.input))
	return append(dst, r.side)
}

func (r *record) decode(b []byte) {
	copy(r.key[:], b)
	copy(r.sum[:], b[16:])
	r.line = int64(binary.LittleEndian.Uint64(b[32:]))
	r.input = int32(binary.LittleEndian.Uint32(b[40:]))
	r.side = b[44]
}

// compareRecords orders by key, content, set and place.
func compareRecords(a, b record) int {
	if c := bytes.Compare(a.key[:], b.key[:]); c != 0 {
		return c
	}
	if c := bytes.Compare(a.sum[:], b.sum[:]); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.side, b.side), comparePlaces(a, b))
}

func comparePlaces(a, b record) int {
	return cmp.Or(cmp.Compare(a.input, b.input), cmp.Compare(a.line, b.line))
}

// pair is one difference: a and b where it is changed, a alone where it is
// missing, b alone where it is extra.
type pair struct {
	a, b       record
	hasA, hasB bool
}

// comparePairs puts what stands in A first, then what is extra, by place.
func comparePairs(x, y pair) int {
	switch {
	case x.hasA && y.hasA:
		return comparePlaces(x.a, y.a)
	case x.hasA:
		return -1
	case y.hasA:
		return 1
	}
	return comparePlaces(x.b, y.b)
}
