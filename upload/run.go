package upload

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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
	pacer   *pacer
	seeds   [2]maphash.Seed
	secrets *strings.Replacer

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
	r := &run{
		o: o, dest: dest, parts: parts, folder: f, client: newClient(o, dest), pacer: newPacer(o.Pace),
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, secrets: secrets(o.APIKey),
	}
	key := f.state.key
	r.claimed.Store(key != nil && key.sum == markOf(key.salt, o.APIKey))
	err = r.upload(ctx)
	return f.state.summary(), also(err, f.close())
}

func (r *run) upload(ctx context.Context) error {
	sum := r.folder.state.summary()
	r.o.Meter.SetTotal(sum.Read)
	r.o.Meter.Add(sum.Read-sum.Pending, sum.Read-sum.Pending)
	if _, err := os.Stat(filepath.Join(r.folder.path, summaryName)); sum.Complete() && err == nil {
		return nil
	}
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
		return fmt.Errorf("%d events are neither accepted nor set aside (%w)", sum.Pending, ErrIncomplete)
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
	for i := range r.folder.state.parts {
		open := r.folder.state.parts[i].open
		if open == nil || now.Sub(time.UnixMilli(open.time)) <= dedupWindow {
			continue
		}
		requests++
		events += open.events.count()
		last := open.events[len(open.events)-1].end
		r.o.Log.Warn("request in doubt", "partition", r.parts.list[i].name, "request", open.request,
			"events", open.events.count(), "first_line", open.events[0].start+1, "last_line", last,
			"sent", time.UnixMilli(open.time).UTC().Format(time.RFC3339))
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
	g.SetLimit(r.o.Parallel)
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	r.base = base
	unwatch := context.AfterFunc(work, func() {
		pause(base, r.o.Grace) // ends early when nothing is in flight any more
		cut()
	})
	for i := range r.parts.list {
		if r.folder.state.parts[i].complete() {
			continue
		}
		g.Go(func() error {
			if err := work.Err(); err != nil {
				return err
			}
			return newSender(r, i).send(work)
		})
	}
	err := g.Wait()
	unwatch()
	cut()
	if jerr := r.journal.close(); jerr != nil && !errors.Is(err, jerr) {
		err = also(err, jerr)
	}
	return err
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

func (r *run) scrub(text string) string { return r.secrets.Replace(text) }

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
