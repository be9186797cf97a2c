package partition

import (
	"context"
	"fmt"
)

// sorter sorts spills within a share of the memory: three quarters of it for a
// batch, the rest for the buffers of splitting and merging.
type sorter struct {
	ctx      context.Context
	work     *workspace
	batch    *batch
	budget   int64 // bytes a batch may take
	fan      int   // pieces a spill is split into at once, and runs merged
	keepLast bool
	decided  winners // of the keys that stand in several partitions
	partOf   func(root uint32) uint32
	packed   []byte

	duplicates int64
	dropped    Hash
}

// fits tells whether a spill can be loaded as it is.
func (w *sorter) fits(s *spill) bool { return s.file == nil || size(s) <= w.budget }

// spill sorts a spill into sink. One that does not fit in memory is split by
// dedup key, so that equal events and collisions stay together, into pieces
// that do fit; these are sorted into runs, and the runs merged. Level counts
// the splits around it.
func (w *sorter) spill(s *spill, level int, sink rowSink) error {
	if w.fits(s) {
		return w.sorted(s, nil, sink)
	}
	return w.split(s, level, byKey, sink, func(piece *spill, sink rowSink) error {
		if w.fits(piece) || piece.bytes <= s.bytes/2 {
			return w.spill(piece, level+1, sink)
		}
		return w.oneKey(piece, level+1, sink)
	})
}

// oneKey sorts a spill that did not get smaller: most of its events have one
// key. Who has the key is found out first, then it is split by content.
func (w *sorter) oneKey(s *spill, level int, sink rowSink) error {
	u := newUses(w.keepLast)
	err := s.each(func(r *row) error {
		if r.dedup != 0 {
			u.note(r)
		}
		return w.ctx.Err()
	})
	if err != nil {
		return err
	}
	decided := winners{}
	u.addTo(decided)
	return w.byContent(s, level, decided, sink)
}

func (w *sorter) byContent(s *spill, level int, decided winners, sink rowSink) error {
	return w.split(s, level, byContent, sink, func(piece *spill, sink rowSink) error {
		others := (s.bytes - piece.bytes) / int64(w.pieces(s)-1)
		if w.fits(piece) || piece.bytes > s.bytes/2 && others <= w.budget/2 {
			// Where it does not fit most of it is equal events, of which the
			// first alone takes memory, and the others are about as many as in
			// the other pieces.
			return w.sorted(piece, decided, sink)
		}
		return w.byContent(piece, level+1, decided, sink)
	})
}

func byKey(r *row) uint64 {
	if r.dedup == 0 {
		return r.order
	}
	return r.dedup
}

func byContent(r *row) uint64 {
	if r.dedup == 0 {
		return r.order
	}
	return r.content
}

// sorted loads a spill and gives its events to sink in order, equal ones once.
// Decided is nil where the batch itself tells who loses its insert id.
func (w *sorter) sorted(s *spill, decided winners, sink rowSink) error {
	b := w.batch
	if err := b.load(s, w.partOf); err != nil {
		return err
	}
	w.duplicates += b.dropped
	w.dropped += b.hashes.Dropped
	if decided == nil {
		b.settle(w.keepLast)
	}
	b.apply(decided)
	b.apply(w.decided)
	b.sort()
	var r row // one for all: its address escapes
	for i := range b.entries {
		if i&1023 == 0 {
			if err := w.ctx.Err(); err != nil {
				return err
			}
		}
		e := &b.entries[i]
		r = b.row(e)
		if err := sink(e.part&^loserBit, &r); err != nil {
			return err
		}
	}
	return nil
}

// split divides a spill by key, sorts every piece with sort into a run, and
// merges the runs into sink.
func (w *sorter) split(s *spill, level int, key func(*row) uint64, sink rowSink, sort func(*spill, rowSink) error) error {
	pieces, err := w.scatter(s, level, key)
	if err != nil {
		return err
	}
	var runs []*spill
	for _, piece := range pieces {
		if piece.events == 0 {
			continue
		}
		run, err := w.sortRun(piece, sort)
		if err != nil {
			return err
		}
		if err := piece.remove(); err != nil {
			return err
		}
		runs = append(runs, run)
	}
	if err := merge(w.ctx, runs, w.partOf, sink); err != nil {
		return err
	}
	for _, run := range runs {
		if err := run.remove(); err != nil {
			return err
		}
	}
	return nil
}

// pieces is into how many pieces a spill is split.
func (w *sorter) pieces(s *spill) int { return int(min(int64(w.fan), size(s)/w.budget*3/2+2)) }

// scatter divides a spill; every level by other bits of the hash.
func (w *sorter) scatter(s *spill, level int, key func(*row) uint64) ([]*spill, error) {
	// The pieces may be what no longer fits in memory: then they drive all there
	// is to disk, and s must not be read from memory meanwhile.
	if err := w.work.toDisk(); err != nil {
		return nil, err
	}
	n := w.pieces(s)
	pieces := make([]*spill, n)
	for i := range pieces {
		pieces[i] = s.next()
	}
	buffers := newBuffers(pieces, int(max(minBlock, min(maxBlock, w.budget/4/int64(n)))), &w.packed)
	err := s.each(func(r *row) error {
		if err := buffers[mix(key(r), level)%uint64(n)].put(r); err != nil {
			return err
		}
		return w.ctx.Err()
	})
	for i := range buffers {
		if err == nil {
			err = buffers[i].flush()
		}
	}
	return pieces, err
}

// mix gives each level of splitting a hash of its own.
func mix(key uint64, level int) uint64 {
	key ^= uint64(level+1) * 0x9E3779B97F4A7C15
	key ^= key >> 32
	key *= 0xd6e8feb86659fd93
	key ^= key >> 32
	key *= 0xd6e8feb86659fd93
	return key ^ key>>32
}

// sortRun makes a run, whose blocks must stay in the order they are added in:
// scatter has set onDisk before, so that all go straight to the file, and only
// one goroutine adds them.
func (w *sorter) sortRun(piece *spill, sort func(*spill, rowSink) error) (*spill, error) {
	run := piece.next()
	b := buffer{to: run, limit: mergeBlock, packed: &w.packed}
	err := sort(piece, func(_ uint32, r *row) error { return b.put(r) })
	if err == nil {
		err = b.flush()
	}
	if err != nil {
		return nil, fmt.Errorf("sort %s: %w", piece.name, err)
	}
	return run, nil
}
