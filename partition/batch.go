package partition

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

// entry is an event held in memory.
type entry struct {
	time int64
	at   uint64 // number of its block <<32 | where its record starts there
	last uint64 // order of the last of equal events
	part uint32 // number of its partition; loserBit: its insert id goes to another event
}

// entryBytes is what an event takes in a batch beside its record: the entry,
// and up to 8/3 places in a table, of which there are two only where insert ids
// collide.
const entryBytes = 24 + 24 + 16

// batch is a set of events in memory, each once.
type batch struct {
	arena   []byte   // for what is read from files
	blocks  [][]byte // in the arena, or resident ones
	entries []entry
	byKey   table // an entry of each dedup key; after settle, the winner
	byBoth  table // the other entries of those keys, by key and content
	dropped int64 // equal events beyond the first
	hashes  Hashes
}

// size is the memory that loading a spill takes at most.
func size(s *spill) int64 { return s.bytes + s.events*entryBytes }

// reserve makes room for a spill of that many bytes and events, before any is
// loaded, so that it is never moved.
func (b *batch) reserve(bytes, events int64) {
	b.arena = make([]byte, 0, bytes)
	b.entries = make([]entry, 0, events)
}

// load reads a spill, leaving out equal events. The memory of b is used again.
// Part gives the partition of an identity.
func (b *batch) load(s *spill, part func(root uint32) uint32) error {
	b.arena, b.blocks, b.entries, b.dropped, b.hashes = b.arena[:0], b.blocks[:0], b.entries[:0], 0, Hashes{}
	b.byKey.clear(int(min(s.events, max(1<<10, int64(cap(b.entries))))))
	b.byBoth.clear(0)
	in, err := s.reader()
	if err != nil {
		return err
	}
	for {
		block := in.resident()
		if block == nil {
			if block, err = b.read(in); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
		if err := b.take(block, part); err != nil {
			return fmt.Errorf("read %s: %w", s.path(), err)
		}
	}
}

// read unpacks the next block of a file behind those in the arena, or, where
// that is full, into memory of its own: then most of what came before were
// equal events, of which the first alone was kept.
func (b *batch) read(in *reader) ([]byte, error) {
	n, err := in.head()
	if err != nil {
		return nil, err
	}
	at := len(b.arena)
	if cap(b.arena)-at < n {
		block := make([]byte, n)
		return block, in.body(block)
	}
	block := b.arena[at : at+n : at+n]
	return block, in.body(block)
}

// take adds the records of a block, and moves them together where some are left
// out.
func (b *batch) take(block []byte, part func(uint32) uint32) error {
	number := uint64(len(b.blocks)) << 32
	b.blocks = append(b.blocks, block)
	kept := 0
	for rest := block; len(rest) > 0; {
		var r row
		var err error
		from := len(block) - len(rest)
		if r, rest, err = cutRow(rest); err != nil {
			return err
		}
		e := entry{time: r.time, at: number | uint64(kept), last: r.order, part: part(r.root)}
		to := len(block) - len(rest)
		if kept != from {
			copy(block[kept:], block[from:to])
		}
		if b.add(&r, e) {
			b.dropped++
			b.hashes.Dropped += Hash(r.content)
			continue
		}
		kept += to - from
	}
	block = block[:kept]
	b.blocks[len(b.blocks)-1] = block
	if at := len(b.arena); at < cap(b.arena) && kept > 0 && &b.arena[:at+1][at] == &block[0] {
		b.arena = b.arena[:at+kept]
	}
	if kept == 0 {
		b.blocks = b.blocks[:len(b.blocks)-1]
	}
	return nil
}

// add takes an event, or finds that it is there already.
func (b *batch) add(r *row, e entry) (known bool) {
	if r.dedup == 0 {
		b.entries = append(b.entries, e)
		return false
	}
	at, n := b.byKey.find(r.dedup, func(n uint32) bool { return b.dedup(n) == r.dedup })
	into, hash := &b.byKey, r.dedup
	if n != 0 && !b.same(n, r) {
		into, hash = &b.byBoth, both(r.dedup, r.content)
		at, n = b.byBoth.find(hash, func(n uint32) bool { return b.dedup(n) == r.dedup && b.same(n, r) })
	}
	if n == 0 {
		b.entries = append(b.entries, e)
		into.put(at, hash, uint32(len(b.entries)))
		return false
	}
	first := &b.entries[n-1]
	first.last = max(first.last, r.order)
	if head := b.head(first); r.order < binary.LittleEndian.Uint64(head[24:]) {
		binary.LittleEndian.PutUint64(head[24:], r.order)
	}
	return true
}

func both(dedup, content uint64) uint64 { return dedup ^ bits.RotateLeft64(content, 29) }

// head is the record of an entry, and what follows it in its block.
func (b *batch) head(e *entry) []byte { return b.blocks[e.at>>32][uint32(e.at):] }

func (b *batch) dedup(n uint32) uint64 {
	return binary.LittleEndian.Uint64(b.head(&b.entries[n-1])[32:])
}

// same tells whether entry n-1 has the content of r.
func (b *batch) same(n uint32, r *row) bool {
	head := b.head(&b.entries[n-1])
	return binary.LittleEndian.Uint64(head[40:]) == r.content && binary.LittleEndian.Uint32(head[4:])&^loserBit == uint32(len(r.line))
}

// row is the record of an entry.
func (b *batch) row(e *entry) row {
	r, _, err := cutRow(b.head(e))
	if err != nil {
		panic("an entry points behind its block") // take has cut it before
	}
	r.loser = e.part&loserBit != 0
	return r
}

// settle decides, of events with one insert id, which has it: the last in
// order, or the first.
func (b *batch) settle(keepLast bool) {
	for _, slot := range b.byBoth.slots {
		n := uint32(slot)
		if n == 0 {
			continue
		}
		e := &b.entries[n-1]
		key := b.dedup(n)
		at, first := b.byKey.find(key, func(n uint32) bool { return b.dedup(n) == key })
		other := &b.entries[first-1]
		if b.place(e, keepLast).wins(b.place(other, keepLast), keepLast) {
			b.byKey.put(at, key, n)
			e = other
		}
		e.part |= loserBit
	}
}

// place is where an event stands in the order, or the last equal to it.
func (b *batch) place(e *entry, last bool) place {
	head := b.head(e)
	p := place{e.time, int64(binary.LittleEndian.Uint64(head[16:])), binary.LittleEndian.Uint64(head[24:])}
	if last {
		p.order = e.last
	}
	return p
}

// apply marks the losers of keys that were decided elsewhere.
func (b *batch) apply(winners winners) {
	if len(winners) == 0 {
		return
	}
	for i := range b.entries {
		e := &b.entries[i]
		head := b.head(e)
		content, ok := winners[binary.LittleEndian.Uint64(head[32:])]
		switch {
		case !ok:
		case content == binary.LittleEndian.Uint64(head[40:]):
			e.part &^= loserBit
		default:
			e.part |= loserBit
		}
	}
}

// sort puts the entries in order: by partition, and there as in its file. The
// order is total: no two events share a line of the input.
func (b *batch) sort() {
	slices.SortFunc(b.entries, func(x, y entry) int {
		switch {
		case (x.part^y.part)&^loserBit != 0:
			return cmp.Compare(x.part&^loserBit, y.part&^loserBit)
		case x.time != y.time:
			return cmp.Compare(x.time, y.time)
		}
		return b.place(&x, false).compare(b.place(&y, false))
	})
}
