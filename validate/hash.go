package validate

import (
	"encoding/binary"
	"math/bits"

	"export2batch/internal/jsonscan"
)

// hashKey hashes a key as it stands in text; the hash is never 0. Up to 32
// bytes take the same way whatever their number, as the lengths of keys cannot
// be foreseen.
func hashKey(text []byte, k jsonscan.Key) uint64 {
	n := k.End - k.Start
	if n > 32 || int(k.Start)+32 > len(text) {
		return hashText(0x8ebc6af09c88c6e3, text[k.Start:k.End]) | 1
	}
	t := text[k.Start : k.Start+32]
	mask := &keyMasks[n]
	a := mix(word(t)&mask[0]^hashA, word(t[8:])&mask[1]^hashB^uint64(n))
	b := mix(word(t[16:])&mask[2]^hashB, word(t[24:])&mask[3]^hashA)
	return (a ^ b) | 1
}

// keyMasks keep the first n bytes of four words.
var keyMasks = func() (masks [33][4]uint64) {
	for n := range masks {
		for i := range n {
			masks[n][i/8] |= 0xff << (i % 8 * 8)
		}
	}
	return masks
}()

// hashText hashes a text of any length. Four lanes of 16 bytes do not wait for
// each other, so that a line of 1 KB takes half the time that maphash needs.
func hashText(seed uint64, text []byte) uint64 {
	a, b, c, d := seed, seed^hashA, seed^hashB, ^seed
	n := uint64(len(text))
	for len(text) >= 64 {
		t := text[:64]
		a = mix(word(t[0:])^a, word(t[8:])^hashB)
		b = mix(word(t[16:])^b, word(t[24:])^hashB)
		c = mix(word(t[32:])^c, word(t[40:])^hashB)
		d = mix(word(t[48:])^d, word(t[56:])^hashB)
		text = text[64:]
	}
	for len(text) >= 16 {
		a = mix(word(text)^a, word(text[8:])^hashB)
		text = text[16:]
	}
	var rest [16]byte
	copy(rest[:], text)
	b = mix(word(rest[:])^b, word(rest[8:])^hashB)
	return mix(mix(a^n, b^hashA)^c, d^hashB)
}

func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// Odd numbers with as many ones as zeros, from wyhash.
const hashA, hashB = 0xa0761d6478bd642f, 0xe7037ed1a0b428db

func mix(x, y uint64) uint64 {
	high, low := bits.Mul64(x, y)
	return high ^ low
}
