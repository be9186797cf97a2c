package partition

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"export2batch/internal/eventfile"
	"export2batch/internal/stage"
)

// writePartitions sorts each spill and writes its events: those of hot
// identities into partitions of their own.
func (r *run) writePartitions(ctx context.Context, spills []*spill) ([]eventfile.Info, error) {
	hot := r.hotIdentities()
	// A third is left to the runtime and to what is read and written in blocks.
	budget := max(2<<20, (r.o.Memory*2/3-r.ids.bytes())/int64(r.o.Jobs)-16<<20)
	work, all := stored(r.in.events), int64(0)
	for _, s := range spills {
		all += s.bytes
	}
	lists := make([][]eventfile.Info, len(spills))
	counts := make([]writeCounts, len(spills))
	free := make(chan *batch, r.o.Jobs)
	for range r.o.Jobs {
		free <- &batch{}
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(r.o.Jobs)
	for p, s := range spills {
		group.Go(func() (err error) {
			if err := gctx.Err(); err != nil || s.events == 0 {
				return cmp.Or(err, s.remove())
			}
			w := &writer{run: r, ctx: gctx, number: p, hot: hot, budget: budget, batch: <-free,
				asideName: fmt.Sprintf("rejected/part-%04d.collisions.ndjson", p)}
			defer func() { free <- w.batch }()
			defer w.abort()
			if err := w.spill(s, w.put); err != nil {
				return err
			}
			lists[p], err = w.commit()
			counts[p] = w.counts
			r.o.Meter.Add(0, int64(float64(work)*float64(s.bytes)/float64(all)))
			return cmp.Or(err, s.remove())
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var files []eventfile.Info
	for p := range spills {
		files = append(files, lists[p]...)
		r.summary.Counts.Add(counts[p].Counts)
		r.summary.Collisions += counts[p].collisions
	}
	r.summary.HotIdentities = int64(len(hot))
	slices.SortFunc(files, func(a, b eventfile.Info) int { return cmp.Compare(a.Name, b.Name) })
	return files, ctx.Err()
}

// hotIdentities gives the identities with very many events their partitions,
// behind the others, in the order of their keys.
func (r *run) hotIdentities() map[uint32]int {
	var roots []uint32
	for n := range r.ids.n {
		if int64(*r.ids.events.at(n)) > r.o.Rules.Hot {
			roots = append(roots, uint32(n))
		}
	}
	slices.SortFunc(roots, func(a, b uint32) int {
		return cmp.Compare(*r.ids.keys.at(int(a)), *r.ids.keys.at(int(b)))
	})
	numbers := map[uint32]int{}
	for i, root := range roots {
		numbers[root] = r.o.Rules.Partitions + i
	}
	return numbers
}

type writeCounts struct {
	stage.Counts
	collisions int64
}

// writer writes what one spill holds.
type writer struct {
	run       *run
	ctx       context.Context
	number    int
	hot       map[uint32]int
	budget    int64 // bytes a batch may take
	batch     *batch
	asideName string
	counts    writeCounts
	parts     map[int]*part
	packed    []byte
}

// part is one event file being written.
type part struct {
	file *eventfile.Writer
	out  []byte
}

const flushAt = 256 << 10

// put writes one event to its partition.
func (w *writer) put(e *entry, line []byte) error {
	number := w.number
	if n, ok := w.hot[e.root]; ok {
		number = n
	}
	p := w.parts[number]
	if p == nil {
		c := w.run.o.Rules.Compress
		name := fmt.Sprintf("partitions/part-%04d%s", number, c.Suffix())
		file, err := eventfile.Create(w.run.folder.FS, w.run.folder.File(name), name, c)
		if err != nil {
			return err
		}
		p = &part{file: file}
		if w.parts == nil {
			w.parts = map[int]*part{}
		}
		w.parts[number] = p
	}
	p.out = append(append(p.out, line...), '\n')
	p.file.Count(e.time)
	if len(p.out) < flushAt {
		return nil
	}
	return p.flush()
}

func (p *part) flush() error {
	err := p.file.Write(p.out)
	p.out = p.out[:0]
	return err
}

func (w *writer) commit() (files []eventfile.Info, err error) {
	for _, p := range w.parts {
		if err := p.flush(); err != nil {
			return nil, err
		}
		info, err := p.file.Commit()
		if err != nil {
			return nil, err
		}
		w.counts.Written += info.Events
		files = append(files, info)
	}
	return files, nil
}

func (w *writer) abort() {
	for _, p := range w.parts {
		p.file.Abort()
	}
}
