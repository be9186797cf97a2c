package upload

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"export2batch/internal/jsonscan"
)

// run is an upload at work.
type run struct {
	o       Options
	dest    *url.URL
	parts   *partitions
	folder  *folder
	journal *journal
	client  *client
	secrets *strings.Replacer

	// What the whole run keeps to, all partitions together.
	pacer    *pacer
	parked   *parked
	gate     *gate
	sizes    *sizes
	budget   *budget
	schedule *schedule
	memory   *memory
	frame    int // bytes of a body around its events
	live     *Live

	started bool            // something is to be sent or written
	base    context.Context // of requests: outlives a stop by Options.Grace
	reached atomic.Bool     // something answered
	claimed atomic.Bool     // the key stands in the journal
}

// Run uploads what is pending and returns the account of the whole state
// folder, also with an error. When ctx ends, the requests in flight are
// finished, at most for Options.Grace, and Run returns the error of ctx.
// Started again with the same options, it goes on where it stopped.
func Run(ctx context.Context, o Options) (Summary, error) {
	if err := o.Validate(); err != nil {
		return Summary{}, err
	}
	own := o.Transport == nil
	o = o.withDefaults()
	if t, ok := o.Transport.(*http.Transport); ok && own {
		defer t.CloseIdleConnections()
	}
	dest, err := parseDestination(o.URL)
	if err != nil {
		return Summary{}, err
	}
	parts, err := loadPartitions(o.Dir)
	if err != nil {
		return Summary{}, err
	}
	f, err := openFolder(o, parts, dest)
	if err != nil {
		return Summary{}, err
	}
	r := newRun(o, parts, f)
	r.dest, r.client = dest, newClient(o, dest)
	r.live.begin(r)
	key := f.state.key
	r.claimed.Store(key != nil && key.sum == markOf(key.salt, o.APIKey))
	err = r.upload(ctx)
	if r.started {
		err = also(err, r.writeReport())
	}
	return f.state.summary(), also(err, f.close())
}

// newRun is a run without a destination.
func newRun(o Options, parts *partitions, f *folder) *run {
	return &run{
		o: o, parts: parts, folder: f, secrets: secrets(o.APIKey),
		pacer: newPacer(o.Pace), parked: newParked(f.state.parks, time.Now()), gate: newGate(o.Parallel), sizes: newSizes(o.MaxBytes),
		budget: newBudget(o.LimitEvents), schedule: newSchedule(o.Parallel, len(parts.list), f.state.pending()), memory: newMemory(o),
		frame: newBody(o, nil).frame(), live: o.Live,
	}
}

func (r *run) upload(ctx context.Context) error {
	sum := r.folder.state.summary()
	r.o.Meter.SetTotal(sum.Read)
	r.o.Meter.Add(0, sum.Read-sum.Pending)
	if _, err := os.Stat(filepath.Join(r.folder.path, summaryName)); sum.Complete() && err == nil {
		return nil
	}
	r.started = true
	if err := r.check(ctx); err != nil {
		return err
	}
	if !sum.Complete() {
		r.warnDoubts(time.Now())
		if err := r.sendAll(ctx); err != nil {
			return err
		}
	}
	sum = r.folder.state.summary()
	if sum.Duplicates > 0 {
		r.o.Log.Warn("accepted events were not counted as ingested: they had been sent before, or were dropped", "events", sum.Duplicates)
	}
	if !sum.Complete() {
		why := "neither accepted nor set aside"
		if r.budget.spent() {
			why = fmt.Sprintf("left, since this run was to send %d", r.o.LimitEvents)
		} else if n, first := r.parked.count(time.Now()); n > 0 {
			why = fmt.Sprintf("parked with %d ids that are over their daily quota, the first until %s", n, first.UTC().Format(time.RFC3339))
		}
		return fmt.Errorf("%d events are %s (%w)", sum.Pending, why, ErrIncomplete)
	}
	return writeSummary(r.folder.fs, r.folder.path, sum)
}

// check sees, before anything is sent, that the partitions are the ones of the
// manifest, and makes rejected/ agree with the journal.
func (r *run) check(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(r.o.Parallel, runtime.GOMAXPROCS(0)))
	for i := range r.parts.list {
		p, st := &r.parts.list[i], &r.folder.state.parts[i]
		g.Go(func() error {
			if !st.complete() {
				if err := p.verify(ctx.Err); err != nil {
					return err
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			return r.folder.rejects.repair(p, st.rejects)
		})
	}
	return g.Wait()
}

// warnDoubts names the requests that Amplitude may have taken and no longer
// recognises. They are sent again all the same: else they may be lost.
func (r *run) warnDoubts(now time.Time) {
	var requests, events int64
	warn := func(p int, in spans, at int64) {
		requests++
		events += in.count()
		r.o.Log.Warn("request in doubt", "partition", r.parts.list[p].name,
			"events", in.count(), "first_line", in[0].start+1, "last_line", in[len(in)-1].end,
			"sent", time.UnixMilli(at).UTC().Format(time.RFC3339))
	}
	for i := range r.folder.state.parts {
		p := &r.folder.state.parts[i]
		if p.open != nil && now.Sub(time.UnixMilli(p.open.time)) > dedupWindow {
			warn(i, p.open.events, p.open.time)
		}
		for _, d := range p.doubts {
			if left := d.events.without(p.done); len(left) > 0 && now.Sub(time.UnixMilli(d.time)) > dedupWindow {
				warn(i, left, d.time)
			}
		}
	}
	if requests > 0 {
		r.o.Log.Warn("requests of more than 7 days ago had no answer: they are sent again, and if Amplitude took them then, their events count twice",
			"requests", requests, "events", events)
	}
}

// sendAll sends the partitions side by side.
func (r *run) sendAll(ctx context.Context) error {
	r.journal = startJournal(r.folder.file, r.folder.end)
	r.folder.file = nil
	g, work := errgroup.WithContext(ctx)
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	r.base = base
	unwatch := context.AfterFunc(work, func() {
		pause(base, r.o.Grace) // ends early when nothing is in flight any more
		cut()
	})
	g.Go(func() error { return r.dispatch(work, g) })
	err := g.Wait()
	unwatch()
	cut()
	if jerr := r.journal.close(); jerr != nil && !errors.Is(err, jerr) {
		err = also(err, jerr)
	}
	return err
}

// dispatch starts a sender for each partition when its time comes.
func (r *run) dispatch(ctx context.Context, g *errgroup.Group) error {
	idle := &senders{run: r}
	for {
		for !r.budget.spent() {
			number, ok := r.schedule.next(time.Now())
			if !ok {
				break
			}
			g.Go(func() error {
				s := idle.take()
				again, err := s.send(ctx, number)
				idle.put(s)
				if err != nil {
					r.schedule.close()
				}
				r.schedule.ended(again, r.folder.state.parts[number].complete())
				return err
			})
		}
		done, due := r.schedule.rest(time.Now(), r.o.LeaveParked)
		if done || r.budget.spent() && r.schedule.idle() {
			return nil
		}
		var timer <-chan time.Time
		if !due.IsZero() && !r.schedule.full() {
			timer = time.After(time.Until(due))
		}
		select {
		case <-r.schedule.wake:
		case <-timer:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// senders keeps those that are idle, with their buffers.
type senders struct {
	run  *run
	mu   sync.Mutex
	free []*sender
}

func (l *senders) take() *sender {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		s := l.free[n-1]
		l.free = l.free[:n-1]
		return s
	}
	return newSender(l.run)
}

func (l *senders) put(s *sender) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, s)
}

// claimKey returns the mark of the key for whom it is the first accepted
// request of the state.
func (r *run) claimKey() *keyMark {
	if r.claimed.Swap(true) {
		return nil
	}
	return newKeyMark(r.o.APIKey)
}

// secrets replaces the key in texts that others wrote.
func secrets(key string) *strings.Replacer {
	quoted := string(jsonscan.AppendQuoted(nil, key))
	return strings.NewReplacer(key, "[API key]", quoted[1:len(quoted)-1], "[API key]")
}

// also adds a second error to the one that matters.
func also(err, more error) error {
	switch {
	case more == nil:
		return err
	case err == nil:
		return more
	}
	return errors.Join(err, more)
}
