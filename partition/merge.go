package partition

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"io"
)

// mergeBlock is smaller than maxBlock: one of each run is in memory at once.
const mergeBlock = 16 << 10

// rowSink takes sorted events, each with its partition.
type rowSink func(part uint32, r *row) error

// merge gives the rows of sorted runs to sink in order.
func merge(ctx context.Context, runs []*spill, part func(root uint32) uint32, sink rowSink) error {
	var h runHeap
	for _, s := range runs {
		in, err := s.reader()
		if err != nil {
			return err
		}
		c := &cursor{in: in, partOf: part}
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
		if err := sink(c.part, &c.row); err != nil {
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
	in     *reader
	partOf func(root uint32) uint32
	block  []byte
	rest   []byte
	row    row
	part   uint32
}

func (c *cursor) advance() (ok bool, err error) {
	for len(c.rest) == 0 {
		if c.block, err = c.in.block(c.block); err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		c.rest = c.block
	}
	if c.row, c.rest, err = cutRow(c.rest); err != nil {
		return false, fmt.Errorf("read %s: %w", c.in.spill.path(), err)
	}
	c.part = c.partOf(c.row.root)
	return true, nil
}

// compare is the order of batch.sort.
func (c *cursor) compare(o *cursor) int {
	x, y := &c.row, &o.row
	return cmp.Or(cmp.Compare(c.part, o.part), cmp.Compare(x.time, y.time), cmp.Compare(x.eventID, y.eventID), cmp.Compare(x.order, y.order))
}

type runHeap []*cursor

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return h[i].compare(h[j]) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(*cursor)) }
func (h *runHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
