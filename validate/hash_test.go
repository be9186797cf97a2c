package validate

import "testing"

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
	if text := []byte("the same"); hashText(1, text) == hashText(2, text) || hashText(1, text) != hashText(1, text) {
		t.Error("the seed says nothing, or everything")
	}
}
