package partition

import (
	"container/heap"
	"context"
	"io"
)

// mergeBlock is smaller than blockSize: one of each run is in memory at once.
const mergeBlock = 32 << 10

// merge gives the rows of sorted runs to sink in order.
func merge(ctx context.Context, runs []*spill, sink rowSink) error {
	var h runHeap
	for _, s := range runs {
		next, err := s.blocks()
		if err != nil {
			return err
		}
		c := &cursor{next: next}
		if ok, err := c.advance(); err != nil {
			return err
		} else if ok {
			h = append(h, c)
		}
	}
	heap.Init(&h)
	for n := 0; len(h) > 0; n++ {
		if n&1023 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		c := h[0]
		if err := sink(&c.entry, c.line); err != nil {
			return err
		}
		ok, err := c.advance()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
	return nil
}

// cursor walks a run.
type cursor struct {
	next  func([]byte) ([]byte, error)
	block []byte
	rest  []byte
	entry entry
	line  []byte
}

func (c *cursor) advance() (ok bool, err error) {
	for len(c.rest) == 0 {
		if c.block, err = c.next(c.block); err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		c.rest = c.block
	}
	var r row
	r, c.rest = cutRow(c.rest)
	c.entry = entry{time: r.time, eventID: r.eventID, order: r.order, root: r.root}
	c.line = r.line
	return true, nil
}

type runHeap []*cursor

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return h[i].entry.before(&h[j].entry) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(*cursor)) }
func (h *runHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
