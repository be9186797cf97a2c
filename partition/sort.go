package partition

import (
	"cmp"
)

// rowSink takes sorted events.
type rowSink func(e *entry, line []byte) error

// spill sorts a spill into sink. One that does not fit in memory is split by
// dedup key, so that equal events and collisions stay together; the sorted
// pieces are merged.
func (w *writer) spill(s *spill, sink rowSink) error {
	if size(s) <= w.budget {
		return w.sorted(s, nil, sink)
	}
	return w.split(s, sink, func(r *row) uint64 {
		if r.dedup == 0 {
			return r.order
		}
		return r.dedup
	}, w.piece)
}

// piece sorts a piece of a split spill. One that still does not fit holds many
// events with few keys; it is split again by content, with what each key needs
// known beforehand. What does not fit even then are equal events, and only the
// first of those takes memory.
func (w *writer) piece(s *spill, sink rowSink) error {
	if size(s) <= w.budget {
		return w.sorted(s, nil, sink)
	}
	uses, err := usesOf(s)
	if err != nil {
		return err
	}
	return w.split(s, sink, func(r *row) uint64 { return r.content }, func(s *spill, sink rowSink) error {
		return w.sorted(s, uses, sink)
	})
}

// sorted loads a spill and gives its events to sink in order, equal ones once,
// collisions decided. Uses is nil where the batch itself tells them.
func (w *writer) sorted(s *spill, uses map[uint64]keyUse, sink rowSink) error {
	b := w.batch
	if err := b.load(s); err != nil {
		return err
	}
	for range b.dropped {
		w.counts.Drop("duplicate")
	}
	if uses == nil {
		uses = b.uses()
	}
	b.sort()
	for i := range b.entries {
		if i&1023 == 0 {
			if err := w.ctx.Err(); err != nil {
				return err
			}
		}
		e := &b.entries[i]
		line := b.line(e)
		if u := uses[e.dedup]; u.severalContent {
			kept, err := w.collide(e, line, u)
			if err != nil {
				return err
			}
			if kept == nil {
				continue
			}
			line = kept
		}
		if err := sink(e, line); err != nil {
			return err
		}
	}
	return nil
}

// split divides a spill by key, sorts every piece with sort into a run, and
// merges the runs into sink.
func (w *writer) split(s *spill, sink rowSink, key func(*row) uint64, sort func(*spill, rowSink) error) error {
	n := int(size(s)/w.budget*3/2) + 2
	pieces, err := w.scatter(s, n, key)
	if err != nil {
		return err
	}
	var runs []*spill
	for _, piece := range pieces {
		run, err := w.sortRun(piece, sort)
		if err != nil {
			return err
		}
		if err := piece.remove(); err != nil {
			return err
		}
		runs = append(runs, run)
	}
	if err := merge(w.ctx, runs, sink); err != nil {
		return err
	}
	for _, run := range runs {
		if err := run.remove(); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) scatter(s *spill, n int, key func(*row) uint64) ([]*spill, error) {
	pieces := make([]*spill, n)
	for i := range pieces {
		var err error
		if pieces[i], err = w.run.work.next(s); err != nil {
			return nil, err
		}
	}
	buffers := make([]buffer, n)
	limit := int(max(4<<10, min(blockSize, w.budget/4/int64(n))))
	flush := func(i int) (err error) {
		b := &buffers[i]
		w.packed, err = pieces[i].write(b.records, b.events, w.packed)
		b.records, b.events = b.records[:0], 0
		return cmp.Or(err, w.ctx.Err())
	}
	err := s.each(func(r *row) error {
		i := int(key(r) * 0x9E3779B97F4A7C15 >> 33 % uint64(n))
		b := &buffers[i]
		b.records = appendRow(b.records, r)
		b.events++
		if len(b.records) >= limit {
			return flush(i)
		}
		return nil
	})
	for i := range buffers {
		if err == nil && len(buffers[i].records) > 0 {
			err = flush(i)
		}
	}
	return pieces, err
}

func (w *writer) sortRun(piece *spill, sort func(*spill, rowSink) error) (*spill, error) {
	run, err := w.run.work.next(piece)
	if err != nil {
		return nil, err
	}
	var b buffer
	flush := func() (err error) {
		w.packed, err = run.write(b.records, b.events, w.packed)
		b.records, b.events = b.records[:0], 0
		return err
	}
	err = sort(piece, func(e *entry, line []byte) error {
		b.records = appendRow(b.records, &row{root: e.root, time: e.time, eventID: e.eventID, order: e.order, line: line})
		b.events++
		if len(b.records) >= mergeBlock {
			return flush()
		}
		return nil
	})
	if err == nil && len(b.records) > 0 {
		err = flush()
	}
	return run, err
}
