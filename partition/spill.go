package partition

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// blockSize is how many bytes of records are spilled together, at most: with
// many partitions and workers it is smaller, so that all buffers together keep
// within their share of the memory.
const blockSize = 256 << 10

// spill reads all events and appends each to the spill of its partition.
func (r *run) spill(ctx context.Context) ([]*spill, error) {
	spills := make([]*spill, r.o.Rules.Partitions)
	for p := range spills {
		s, err := r.work.create(fmt.Sprintf("part-%04d", p))
		if err != nil {
			return nil, err
		}
		spills[p] = s
	}
	r.sums = make([]stage.Input, len(r.in.events))
	var mu sync.Mutex
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(r.o.Jobs)
	for i := range r.in.events {
		group.Go(func() error {
			in := &r.in.events[i]
			w := &spiller{run: r, in: in, spills: spills, buffers: make([]buffer, len(spills)), base: uint64(i) << 40,
				asideName: fmt.Sprintf("rejected/input-%04d.ndjson", i),
				limit:     int(min(blockSize, r.o.Memory/8/int64(r.o.Jobs*len(spills))))}
			if err := w.read(gctx, &r.sums[i]); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			r.summary.Counts.Add(w.counts)
			r.summary.WithoutInsertID += w.withoutInsertID
			r.summary.Damaged += w.damaged
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return spills, ctx.Err()
}

// spiller takes the events of one input to the spills.
type spiller struct {
	run     *run
	in      *source.Input
	spills  []*spill
	buffers []buffer
	base    uint64 // order of the input
	limit   int    // bytes in a buffer
	scan    scanner
	packed  []byte

	asideName       string
	counts          stage.Counts
	withoutInsertID int64
	damaged         int64
}

type buffer struct {
	records []byte
	events  int64
}

func (w *spiller) read(ctx context.Context, sum *stage.Input) error {
	lines, err := w.in.Lines()
	if err != nil {
		return err
	}
	defer lines.Close()
	var reported int64
	for n := 0; ; n++ {
		if n&1023 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			w.run.o.Meter.Add(0, lines.Stored()-reported)
			reported = lines.Stored()
		}
		line, err := lines.Next()
		switch {
		case err == nil:
			err = w.line(line, lines.Number())
		case errors.Is(err, source.ErrTooLong):
			err = w.tooLong(lines)
		case err == io.EOF:
			return w.end(lines, sum)
		case errors.As(err, new(*source.DamageError)):
			if err := w.damage(lines, line, err); err != nil {
				return err
			}
			return w.end(lines, sum)
		}
		if err != nil {
			return err
		}
	}
}

// damage notes that the input ends here, with the beginning of a line perhaps.
func (w *spiller) damage(lines *source.Lines, line []byte, reason error) error {
	w.damaged++
	place := w.in.Place(lines.Number())
	if len(line) == 0 {
		w.run.aside.report(place, "damaged-input", reason.Error())
		return nil
	}
	w.counts.Read++
	w.counts.Reject("damaged-input")
	return w.run.aside.reject(w.asideName, place, "damaged-input", reason.Error(), line)
}

func (w *spiller) line(line []byte, number int64) error {
	if len(line) == 0 || len(line) == 1 && line[0] == '\r' {
		return nil
	}
	w.counts.Read++
	if w.run.in.excluded[excludedLine{w.in.File, w.in.Member, number}] {
		w.counts.Drop("invalid")
		return nil
	}
	e, bad := w.scan.event(line)
	if bad != nil {
		w.counts.Reject(bad.rule)
		return w.run.aside.reject(w.asideName, w.in.Place(number), bad.rule, bad.reason, line)
	}
	root, ok := w.run.ids.identity(w.run.o.Rules.By, &e)
	if !ok {
		return fmt.Errorf("%s: the ids of this event are not in the identities/ files: give the events/ folder alone to find them anew", w.in.Place(number))
	}
	w.run.ids.count(root)
	if e.dedup == 0 {
		w.withoutInsertID++
	}
	w.run.o.Meter.Add(1, 0)
	p := w.run.partitionOf(root)
	b := &w.buffers[p]
	b.records = appendRow(b.records, &row{root: root, time: e.time, eventID: e.eventID,
		order: w.base | uint64(number), dedup: e.dedup, content: e.content, line: line})
	b.events++
	if len(b.records) >= w.limit {
		return w.flush(p)
	}
	return nil
}

// partitionOf gives each identity its partition: by its smallest key, so that
// it is the same whatever the order of the input.
func (r *run) partitionOf(root uint32) int {
	h := uint64(*r.ids.keys.at(int(root))) * 0x9E3779B97F4A7C15
	return int((h >> 32) % uint64(r.o.Rules.Partitions))
}

func (w *spiller) flush(p int) (err error) {
	b := &w.buffers[p]
	w.packed, err = w.spills[p].write(b.records, b.events, w.packed)
	b.records, b.events = b.records[:0], 0
	return err
}

func (w *spiller) tooLong(lines *source.Lines) error {
	place := w.in.Place(lines.Number())
	size, err := lines.CopyLong(io.Discard)
	if err != nil && !errors.As(err, new(*source.DamageError)) {
		return err
	}
	return fmt.Errorf("%s: the line has %d bytes, more than an event can have: is this an event file?", place, size)
}

// end flushes the buffers and compares the input with the manifest it is in.
func (w *spiller) end(lines *source.Lines, sum *stage.Input) error {
	for p := range w.buffers {
		if len(w.buffers[p].records) == 0 {
			continue
		}
		if err := w.flush(p); err != nil {
			return err
		}
	}
	size, sha, err := lines.Sum()
	if err != nil {
		return err
	}
	if w.in.SHA256 != "" && w.in.SHA256 != sha {
		return fmt.Errorf("%s is not the file its manifest.json describes: the checksums differ", w.in.File)
	}
	*sum = stage.Input{Name: w.in.File, Member: w.in.Member, Size: size, SHA256: sha}
	return nil
}
