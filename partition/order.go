package partition

import (
	"cmp"
	"io"
	"slices"
)

// entry is an event held in memory: a row whose line is in an arena.
type entry struct {
	time, eventID int64
	order         uint64 // of the first of equal events
	lastOrder     uint64 // of the last of them
	dedup         uint64
	content       uint64
	off           int
	len           uint32
	root          uint32
	next          int32 // 1 + index of another entry with this dedup key; 0 none
}

// before is the order of a partition. It is total: no two events share order.
func (e *entry) before(o *entry) int {
	return cmp.Or(cmp.Compare(e.time, o.time), cmp.Compare(e.eventID, o.eventID), cmp.Compare(e.order, o.order))
}

// batch is a set of events in memory, each once.
type batch struct {
	arena   []byte
	entries []entry
	byDedup map[uint64]int32
	dropped int64 // equal events beyond the first
}

// overhead is how many bytes an event takes in a batch beside its line, the
// map's share included, less its header in a spill.
const overhead = 72 + 24 - recordHeader

// size is the memory that loading a spill takes at most.
func size(s *spill) int64 { return s.bytes + s.events*overhead }

// load reads a spill, leaving out equal events. The memory of b is used again.
func (b *batch) load(s *spill) error {
	b.arena, b.entries, b.dropped = b.arena[:0], b.entries[:0], 0
	if b.byDedup == nil {
		b.byDedup = map[uint64]int32{}
	}
	clear(b.byDedup)
	return s.each(func(r *row) error {
		b.add(r)
		return nil
	})
}

func (b *batch) add(r *row) {
	e := entry{time: r.time, eventID: r.eventID, order: r.order, lastOrder: r.order, dedup: r.dedup,
		content: r.content, off: len(b.arena), len: uint32(len(r.line)), root: r.root}
	if r.dedup != 0 {
		first := b.byDedup[r.dedup]
		for i := first; i != 0; i = b.entries[i-1].next {
			if same := &b.entries[i-1]; same.content == r.content && same.len == e.len {
				same.order = min(same.order, r.order)
				same.lastOrder = max(same.lastOrder, r.order)
				b.dropped++
				return
			}
		}
		e.next = first
		b.byDedup[r.dedup] = int32(len(b.entries) + 1)
	}
	b.arena = append(b.arena, r.line...)
	b.entries = append(b.entries, e)
}

// sort puts the entries in order; the chains of dedup keys are lost.
func (b *batch) sort() { slices.SortFunc(b.entries, func(x, y entry) int { return x.before(&y) }) }

func (b *batch) line(e *entry) []byte { return b.arena[e.off : e.off+int(e.len)] }

// each calls f with every row of the spill. The row is valid during the call.
func (s *spill) each(f func(*row) error) error {
	next, err := s.blocks()
	if err != nil {
		return err
	}
	var block []byte
	for {
		block, err = next(block)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for rest := block; len(rest) > 0; {
			var r row
			r, rest = cutRow(rest)
			if err := f(&r); err != nil {
				return err
			}
		}
	}
}
