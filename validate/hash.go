package validate

import (
	"encoding/binary"
	"math/bits"

	"export2batch/internal/jsonscan"
)

// hashKeys hashes a list of keys, eight bytes at a time.
func hashKeys(text []byte, keys []jsonscan.Key) uint64 {
	h := uint64(len(keys))
	for _, k := range keys {
		key := text[k.Start:k.End]
		n := len(key)
		var first, last uint64
		switch {
		case n > 16:
			for rest := key; len(rest) > 16; rest = rest[8:] {
				h = mix(h^binary.LittleEndian.Uint64(rest), hashA)
			}
			fallthrough
		case n >= 8:
			first, last = binary.LittleEndian.Uint64(key[max(0, n-16):]), binary.LittleEndian.Uint64(key[n-8:])
		case n >= 4:
			first, last = uint64(binary.LittleEndian.Uint32(key)), uint64(binary.LittleEndian.Uint32(key[n-4:]))
		case n > 0:
			first = uint64(key[0])<<16 | uint64(key[n/2])<<8 | uint64(key[n-1])
		}
		h = mix(h^first^hashA, last^hashB^uint64(n)<<56)
	}
	return h
}

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
