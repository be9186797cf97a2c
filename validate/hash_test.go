package validate

import (
	"bytes"
	"slices"
	"testing"

	"export2batch/internal/jsonscan"
)

// TestHashText changes every byte of texts of all lengths around the lanes,
// and their lengths.
func TestHashText(t *testing.T) {
	t.Parallel()
	const seed = 12345
	seen := map[uint64]bool{}
	see := func(text []byte) {
		h := hashText(seed, text)
		if seen[h] {
			t.Errorf("%d bytes have a hash that was met: %x", len(text), text)
		}
		seen[h] = true
	}
	for n := range 200 {
		text := make([]byte, n)
		see(text)
		for i := range text {
			for _, c := range []byte{1, 0x80, 0xff} {
				text[i] = c
				see(text)
			}
			text[i] = 0
		}
	}
	if text := []byte("the same"); hashText(1, text) == hashText(2, text) || hashText(1, text) != hashText(1, slices.Clone(text)) {
		t.Error("the seed says nothing, or everything")
	}
}

// TestHashKey sees that a key's hash depends on all of its bytes and on no
// others, wherever it stands, but for the end of the text.
func TestHashKey(t *testing.T) {
	t.Parallel()
	seen := map[uint64]int{}
	for n := range 80 {
		for i := range n {
			text := bytes.Repeat([]byte{'a'}, n)
			text[i] = 'b'
			h := hashKey(append(bytes.Clone(text), make([]byte, 40)...), jsonscan.Key{End: uint32(n)})
			again := hashKey(append([]byte(`{"x":"y","`), append(text, `":[1,2,3,4,5,6,7,8,9,10,11,12,13]}`...)...), jsonscan.Key{Start: 10, End: uint32(10 + n)})
			if h != again || h == 0 {
				t.Errorf("%d bytes: %x, and %x behind other text", n, h, again)
			}
			if seen[h] > 0 {
				t.Errorf("%d bytes have the hash of %d others", n, seen[h])
			}
			seen[h] = n
		}
	}
	if hashKey([]byte(`{"a":1}`), jsonscan.Key{Start: 2, End: 3}) == hashKey([]byte(`{"b":1}`), jsonscan.Key{Start: 2, End: 3}) {
		t.Error("keys at the end of a text are the same")
	}
}
