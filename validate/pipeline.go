package validate

import (
	"context"
	"math"
	"sync"

	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// pipeline reads up to Jobs inputs at once, in blocks of lines that Jobs
// checkers take from one channel:
//
//	reader, one an input ──block──▶ checkers ──result──▶ stream of the input ──▶ deliver
//
// Results carry a number, so deliver takes them in order. A reader waits when
// the findings that were not delivered yet weigh too much. The reader whose
// input is being delivered never waits for another one, and checkers wait for
// nobody, so there is always a way on.
type pipeline struct {
	o        *Options
	settings *settings
	inputs   []source.Input
	aside    *setAside
	work     chan *block
	free     chan *block  // to be used again
	results  chan *result // likewise, their memory

	mu      sync.Mutex
	changed sync.Cond // a stream has changed
	streams []stream
}

// stream holds the results of one input that are not delivered yet.
type stream struct {
	waiting map[int64]*result
	next    int64 // number of the result to deliver
	weight  int   // of the waiting results
}

// result is what came of one block, or of a line that is no event.
type result struct {
	input  int
	number int64 // in its input, from 0

	findings      []finding.Finding
	aside         []byte  // lines for the rejected file
	fixed         []byte  // lines for the copy without errors
	times         []int64 // of those, in ms since the epoch; untimed without one
	repaired      int64
	kept          string // a file of the set-aside folder that must stay
	read, invalid int64
	sightings     []sighting // of the events, in order
	names         []name     // new to the checker
	tally         tally
	err           error        // the run ends here
	last          *stage.Input // the input as it was read, with its last result
}

// untimed stands for the time of an event that has none.
const untimed = math.MinInt64

// weight is what the result takes in memory, in findings.
func (r *result) weight() int { return len(r.findings) + (len(r.aside)+len(r.fixed))/256 }

// maxWeight is how many findings of one input may wait for delivery.
const maxWeight = 20_000

func newPipeline(o *Options, s *settings, inputs []source.Input, aside *setAside) *pipeline {
	p := &pipeline{
		o: o, settings: s, inputs: inputs, aside: aside,
		work: make(chan *block, o.Jobs), free: make(chan *block, 3*o.Jobs), results: make(chan *result, 3*o.Jobs),
		streams: make([]stream, len(inputs)),
	}
	p.changed.L = &p.mu
	return p
}

// start sets the goroutines to work. What it returns stops them and waits.
func (p *pipeline) start(ctx context.Context) (stop func(context.CancelFunc)) {
	p.setTotal()
	wake := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	var checkers sync.WaitGroup
	for range p.o.Jobs {
		checkers.Go(p.check)
	}
	checkers.Go(func() {
		p.readAll(ctx)
		close(p.work)
	})
	return func(cancel context.CancelFunc) {
		cancel()
		checkers.Wait()
		wake()
	}
}

func (p *pipeline) setTotal() {
	var total int64
	for i := range p.inputs {
		if p.inputs[i].Size < 0 {
			return
		}
		total += p.inputs[i].Size
	}
	p.o.Meter.SetTotal(total)
}

// readAll reads the inputs, starting them in their order.
func (p *pipeline) readAll(ctx context.Context) {
	slots := make(chan struct{}, p.o.Jobs)
	var readers sync.WaitGroup
	defer readers.Wait()
	for i := range p.inputs {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		readers.Go(func() {
			defer func() { <-slots }()
			r := &reader{p: p, in: &p.inputs[i], input: i}
			r.run(ctx)
		})
	}
}

// check is the work of one checker.
func (p *pipeline) check() {
	c := &checker{settings: p.settings, common: p.settings}
	for b := range p.work {
		res := p.emptyResult(b)
		c.checkBlock(res, b, &p.inputs[b.input], p.aside != nil, p.aside.fixes())
		p.put(res)
		p.o.Meter.Add(int64(len(b.ends)), 0)
		p.release(b)
	}
}

func (p *pipeline) emptyBlock(input int) *block {
	select {
	case b := <-p.free:
		*b = block{input: input, text: b.text[:0], ends: b.ends[:0]}
		return b
	default:
		return &block{input: input}
	}
}

// release gives a block back for other lines.
func (p *pipeline) release(b *block) {
	if cap(b.text) > 4*blockBytes {
		return // a very long line
	}
	select {
	case p.free <- b:
	default:
	}
}

// emptyResult is for what comes of a block.
func (p *pipeline) emptyResult(b *block) *result {
	select {
	case r := <-p.results:
		*r = result{input: b.input, number: b.number, findings: r.findings[:0], sightings: r.sightings[:0]}
		return r
	default:
		return &result{input: b.input, number: b.number}
	}
}

// releaseResult gives a result back that has been delivered.
func (p *pipeline) releaseResult(r *result) {
	if cap(r.findings) > 8*blockLines {
		return // events with very many
	}
	clear(r.findings) // what they point to
	select {
	case p.results <- r:
	default:
	}
}

// put hands in a result, in any order.
func (p *pipeline) put(r *result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.streams[r.input]
	if s.waiting == nil {
		s.waiting = map[int64]*result{}
	}
	s.waiting[r.number] = r
	s.weight += r.weight()
	p.changed.Broadcast()
}

// take returns the next result of an input.
func (p *pipeline) take(ctx context.Context, input int) (*result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.streams[input]
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r := s.waiting[s.next]; r != nil {
			delete(s.waiting, s.next)
			s.next++
			s.weight -= r.weight()
			p.changed.Broadcast()
			return r, r.err
		}
		p.changed.Wait()
	}
}

// room waits until an input may give more results.
func (p *pipeline) room(ctx context.Context, input int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.streams[input].weight >= maxWeight && ctx.Err() == nil {
		p.changed.Wait()
	}
	return ctx.Err()
}

// deliver brings the results of one input to where they belong, in order.
func (p *pipeline) deliver(ctx context.Context, input int, s *Summary, all *whole, tell, report finding.Sink) error {
	var t tally
	before := s.Read
	for {
		r, err := p.take(ctx, input)
		if err != nil {
			return err
		}
		for i := range r.findings {
			if i&1023 == 1023 && ctx.Err() != nil {
				return ctx.Err()
			}
			tell(r.findings[i])
		}
		s.Read += r.read
		s.Invalid += r.invalid
		s.Valid += r.read - r.invalid
		s.Repaired += r.repaired
		if err := p.aside.write(&p.inputs[input], r); err != nil {
			return err
		}
		t.add(&r.tally)
		all.names.add(r.names)
		if err := all.repeats.add(r.sightings, input); err != nil {
			return err
		}
		if r.last != nil {
			checkListed(&p.inputs[input], r.last.SHA256, s.Read-before, report)
			t.findings(&p.inputs[input], p.settings.severities, tell)
			return p.aside.endInput(*r.last)
		}
		p.releaseResult(r)
	}
}
