package partition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/rejected"
)

// writePartitions sorts each spill and writes its events: those of hot
// identities into partitions of their own.
func (r *run) writePartitions(ctx context.Context) error {
	decided, err := r.decideKeys(ctx)
	if err != nil {
		return err
	}
	work, all := stored(r.in.events), int64(1)
	largest := r.largest()
	for _, s := range r.spills {
		if s != nil {
			all += s.bytes
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	ending := make(chan struct{}, r.budget.jobs) // bounds the files being synced
	var next atomic.Int64
	for range min(r.budget.jobs, len(r.spills)) {
		group.Go(func() error {
			sorter := r.newSorter(gctx)
			sorter.decided = decided
			sorter.batch.reserve(largest.bytes, largest.events)
			for p := int(next.Add(1)) - 1; p < len(r.spills); p = int(next.Add(1)) - 1 {
				s := r.spills[p]
				if s == nil || s.events == 0 || r.written[p] != nil {
					continue
				}
				w := r.newWriter(sorter, p)
				if err := w.partition(s); err != nil {
					w.abort()
					return err
				}
				r.o.Meter.Add(0, int64(float64(work)*float64(s.bytes)/float64(all)))
				if r.o.Memory < collectBelow {
					// No second encoder while the file is synced.
					if err := w.end(s); err != nil {
						return err
					}
					continue
				}
				s.release()
				ending <- struct{}{}
				group.Go(func() error {
					defer func() { <-ending }()
					return w.end(s)
				})
			}
			return nil
		})
	}
	return cmp.Or(group.Wait(), ctx.Err())
}

// extent is how much a batch must hold.
type extent struct{ bytes, events int64 }

// largest is what the largest spill needs that can be loaded from its file, or
// a whole batch where one cannot.
func (r *run) largest() (e extent) {
	budget := r.batchBudget()
	for p, s := range r.spills {
		if s == nil || s.file == nil || r.written[p] != nil {
			continue
		}
		if size(s) > budget {
			e.bytes = max(e.bytes, budget*7/8)
			e.events = max(e.events, budget/8/entryBytes)
			continue
		}
		e.bytes, e.events = max(e.bytes, s.bytes), max(e.events, s.events)
	}
	return e
}

// batchBudget leaves a quarter of a job's share to the buffers of splitting and
// merging.
func (r *run) batchBudget() int64 {
	if l := r.o.limits.batch; l > 0 {
		return l
	}
	return r.budget.batch() / 4 * 3
}

func (r *run) newSorter(ctx context.Context) *sorter {
	// Of a run that is merged a block is in memory, packed and unpacked.
	fan := max(4, r.budget.batch()/4/(2*mergeBlock))
	if l := r.o.limits.fan; l > 0 {
		fan = int64(l)
	}
	return &sorter{ctx: ctx, work: r.work, batch: &batch{}, budget: r.batchBudget(), fan: int(fan),
		keepLast: r.o.Rules.Collisions == KeepLast}
}

// writer writes what one spill holds.
type writer struct {
	*sorter
	run     *run
	done    *written
	aside   *rejected.File
	outputs []*output // the last is being written
}

// output is one event file being written.
type output struct {
	number uint32
	file   *eventfile.Writer
	buf    []byte
	lines  eventfile.Chain
	info   *eventfile.Info // once it has its name
}

const flushAt = 256 << 10

func (r *run) newWriter(s *sorter, number int) *writer {
	w := &writer{sorter: s, run: r, done: &written{Inputs: r.fingerprint, Part: number},
		aside: rejected.Named(r.folder, fmt.Sprintf("part-%04d.collisions", number))}
	own := uint32(number)
	s.partOf = func(root uint32) uint32 {
		if n, ok := r.hot[root]; ok {
			return n
		}
		return own
	}
	s.duplicates, s.dropped = 0, 0
	return w
}

// partition writes the events of a spill; end must follow, or abort.
func (w *writer) partition(s *spill) error {
	if err := w.spill(s, 0, w.put); err != nil {
		return err
	}
	for range w.duplicates {
		w.done.Counts.Drop("duplicate")
	}
	w.done.Hashes.Dropped += w.dropped
	return nil
}

// put writes one event to its partition.
func (w *writer) put(number uint32, r *row) (err error) {
	hash := xxhash.Sum64(r.line)
	if hash != r.content {
		return errDamagedSpill
	}
	line := r.line
	if r.loser {
		if line, err = w.collide(r); err != nil || line == nil {
			return err
		}
		changed := xxhash.Sum64(line)
		w.done.Hashes.Changed += Hash(changed - hash)
		hash = changed
	}
	w.done.Hashes.Written += Hash(hash)
	var o *output
	if n := len(w.outputs); n > 0 {
		o = w.outputs[n-1]
	}
	if o == nil || o.number != number {
		if o != nil {
			if err := o.commit(); err != nil {
				return err
			}
		}
		if o, err = w.newOutput(number); err != nil {
			return err
		}
	}
	o.lines.Add(hash)
	o.buf = append(append(o.buf, line...), '\n')
	o.file.Count(r.time)
	if len(o.buf) < flushAt {
		return nil
	}
	return o.flush()
}

func (w *writer) newOutput(number uint32) (*output, error) {
	c := w.run.o.Rules.Compress
	name := fmt.Sprintf("partitions/part-%04d%s", number, c.Suffix())
	fsys := w.run.folder.FS
	if w.run.o.Memory >= collectBelow {
		fsys = durable.Direct(fsys)
	}
	file, err := eventfile.Create(fsys, w.run.folder.File(name), name, c)
	if err != nil {
		return nil, err
	}
	o := &output{number: number, file: file, buf: make([]byte, 0, flushAt+32<<10)}
	w.outputs = append(w.outputs, o)
	return o, nil
}

func (o *output) flush() error {
	err := o.file.WriteHashed(o.buf, o.lines)
	o.buf = o.buf[:0]
	return err
}

// commit makes the file durable under its name, unless it is already.
func (o *output) commit() error {
	if o.info != nil {
		return nil
	}
	if err := o.flush(); err != nil {
		return err
	}
	o.buf = nil
	info, err := o.file.Commit()
	if err != nil {
		return err
	}
	o.info = &info
	return nil
}

// end makes what was written durable, and keeps that it is.
func (w *writer) end(s *spill) error {
	defer w.abort()
	for _, o := range w.outputs {
		if err := o.commit(); err != nil {
			return err
		}
		w.done.Counts.Written += o.info.Events
		w.done.Files = append(w.done.Files, *o.info)
	}
	if _, err := w.aside.Commit(); err != nil {
		return err
	}
	w.done.Aside = w.aside.Names()
	if err := w.run.record(w.done); err != nil {
		return err
	}
	return s.remove()
}

func (w *writer) abort() {
	for _, o := range w.outputs {
		o.file.Abort()
	}
	w.aside.Abort()
}

// errTooManyCollisions is what is left of the promise to need no more memory.
var errTooManyCollisions = errors.New("too many insert ids stand on different events of shared devices, or without a device, for --memory: give more")

// hotIdentities gives the identities with very many events their partitions,
// behind the others, in the order of their keys.
func (r *run) hotIdentities() error {
	roots := r.ids.hot(r.o.Rules.Hot)
	if len(roots) > maxHot {
		return fmt.Errorf("%d identities have more than %d events, each would get a partition of its own: give a larger --hot", len(roots), r.o.Rules.Hot)
	}
	r.hot = make(map[uint32]uint32, len(roots))
	for i, root := range roots {
		r.hot[root] = uint32(r.o.Rules.Partitions + i)
	}
	return nil
}

// account adds up what was written, in the order of the partitions.
func (r *run) account() (files []eventfile.Info, keep map[string]bool) {
	keep = map[string]bool{}
	for _, w := range r.written {
		if w == nil {
			continue
		}
		files = append(files, w.Files...)
		r.summary.Counts.Add(w.Counts)
		r.summary.Collisions += w.Collisions
		r.summary.Hashes.add(w.Hashes)
		for _, name := range w.Aside {
			keep[name] = true
		}
	}
	slices.SortFunc(files, func(a, b eventfile.Info) int { return cmp.Compare(a.Name, b.Name) })
	return files, keep
}
