package upload

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
)

// roundTrip is what a rehearsal takes a request to last.
const roundTrip = 100 * time.Millisecond

// Rehearsal is what an upload would do if everything were accepted.
type Rehearsal struct {
	Read    int64 `json:"read"`    // events of the partitions
	Pending int64 `json:"pending"` // neither accepted nor set aside yet
	// Events would be sent, in Requests, of which Repeated were sent before
	// without an answer. Invalid would be set aside as no JSON; Parked wait for
	// a daily quota.
	Events   int64 `json:"events"`
	Requests int64 `json:"requests"`
	Repeated int64 `json:"repeated"`
	Invalid  int64 `json:"invalid"`
	Parked   int64 `json:"parked"`
	// Bytes of JSON, and as they go over the wire.
	Bytes     int64 `json:"bytes"`
	WireBytes int64 `json:"wire_bytes"`
	// LargestRequest is in bytes of JSON; TooLarge counts the single events
	// whose request is larger than the API takes.
	LargestRequest int64 `json:"largest_request"`
	TooLarge       int64 `json:"too_large"`
	// Seconds is how long the pace makes it last, with answers after 100 ms and
	// nothing throttled.
	Seconds     float64 `json:"seconds"`
	Destination string  `json:"destination"`
}

// DryRun does everything but sending: it checks the partitions against their
// manifest, makes every request, and reckons how long the pace makes the upload
// last. It writes nothing.
func DryRun(ctx context.Context, o Options) (Rehearsal, error) {
	if err := o.Validate(); err != nil {
		return Rehearsal{}, err
	}
	o = o.withDefaults()
	r, err := rehearsal(o)
	if err != nil {
		return Rehearsal{}, err
	}
	dest, err := parseDestination(o.URL)
	if err != nil {
		return Rehearsal{}, err
	}
	if r.folder.state.begin.url != "" {
		if err := r.folder.goesTo(dest); err != nil {
			return Rehearsal{}, err
		}
	}
	sum := r.folder.state.summary()
	out := Rehearsal{Read: sum.Read, Pending: sum.Pending, Destination: dest.String()}
	g, work := errgroup.WithContext(ctx)
	g.SetLimit(o.Parallel)
	for _, i := range r.folder.state.pending() {
		g.Go(func() error { return r.parts.list[i].verify(work.Err) })
	}
	if err := g.Wait(); err != nil {
		return out, err
	}
	o.Meter.SetTotal(sum.Pending)
	return out, out.rehearse(ctx, r)
}

// rehearse gives each request its moment on a clock of its own: the lane that
// is free first asks first.
func (out *Rehearsal) rehearse(ctx context.Context, r *run) error {
	left := r.folder.state.pending()
	type clocked struct {
		*lane
		at time.Time
	}
	start := r.pacer.ids.epoch
	end := start
	b := newBody(r.o, r.memory.zips)
	var lanes []*clocked
	for range min(r.o.Parallel, len(left)) {
		l := &clocked{newLane(r, &left), start}
		defer l.close()
		lanes = append(lanes, l)
	}
	for len(lanes) > 0 && ctx.Err() == nil {
		first := 0
		for i, l := range lanes {
			if l.at.Before(lanes[first].at) {
				first = i
			}
		}
		l := lanes[first]
		batch, resumed, err := l.next()
		if errors.Is(err, io.EOF) {
			out.Invalid += l.bad
			out.Parked += l.waits
			lanes = append(lanes[:first], lanes[first+1:]...)
			continue
		}
		if err != nil {
			return err
		}
		sum := b.build(l.chunk.text, batch)
		if resumed != nil {
			if sum != resumed.sum {
				return l.part.changed("the events of a request that was sent are not the same")
			}
			out.Repeated++
		}
		at := r.pacer.slot(r.pacer.ids.slot(l.at, batch), len(batch))
		l.at = at.Add(roundTrip)
		if l.at.After(end) {
			end = l.at
		}
		size := int64(l.size(batch))
		out.Requests++
		out.Events += int64(len(batch))
		out.Bytes += size
		out.WireBytes += int64(len(b.sent))
		out.LargestRequest = max(out.LargestRequest, size)
		if size > int64(r.o.MaxBytes) {
			out.TooLarge++
		}
		r.o.Meter.Add(int64(len(batch)), int64(len(batch)))
	}
	out.Seconds = end.Sub(start).Seconds()
	return ctx.Err()
}
