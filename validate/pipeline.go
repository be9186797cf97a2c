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
// the results of its input that were not delivered yet weigh too much, or those
// of all inputs together. The reader whose input is being delivered never waits
// for another one, and checkers wait for nobody, so there is always a way on.
//
// Insert ids do not take this way: checkers hand them to all.repeats, which
// puts what is too much into a file. With the results, 32 bytes an event would
// wait.
type pipeline struct {
	o        *Options
	settings *settings
	inputs   []source.Input
	aside    *setAside
	all      *acrossInputs
	work     chan *block
	free     chan *block // to be used again
	most     int         // weight of one input's results that may wait; Jobs times that of all inputs'

	mu         sync.Mutex
	changed    sync.Cond // a stream has changed
	streams    []stream
	weight     int // of the waiting results of all streams
	delivering int // the input that is being delivered
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
	kept          []string // files of the set-aside folder that must stay
	read, invalid int64
	names         []name // new to the checker
	tally         tally
	err           error        // the run ends here
	last          *stage.Input // the input as it was read, with its last result
}

// untimed stands for the time of an event that has none.
const untimed = math.MinInt64

// weight is what the result takes in memory, in findings of 128 bytes; that of
// a result with nothing in it is emptyWeight.
func (r *result) weight() int {
	return emptyWeight + cap(r.findings) + cap(r.names)/2 + cap(r.times)/16 + (cap(r.aside)+cap(r.fixed))/128
}

const (
	emptyWeight = 4
	maxWeight   = 20_000 // see pipeline.most
)

func newPipeline(o *Options, s *settings, inputs []source.Input, aside *setAside, all *acrossInputs) *pipeline {
	p := &pipeline{
		o: o, settings: s, inputs: inputs, aside: aside, all: all, most: maxWeight,
		work: make(chan *block, o.Jobs), free: make(chan *block, 3*o.Jobs),
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
		res := &result{input: b.input, number: b.number}
		c.checkBlock(res, b, &p.inputs[b.input], p.aside)
		if err := p.all.repeats.add(c.sightings, b.input); err != nil && res.err == nil {
			res.err = err
		}
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
	p.weight += r.weight()
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
			p.weight -= r.weight()
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
	for ctx.Err() == nil && (p.streams[input].weight >= p.most || input != p.delivering && p.weight >= p.most*p.o.Jobs) {
		p.changed.Wait()
	}
	return ctx.Err()
}

// begin says that the results of an input are wanted from now on.
func (p *pipeline) begin(input int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delivering = input
	p.changed.Broadcast()
}

// deliver brings the results of one input to where they belong, in order.
func (p *pipeline) deliver(ctx context.Context, input int, s *Summary, tell, report finding.Sink) error {
	p.begin(input)
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
		p.all.names.add(r.names)
		if r.last != nil {
			checkListed(&p.inputs[input], r.last.SHA256, s.Read-before, report)
			t.findings(&p.inputs[input], p.settings.severities, tell)
			return p.aside.endInput(*r.last)
		}
	}
}
