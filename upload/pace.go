package upload

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Pace is how fast the whole run sends, all partitions together. 0 means no
// limit, so the zero Pace is as fast as the destination takes it.
type Pace struct {
	RequestsPerSecond float64
	EventsPerSecond   float64
	// IDEventsPerSecond is for the events of one device, and for those of one
	// user. An id's batch may go at once; the next with the same id waits
	// until the batch is worth its time.
	IDEventsPerSecond float64
}

// GuidePace is the pace that Amplitude recommends: 100 batches and 1000
// events a second, 300 events a second for a device (Amplitude, Data Backfill
// Guide).
func GuidePace() Pace {
	return Pace{RequestsPerSecond: 100, EventsPerSecond: 1000, IDEventsPerSecond: 300}
}

func (p Pace) validate() error {
	if !isRate(p.RequestsPerSecond) || !isRate(p.EventsPerSecond) || !isRate(p.IDEventsPerSecond) {
		return errors.New("a pace is not a number of things a second")
	}
	return nil
}

const (
	// eventBurst is the time whose events may go at once. Requests have none:
	// they are spaced evenly.
	eventBurst = 10 * time.Millisecond
	// lateSlot is how late a request may use the moment it was given: a
	// process that was stopped must not send all that it missed at once.
	lateSlot = 100 * time.Millisecond
)

// pacer gives requests the moments at which they may go. It is safe for
// concurrent use.
type pacer struct {
	mu       sync.Mutex
	requests *rate.Limiter // nil: no limit
	events   *rate.Limiter
	last     time.Time // the latest moment given
	ids      *idPacer

	now func() time.Time
}

func newPacer(p Pace) *pacer {
	out := &pacer{now: time.Now, ids: newIDPacer(p.IDEventsPerSecond)}
	if p.RequestsPerSecond > 0 {
		out.requests = rate.NewLimiter(rate.Limit(p.RequestsPerSecond), 1)
	}
	if p.EventsPerSecond > 0 {
		out.events = rate.NewLimiter(rate.Limit(p.EventsPerSecond), max(1, int(p.EventsPerSecond*eventBurst.Seconds())))
	}
	return out
}

// idWait takes the moment at which the ids of the batch may be sent again, and
// returns the time until then.
func (p *pacer) idWait(batch []event) time.Duration {
	now := p.now()
	return p.ids.slot(now, batch).Sub(now)
}

// wait returns when a request of n events may be sent, or ctx ends.
func (p *pacer) wait(ctx context.Context, n int) error {
	if p.requests == nil && p.events == nil {
		return ctx.Err()
	}
	for range 2 {
		now := p.now()
		at := p.slot(now, n)
		if err := pause(ctx, at.Sub(now)); err != nil {
			return err
		}
		if p.now().Sub(at) < lateSlot {
			break
		}
	}
	return nil
}

// slot gives the moment at which a request of n events may be sent. Moments
// are given in the order of asking, and only forward.
func (p *pacer) slot(now time.Time, n int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.last
	if at.Before(now) {
		at = now
	}
	if p.events != nil {
		at = reserve(p.events, at, n)
	}
	if p.requests != nil { // last, so that requests never come closer
		at = reserve(p.requests, at, 1)
	}
	p.last = at
	return at
}

// reserve takes n tokens, which may be more than the limiter's burst, and
// returns when all of them are there.
func reserve(l *rate.Limiter, at time.Time, n int) time.Time {
	for n > 0 {
		k := min(n, l.Burst())
		at = at.Add(l.ReserveN(at, k).DelayFrom(at))
		n -= k
	}
	return at
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
