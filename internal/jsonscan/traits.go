package jsonscan

import "bytes"

// Traits say what the values inside an object or array may hold. They err on
// the safe side: what they do not name is not there.
type Traits uint8

const (
	// LongString: a string or key of more than 1024 bytes.
	LongString Traits = 1 << iota
	// LongNumber: a number with an exponent, an integer of more than 15 bytes, or
	// any number of more than 300. Other numbers are in the range of 64-bit
	// floating point, and exact if they are integers.
	LongNumber
	// Same: of a field that a Scanner returns, that the member stands byte for
	// byte in the object it scanned before too. What was found out about the value
	// then is true still.
	Same
)

const (
	longString = 1024
	longNumber = 15
	hugeNumber = 300
)

// stringTraits are those of a string with so many bytes between its quotes.
func stringTraits(n int) Traits {
	if n > longString {
		return LongString
	}
	return 0
}

// numberTraits are those of the number b[start:stop].
func numberTraits(b []byte, start, stop int) Traits {
	switch n := stop - start; {
	case n > 2 && hasExponent(b[start:stop]), n > hugeNumber, n > longNumber && bytes.IndexByte(b[start:stop], '.') < 0:
		return LongNumber
	}
	return 0
}

func hasExponent(number []byte) bool {
	for _, c := range number {
		if c|0x20 == 'e' {
			return true
		}
	}
	return false
}

// Key is a key inside a field, as offsets of its text without quotes.
type Key struct{ Start, End uint32 }

// Inner collects the keys that the objects in an object's fields have, in
// their order: of {"a":{"b":{"c":1}},"d":2} it is b.
type Inner struct {
	keys []Key
	next int // the first that Of has not passed
}

// Of returns the keys of the object that is the field f. Fields are asked for
// in their order; those that are not are passed over.
func (in *Inner) Of(f *Field) []Key {
	for in.next < len(in.keys) && in.keys[in.next].Start < f.Start {
		in.next++
	}
	first := in.next
	for in.next < len(in.keys) && in.keys[in.next].Start < f.End {
		in.next++
	}
	return in.keys[first:in.next]
}

// carry adds those of keys that stand between from and to, moved by delta. It
// looks at them from next on, and returns where it came to.
func (in *Inner) carry(keys []Key, next int, from, to, delta uint32) int {
	for ; next < len(keys) && keys[next].Start < to; next++ {
		if keys[next].Start > from {
			in.keys = append(in.keys, Key{keys[next].Start + delta, keys[next].End + delta})
		}
	}
	return next
}
