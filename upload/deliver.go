package upload

import (
	"context"
	"fmt"
	"time"
)

// dedupWindow is how long Amplitude remembers an insert_id (Amplitude, Batch
// Event Upload API, event deduplication).
const dedupWindow = 7 * 24 * time.Hour

// delivery is one request of a partition until the destination has decided
// about it.
type delivery struct {
	*sender
	intent   *intent
	attempts int64   // sent so far
	maybe    bool    // an attempt may have been taken
	kind     verdict // of the last answer that was none
	inRow    int     // how many of that kind came one after the other
	doubts   int
	status   int // of the last answer
	warned   bool
}

// deliver sends a batch until it is accepted, or refused in a way that tells
// how to go on. Resumed is the batch's open intent, if it has one. When ctx
// ends it finishes what is in flight and returns the error of ctx unless that
// was decided.
func (s *sender) deliver(ctx context.Context, batch []event, resumed *intent) (answer, error) {
	sum := s.body.build(s.chunk.text, batch)
	d := delivery{sender: s, intent: resumed}
	if resumed != nil {
		if sum != resumed.sum {
			return answer{}, s.part.changed("the events of a request that was sent are not the same")
		}
		d.attempts, d.maybe = 1, true
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
		if err := s.run.pacer.wait(ctx, batch); err != nil {
			return answer{}, d.stop(err)
		}
		a := d.attempt(len(batch))
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
			return a, d.refuse()
		case halve:
			return a, d.refuse()
		}
		if err := d.giveUp(a); err != nil {
			return a, d.stop(err)
		}
		wait := s.run.o.Retry.wait(a, d.inRow, s.random.Float64())
		s.log.Info("request is sent again", "request", d.intent.request, "attempt", d.attempts, "answer", a.reason, "wait", wait.Round(time.Millisecond))
		if err := pause(ctx, wait); err != nil {
			return a, d.stop(err)
		}
	}
}

// attempt sends the body once.
func (d *delivery) attempt(events int) answer {
	r := d.run
	if age := time.Since(time.UnixMilli(d.intent.time)); d.maybe && age > dedupWindow && !d.warned {
		d.warned = true
		d.log.Warn("a request that may have been taken is sent again after the 7 days in which Amplitude recognises it",
			"request", d.intent.request, "events", events, "days", int(age.Hours()/24))
	}
	d.attempts++
	a := classify(r.client.post(r.base, d.body), events, time.Now())
	a.reason = r.scrub(a.reason)
	d.maybe = d.maybe || a.maybe
	if !a.unreached {
		r.reached.Store(true)
	}
	if a.kind != d.kind {
		d.kind, d.inRow = a.kind, 0
	}
	d.inRow++
	d.status = a.status
	return a
}

// giveUp returns an error when sending again has no sense.
func (d *delivery) giveUp(a answer) error {
	if a.kind == doubtful {
		d.doubts++
	}
	most := d.run.o.Retry.Attempts
	switch {
	case a.badKey:
		return fmt.Errorf("%s does not know the API key (%s): %s", d.run.dest, a.reason, regionHint(d.run.dest))
	case a.kind == stopped:
		return fmt.Errorf("%s answers as no Batch API does: %s", d.run.dest, a.reason)
	case a.unreached && !d.run.reached.Load():
		return fmt.Errorf("%s cannot be reached: %s (%w)", d.run.dest, a.reason, ErrIncomplete)
	case d.doubts > maxDoubtful:
		return fmt.Errorf("%s answered %d times as no Batch API does (%s): whether it took request %d of %s is not known (%w)",
			d.run.dest, d.doubts, a.reason, d.intent.request, d.part.name, ErrIncomplete)
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
	list := []record{&ack{d.number, d.intent.request, d.attempts, ingested, time.Now().UnixMilli()}}
	if mark := d.run.claimKey(); mark != nil {
		list = append(list, mark)
	}
	d.run.o.Meter.Add(events, events)
	return d.record(list...)
}

// refuse journals that nothing was taken.
func (d *delivery) refuse() error {
	return d.record(&refused{d.number, d.intent.request, d.attempts, int64(d.status), time.Now().UnixMilli()})
}

// stop ends the delivery without a decision. The request stays open unless it
// cannot have been taken.
func (d *delivery) stop(why error) error {
	if d.maybe {
		return why
	}
	return also(why, d.refuse())
}
