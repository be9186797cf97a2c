package partition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/rejected"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// keysName is the spill of the keys that may stand on events of several
// identities.
const keysName = "keys"

func spillName(part int) string { return fmt.Sprintf("part-%04d", part) }

// spill reads all events and appends each to the spill of its partition, but
// for those that are written already.
func (r *run) spill(ctx context.Context) error {
	r.spills = make([]*spill, r.o.Rules.Partitions)
	for p := range r.spills {
		r.spills[p] = r.work.new(spillName(p))
	}
	r.keys = r.work.new(keysName)
	r.sums = make([]stage.Input, len(r.in.events))
	var mu sync.Mutex
	var next atomic.Int64
	group, gctx := errgroup.WithContext(ctx)
	for range r.budget.jobs {
		group.Go(func() error {
			w := &spiller{run: r, ctx: gctx, known: map[uint32]bool{}}
			w.buffers = newBuffers(slices.Concat(r.spills, []*spill{r.keys}), r.budget.block(r.ids.bytes()), &w.packed)
			for i := int(next.Add(1)) - 1; i < len(r.in.events); i = int(next.Add(1)) - 1 {
				if err := w.input(i); err != nil {
					return err
				}
				r.collect()
			}
			for p := range w.buffers {
				if err := w.buffers[p].flush(); err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			r.summary.Counts.Add(w.counts)
			r.summary.WithoutInsertID += w.withoutInsertID
			r.summary.Damaged += w.damaged
			r.summary.Hashes.Read += w.read
			r.rejected = append(r.rejected, w.rejected...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// spiller takes the events of inputs to the spills. It is for one goroutine.
type spiller struct {
	run     *run
	ctx     context.Context
	buffers []buffer // of each partition, then of the keys
	scan    scanner
	packed  []byte
	known   map[uint32]bool // shared devices that have their names

	in     *source.Input // the one being read
	number uint64        // of it
	chain  eventfile.Chain
	aside  *rejected.File

	counts          stage.Counts
	withoutInsertID int64
	damaged         int64
	read            Hash
	rejected        []string // files of lines set aside
}

func (w *spiller) input(i int) error {
	r := w.run
	w.in, w.number = &r.in.events[i], uint64(i)
	known := r.in.lines[i]
	w.scan.vouched = known.vouched
	w.aside = rejected.Named(r.folder, fmt.Sprintf("input-%04d", i))
	defer w.aside.Abort()
	validated := r.in.excluded.validated(w.in)
	// A checksum of the lines makes the one of the file needless.
	open := w.in.Lines
	if known.chain != 0 && (validated == "" || w.in.SHA256 != "") {
		open = w.in.LinesOnly
	}
	lines, err := open()
	if err != nil {
		return err
	}
	defer lines.Close()
	w.chain = 0
	if err := w.lines(lines); err != nil {
		return err
	}
	sum := &r.sums[i]
	sum.Name, sum.Member, sum.Lines = w.in.File, w.in.Member, known.chain
	if sum.Size, sum.SHA256, err = lines.Sum(); err != nil {
		return err
	}
	sum.SHA256 = cmp.Or(sum.SHA256, w.in.SHA256)
	switch {
	case known.read && known.chain != w.chain:
		return errChangedMeanwhile(w.in)
	case known.chain != 0 && known.chain != w.chain, w.in.SHA256 != "" && w.in.SHA256 != sum.SHA256:
		return errChanged(w.in)
	case validated != "" && validated != sum.SHA256:
		return errNotValidated(w.in)
	}
	_, err = w.aside.Commit()
	w.rejected = append(w.rejected, w.aside.Names()...)
	return err
}

// longLine is from where on Ctrl-C is looked for behind each line, in bytes.
const longLine = 256 << 10

func (w *spiller) lines(lines *source.Lines) error {
	excluded := w.run.in.excluded.lines[nameOf(w.in.File, w.in.Member)]
	var stored, events int64
	report := func() {
		w.run.o.Meter.Add(w.counts.Read-events, lines.Stored()-stored)
		stored, events = lines.Stored(), w.counts.Read
	}
	events = w.counts.Read
	defer report()
	long := false // lines take their time
	for n := 1; ; n++ {
		if n&1023 == 0 || long {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			report()
		}
		line, err := lines.Next()
		long = len(line) > longLine
		switch {
		case err == nil:
		case errors.Is(err, source.ErrTooLong):
			return w.tooLong(lines)
		case err == io.EOF:
			return nil
		case errors.As(err, new(*source.DamageError)):
			return w.damage(lines, line, err)
		default:
			return fmt.Errorf("%s: %w", w.in.Place(lines.Number()), err)
		}
		hash := xxhash.Sum64(line)
		w.chain.Add(hash)
		if len(line) == 0 || line[0] != '{' && source.Blank(line) {
			continue
		}
		w.counts.Read++
		for len(excluded) > 0 && excluded[0] < lines.Number() {
			excluded = excluded[1:]
		}
		if len(excluded) > 0 && excluded[0] == lines.Number() {
			w.counts.Drop("invalid")
			continue
		}
		if err := w.line(line, hash, lines.Number()); err != nil {
			return err
		}
	}
}

// damage notes that the input ends here, with the beginning of a line perhaps.
func (w *spiller) damage(lines *source.Lines, line []byte, reason error) error {
	w.damaged++
	if len(line) == 0 {
		w.run.find(finding.Finding{Place: w.in.Place(lines.Number()), Rule: "damaged-input", Severity: finding.Error, Message: reason.Error()})
		return nil
	}
	w.counts.Read++
	return w.reject(line, lines.Number(), &fault{"damaged-input", reason.Error()})
}

func (w *spiller) reject(line []byte, number int64, f *fault) error {
	p := w.in.Place(number)
	w.counts.Reject(f.rule)
	w.run.find(finding.Finding{Place: p, Rule: f.rule, Severity: finding.Error, Message: f.reason})
	return w.aside.Line(p, f.rule, f.reason, line)
}

func (w *spiller) line(line []byte, hash uint64, number int64) error {
	e, bad := w.scan.event(line)
	if bad != nil {
		return w.reject(line, number, bad)
	}
	e.content = hash
	ids := w.run.ids
	id, ok := ids.identity(w.run.o.Rules.By, &e)
	if !ok {
		if slices.Contains(w.run.in.scan, int(w.number)) { // it was read for them
			return errChangedMeanwhile(w.in)
		}
		return fmt.Errorf("%s: the ids of this event are not in the identities/ files: give the events/ folder alone to find them anew", w.in.Place(number))
	}
	ids.count(id.root)
	w.read += Hash(e.content)
	if e.dedup == 0 {
		w.withoutInsertID++
	}
	if id.shared != 0 && !w.known[id.shared] {
		w.known[id.shared] = true
		w.nameShared(id.shared-1, line)
	}
	rec := row{root: id.root, time: e.time, eventID: e.eventID, order: w.number<<40 | uint64(number), dedup: e.dedup, content: e.content}
	if e.dedup != 0 && !id.alone {
		if err := w.buffers[len(w.buffers)-1].put(&rec); err != nil {
			return err
		}
	}
	p := w.run.partitionOf(id.root)
	if w.run.written[p] != nil {
		return nil
	}
	rec.line = line
	return w.buffers[p].put(&rec)
}

func (w *spiller) nameShared(device uint32, line []byte) {
	var p rawFields
	if w.scan.whole(&p, line) == nil {
		w.run.shared.name(device, p.device)
	}
}

// partitionOf gives each identity its partition: by its smallest key, so that
// it is the same whatever the order of the input.
func (r *run) partitionOf(root uint32) int {
	h := uint64(*r.ids.keys.at(int(root))) * 0x9E3779B97F4A7C15
	return int((h >> 32) % uint64(r.o.Rules.Partitions))
}

func (w *spiller) tooLong(lines *source.Lines) error {
	place := w.in.Place(lines.Number())
	size, err := lines.CopyLong(io.Discard)
	if err != nil && !errors.As(err, new(*source.DamageError)) {
		return err
	}
	return fmt.Errorf("%s: the line has %d bytes, more than an event can have: is this an event file?", place, size)
}
