package upload

import (
	"context"
	"fmt"
	"time"
)

// dedupWindow is how long Amplitude remembers an insert_id (Amplitude, Batch
// Event Upload API, event deduplication).
const dedupWindow = 7 * 24 * time.Hour

// manyThrottles is how many 429 in a row, of the kind that names nobody, a
// request gets as it is. Behind that it may be the request that is too much,
// and it is sent in halves.
const manyThrottles = 4

// delivery is one request of a partition until the destination has decided
// about it.
type delivery struct {
	*sender
	batch    []event
	body     *body // nil: not built, or given back while waiting
	intent   *intent
	attempts int64   // sent so far
	maybe    int64   // of them may have been taken
	doubts   int64   // of maybe, before the latest attempt
	kind     verdict // of the last answer that was none
	inRow    int     // how many of that kind came one after the other
	odd      int     // answers that were not as documented
	status   int     // of the last answer
	warned   bool
}

// deliver sends a batch until it is accepted, or refused in a way that tells
// how to go on. Resumed is the batch's open intent, if it has one. When ctx
// ends it finishes what is in flight and returns the error of ctx unless that
// was decided.
func (s *sender) deliver(ctx context.Context, batch []event, resumed *intent) (answer, error) {
	d := delivery{sender: s, batch: batch, intent: resumed}
	defer d.giveBack()
	sum := d.build()
	if resumed != nil {
		if sum != resumed.sum {
			return answer{}, s.part.changed("the events of a request that was sent are not the same")
		}
		d.attempts, d.maybe = 1, 1
	} else {
		d.intent = &intent{partition: s.number, request: s.state.last + 1, time: time.Now().UnixMilli(), sum: sum, events: ranges(batch)}
		if err := s.record(d.intent); err != nil {
			return answer{}, err
		}
		if err := s.wrote.wait(); err != nil {
			return answer{}, err
		}
	}
	for {
		a, err := d.attempt(ctx)
		if err != nil {
			return answer{}, d.stop(err)
		}
		switch a.kind {
		case accepted:
			return a, d.accept(a, int64(len(batch)))
		case named:
			if len(a.events) == 0 {
				a.events = ofDevices(s.chunk.text, batch, a.devices)
			}
			if len(a.events) == 0 {
				a.kind = halve
			}
			d.slowDown(a)
			return a, d.refuse()
		case halve:
			if a.tooLarge && len(batch) > 1 {
				s.run.sizes.refused(s.size(batch))
			}
			return a, d.refuse()
		case overQuota:
			if p := d.park(a); p != nil {
				return a, d.refuse(p)
			}
		case throttled:
			slowed := d.slowDown(a)
			if slowed && len(s.within(batch)) < len(batch) {
				return a, d.refuse()
			}
			if !slowed && d.inRow >= manyThrottles && len(batch) > 1 {
				a.kind = halve
				return a, d.refuse()
			}
		}
		if err := d.giveUp(a); err != nil {
			return a, d.stop(err)
		}
		wait := s.run.o.Retry.wait(a, d.inRow, s.random.Float64())
		s.log.Info("request is sent again", "request", d.intent.request, "attempt", d.attempts, "answer", a.reason, "wait", wait.Round(time.Millisecond))
		if err := d.backOff(ctx, a.kind, wait); err != nil {
			return a, d.stop(err)
		}
	}
}

// backOff waits. Others take the place of a request that is throttled, but not
// of one that failed: that is likely to happen to them too.
func (d *delivery) backOff(ctx context.Context, kind verdict, wait time.Duration) error {
	if wait >= longWait {
		d.giveBack()
		d.run.memory.release(d.chunk)
	}
	if kind == throttled || kind == overQuota {
		return d.run.schedule.pause(ctx, wait)
	}
	return pause(ctx, wait)
}

// build makes the body, if there is none.
func (d *delivery) build() (sum [32]byte) {
	d.body = d.run.memory.takeBody()
	return d.body.build(d.chunk.text, d.batch)
}

func (d *delivery) giveBack() {
	if d.body != nil {
		d.run.memory.putBody(d.body)
		d.body = nil
	}
}

// attempt sends the body once, when pace and destination allow.
func (d *delivery) attempt(ctx context.Context) (answer, error) {
	r := d.run
	if wait := r.pacer.idWait(d.batch); wait > 0 {
		if wait >= longWait {
			d.giveBack()
			r.memory.release(d.chunk)
		}
		if err := r.schedule.pause(ctx, wait); err != nil {
			return answer{}, err
		}
	}
	if d.body == nil {
		d.build()
	}
	if err := r.gate.enter(ctx); err != nil {
		return answer{}, err
	}
	defer r.gate.leave()
	if err := r.pacer.wait(ctx, len(d.batch)); err != nil {
		return answer{}, err
	}
	if age := time.Since(time.UnixMilli(d.intent.time)); d.maybe > 0 && age > dedupWindow && !d.warned {
		d.warned = true
		d.log.Warn("a request that may have been taken is sent again after the 7 days in which Amplitude recognises it",
			"request", d.intent.request, "events", len(d.batch), "days", int(age.Hours()/24))
	}
	d.attempts++
	d.doubts = d.maybe
	sent := time.Now()
	full := r.gate.sending()
	a := classify(r.client.post(r.base, d.body), len(d.batch), time.Now(), r.secrets)
	r.gate.answered(sent, time.Now(), full, a.load())
	r.live.answered(a, len(d.batch), time.Since(sent), d.attempts > 1)
	if a.maybe {
		d.maybe++
	}
	if !a.unreached {
		r.reached.Store(true)
	}
	if a.kind != d.kind {
		d.kind, d.inRow = a.kind, 0
	}
	d.inRow++
	d.status = a.status
	return a, nil
}

// slowDown slows the ids of the batch that the answer names as too fast, for
// the whole run, and tells whether there are any.
func (d *delivery) slowDown(a answer) bool {
	list := d.present(a.limits.fast)
	wait := d.run.o.Retry.wait(answer{kind: throttled, retryAfter: a.retryAfter}, d.inRow, d.random.Float64())
	for _, id := range list {
		d.run.pacer.ids.throttle(id, a.limits.threshold, time.Now(), wait)
	}
	return len(list) > 0
}

// park makes the ids of the batch that are over their daily quota wait, and
// returns the record of it; nil when the batch has none of them.
func (d *delivery) park(a answer) *park {
	list := d.present(a.limits.quota)
	if len(list) == 0 {
		return nil
	}
	now := time.Now()
	until := now.Add(d.run.o.Retry.wait(a, d.inRow, d.random.Float64()))
	d.slowDown(a)
	d.run.parked.add(list, until)
	d.log.Info("ids are parked for their daily quota", "ids", len(list), "until", until.UTC().Format(time.RFC3339))
	return &park{now.UnixMilli(), until.UnixMilli(), list}
}

// present returns the hashes of those ids that events of the batch have.
func (d *delivery) present(list []limitedID) []uint64 {
	if len(list) == 0 {
		return nil
	}
	have := map[uint64]bool{}
	for i := range d.batch {
		for _, id := range d.batch[i].ids() {
			have[id] = true
		}
	}
	var out []uint64
	for _, l := range list {
		if id := d.ids.of(l.kind, []byte(l.id)); have[id] {
			out = append(out, id)
			have[id] = false
		}
	}
	return out
}

// giveUp returns an error when sending again has no sense.
func (d *delivery) giveUp(a answer) error {
	if a.kind == doubtful {
		d.odd++
	}
	most := d.run.o.Retry.Attempts
	switch {
	case a.badKey:
		return fmt.Errorf("%s does not know the API key (%s): %s", d.run.dest, a.reason, regionHint(d.run.dest))
	case a.kind == stopped:
		return fmt.Errorf("%s answers as no Batch API does: %s", d.run.dest, a.reason)
	case a.unreached && !d.run.reached.Load():
		return fmt.Errorf("%s cannot be reached: %s (%w)", d.run.dest, a.reason, ErrIncomplete)
	case d.odd > maxDoubtful:
		return fmt.Errorf("%s answered %d times as no Batch API does (%s): whether it took request %d of %s is not known (%w)",
			d.run.dest, d.odd, a.reason, d.intent.request, d.part.name, ErrIncomplete)
	case most > 0 && d.inRow >= most && (a.kind == again || a.kind == doubtful):
		return fmt.Errorf("%s failed %d times in a row: %s (%w)", d.run.dest, d.inRow, a.reason, ErrIncomplete)
	}
	return nil
}

// accept journals that everything was taken. It does not wait for the disk:
// the next request does.
func (d *delivery) accept(a answer, events int64) error {
	ingested := events
	if a.ingested >= 0 {
		ingested = min(int64(a.ingested), events)
	}
	if ingested < events {
		d.log.Debug("answer counts fewer events than were sent", "request", d.intent.request, "sent", events, "ingested", ingested)
	}
	d.run.sizes.taken(d.size(d.batch))
	list := []record{&ack{d.number, d.intent.request, d.attempts, d.doubts, ingested, time.Now().UnixMilli()}}
	if mark := d.run.claimKey(); mark != nil {
		list = append(list, mark)
	}
	d.run.o.Meter.Add(events, events)
	return d.record(list...)
}

// refuse journals that the last answer took nothing, and what follows from it.
func (d *delivery) refuse(more ...record) error {
	list := append([]record{&refused{d.number, d.intent.request, d.attempts, d.maybe, int64(d.status), time.Now().UnixMilli()}}, more...)
	return d.record(list...)
}

// stop ends the delivery without a decision. The request stays open unless it
// cannot have been taken.
func (d *delivery) stop(why error) error {
	if d.maybe > 0 {
		return why
	}
	return also(why, d.refuse())
}
