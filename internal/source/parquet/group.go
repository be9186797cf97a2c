package parquet

import (
	"context"
	"fmt"
	"runtime"
	"slices"
)

// maxRow is the longest line, in bytes. A row over it is set aside without its
// text.
const maxRow = 32 << 20

// group is a row group on its way into batches of lines.
type group struct {
	f       *File
	index   int
	rows    int64
	plans   []chunkPlan // by leaf of the file
	spilled map[*field]bool
	cost    int64
	render  renderer
	free    chan *batch // taken, to be used again

	batches chan *batch
	err     error // set before batches is closed; nil at the end of the group
}

// batch is some lines, one behind the other.
type batch struct {
	text []byte
	ends []int             // of the lines
	bad  map[int]*RowError // by index in ends
}

const (
	batchBytes = 256 << 10
	batchRows  = 512
	queued     = 2 // batches that wait to be taken
)

// plan walks through the page headers of a row group and finds how much memory
// it takes.
func (f *File) plan(index int, free chan *batch) (*group, error) {
	g := &group{f: f, index: index, free: free, plans: make([]chunkPlan, len(f.leaves)), batches: make(chan *batch, queued)}
	err := guarded(fmt.Sprintf("row group %d", index+1), func() error {
		md := f.reader.MetaData().RowGroup(index)
		g.rows = md.NumRows()
		for i, l := range f.leaves {
			chunk, err := md.ColumnChunk(i)
			if err != nil {
				return err
			}
			if l.field.unreadable != "" || g.rows == 0 {
				continue
			}
			if g.plans[i], err = f.walk(l, chunk); err != nil {
				return err
			}
		}
		return nil
	})
	g.chooseSpills()
	return g, err
}

// chooseSpills sends the largest columns through temporary files, until the
// others fit into memory together.
func (g *group) chooseSpills() {
	costs := map[*field]int64{}
	for i, l := range g.f.leaves {
		costs[l.field] += g.plans[i].cost
		g.cost += g.plans[i].cost
	}
	byCost := slices.Clone(g.f.fields)
	slices.SortStableFunc(byCost, func(a, b *field) int { return int(costs[b] - costs[a]) })
	g.spilled = map[*field]bool{}
	var largest int64
	for _, fd := range byCost {
		if g.cost <= g.f.open {
			break
		}
		g.spilled[fd] = true
		g.cost -= costs[fd]
		largest = max(largest, costs[fd])
	}
	g.cost = max(g.cost, largest)
}

// cells gives the values of one field, row by row.
type cells interface {
	// append appends the value of the next row as JSON; null tells that there
	// is none, and nothing was appended.
	append(dst []byte) (out []byte, null bool, err error)
	// finish checks that there are no more rows.
	finish() error
	close() error
}

// run makes the lines of the group.
func (g *group) run(ctx context.Context) (err error) {
	open := make([]cells, len(g.f.fields))
	defer func() {
		for _, c := range open {
			if c == nil {
				continue
			}
			if cerr := c.close(); err == nil {
				err = cerr
			}
		}
		g.collect(g.cost)
	}()
	for i, fd := range g.f.fields { // one after the other, before the rest takes memory
		if g.spilled[fd] {
			if open[i], err = g.spill(ctx, fd); err != nil {
				return err
			}
		}
	}
	for i, fd := range g.f.fields {
		if open[i] == nil {
			if open[i], err = g.open(fd); err != nil {
				return err
			}
		}
	}
	b := g.batch()
	for row := int64(0); row < g.rows; row++ {
		if err := g.row(b, open); err != nil {
			return err
		}
		if len(b.text) >= batchBytes || len(b.ends) == batchRows || row == g.rows-1 {
			select {
			case g.batches <- b:
			case <-ctx.Done():
				return errStopped
			}
			b = g.batch()
		}
	}
	for _, c := range open {
		if err := c.finish(); err != nil {
			return err
		}
	}
	return nil
}

// batch returns an empty batch.
func (g *group) batch() *batch {
	select {
	case b := <-g.free:
		if cap(b.text) <= 4*batchBytes {
			b.text, b.ends, b.bad = b.text[:0], b.ends[:0], nil
			return b
		}
	default:
	}
	return &batch{}
}

// row appends the line of the next row to b.
func (g *group) row(b *batch, open []cells) (err error) {
	start, tooLong := len(b.text), false
	g.render.bad = nil
	for i, c := range open {
		mark := len(b.text)
		b.text = append(b.text, g.f.fields[i].prefix...)
		var null bool
		if b.text, null, err = c.append(b.text); err != nil {
			return err
		}
		if null {
			b.text = b.text[:mark]
		}
		if tooLong = tooLong || len(b.text)-start >= g.f.longest; tooLong { // the brace at its end counts
			b.text = b.text[:start]
		}
	}
	if tooLong {
		b.text = b.text[:start:start]
		g.render.bad = &RowError{RuleTooLong, fmt.Sprintf("the row has more than %d bytes as JSON", g.f.longest)}
	} else if len(b.text) == start {
		b.text = append(b.text, '{', '}')
	} else {
		b.text[start] = '{' // where the first comma stands
		b.text = append(b.text, '}')
	}
	b.ends = append(b.ends, len(b.text))
	if g.render.bad != nil {
		if b.bad == nil {
			b.bad = map[int]*RowError{}
		}
		b.bad[len(b.ends)-1] = g.render.bad
	}
	return nil
}

// open begins to read the pages of a field.
func (g *group) open(fd *field) (*column, error) {
	c := &column{field: fd, render: &g.render}
	if fd.unreadable != "" {
		return c, nil
	}
	for _, t := range fd.leaves {
		l, err := g.openLeaf(t)
		c.leaves = append(c.leaves, l)
		if err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// collect frees the memory of pages before others take theirs, when it is much.
func (g *group) collect(cost int64) {
	if cost > openBudget/2 {
		runtime.GC()
	}
}
