package partition

import "math/bits"

// table is an open hash table of entries: a slot has 32 bits of the hash above
// 1 + the index of the entry; 0 is a free slot.
type table struct {
	slots []uint64
	used  int
}

// clear empties the table and makes room for n entries.
func (t *table) clear(n int) {
	t.used = 0
	need := 0
	if n > 0 {
		need = 1 << bits.Len(uint(n+n/3))
	}
	if need > cap(t.slots) {
		t.slots = nil // not while the new one is made
		t.slots = make([]uint64, need)
		return
	}
	t.slots = t.slots[:need]
	clear(t.slots)
}

func tagOf(hash uint64) uint64 { return hash * 0xD1B54A32D192ED03 >> 32 }

// find returns the entry + 1 with this hash for which same holds, 0 where there
// is none, and its slot, or the one to put it in.
func (t *table) find(hash uint64, same func(n uint32) bool) (slot int, n uint32) {
	if 4*(t.used+1) > 3*len(t.slots) {
		t.grow()
	}
	tag, mask := tagOf(hash), len(t.slots)-1
	for i := int(tag) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return i, 0
		}
		if s>>32 == tag && same(uint32(s)) {
			return i, uint32(s)
		}
	}
}

// put fills a slot that find returned for the same hash. A free one gets its
// tag from hash.
func (t *table) put(slot int, hash uint64, n uint32) {
	if t.slots[slot] == 0 {
		t.used++
	}
	t.slots[slot] = tagOf(hash)<<32 | uint64(n)
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]uint64, max(16, 2*len(old)))
	mask := len(t.slots) - 1
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := int(s>>32) & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}
