package diff

import (
	"context"
	"slices"
)

// match pairs the records of both sets and counts them.
func (c *comparison) match(ctx context.Context, s *sorter, out *nearest) error {
	var g group
	n := 0
	err := s.all(func(r record) error {
		if n++; n%(1<<16) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if g.seen > 0 && r.key != g.key {
			c.close(&g, out)
		}
		g.add(r)
		return nil
	})
	if err != nil {
		return err
	}
	c.close(&g, out)
	return ctx.Err()
}

// group is the events with one key. They come sorted by content, those of A
// before those of B.
type group struct {
	key   hash
	seen  int64
	sides [2]int64
	equal int64
	left  [2][]record // not matched by content
	same  []record    // of A, with the content read last
	taken int         // how many of same are matched, from the first
}

func (g *group) add(r record) {
	g.key = r.key
	g.seen++
	g.sides[r.side]++
	if len(g.same) > 0 && g.same[0].sum != r.sum {
		g.left[sideA] = append(g.left[sideA], g.same[g.taken:]...)
		g.same, g.taken = g.same[:0], 0
	}
	switch {
	case r.side == sideA:
		g.same = append(g.same, r)
	case g.taken < len(g.same): // of the same content: anything else was moved above
		g.taken++
		g.equal++
	default:
		g.left[sideB] = append(g.left[sideB], r)
	}
}

// close counts a group, hands on what differs in it, and empties it.
func (c *comparison) close(g *group, out *nearest) {
	a, b := append(g.left[sideA], g.same[g.taken:]...), g.left[sideB]
	slices.SortFunc(a, comparePlaces)
	slices.SortFunc(b, comparePlaces)
	for i := range max(len(a), len(b)) {
		var p pair
		if i < len(a) {
			p.a, p.hasA = a[i], true
		}
		if i < len(b) {
			p.b, p.hasB = b[i], true
		}
		switch {
		case p.hasA && p.hasB:
			c.sum.Changed++
		case p.hasA:
			c.sum.Missing++
		default:
			c.sum.Extra++
		}
		out.add(p)
	}
	c.sum.Equal += g.equal
	for _, n := range g.sides {
		c.sum.Duplicates += max(0, n-1)
	}
	*g = group{left: [2][]record{a[:0], b[:0]}, same: g.same[:0]}
}
