package partition

import "context"

// decideKeys finds, among the keys that may stand in several partitions — of
// devices that are shared, of events without a device — those that stand on
// different events, and whose they are. They have to be decided for all
// partitions together: the server does not know partitions.
func (r *run) decideKeys(ctx context.Context) (winners, error) {
	decided := winners{}
	if r.keys.events == 0 {
		return decided, nil
	}
	w := r.newSorter(ctx)
	if err := w.decide(r.keys, 0, decided, r.budget.data/4); err != nil {
		return nil, err
	}
	return decided, nil
}

// keyUseBytes is what a key takes while its uses are counted.
const keyUseBytes = 120

func (w *sorter) decide(s *spill, level int, decided winners, limit int64) error {
	if s.events*keyUseBytes > w.budget && level < 4 {
		pieces, err := w.scatter(s, level, byKey)
		if err != nil {
			return err
		}
		for _, piece := range pieces {
			if piece.events == 0 {
				continue
			}
			if err := w.decide(piece, level+1, decided, limit); err != nil {
				return err
			}
			if err := piece.remove(); err != nil {
				return err
			}
		}
		return nil
	}
	u := newUses(w.keepLast)
	err := s.each(func(r *row) error {
		u.note(r)
		return nil
	})
	if err != nil {
		return err
	}
	u.addTo(decided)
	if int64(len(decided))*keyUseBytes/2 > limit {
		return errTooManyCollisions
	}
	return w.ctx.Err()
}
