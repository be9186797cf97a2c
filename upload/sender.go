package upload

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"export2batch/internal/finding"
)

// asidePiece is how many events are set aside in one go, see maxCommit.
const asidePiece = 256

// maxIsolated is how many events may be isolated one by one while nothing was
// ever accepted. Behind that it is not the events that are refused; those of a
// retry were refused before.
const maxIsolated = 100

// sender sends one partition after the other. One goroutine uses it.
type sender struct {
	run   *run
	chunk *chunk // of the request at hand, lent
	carry []byte // the line that did not fit in the chunk
	ids   ids
	held  held
	many  map[uint64]int // events of slowed ids in the chunk

	// Of the partition at hand.
	number int
	part   *partition
	state  *partState
	lines  *partitionLines
	next   event // of carry; its index is -1 when there is none
	random *rand.Rand
	log    *slog.Logger
	wrote  *commit // the latest records
}

func newSender(r *run) *sender {
	return &sender{run: r, ids: ids{seed: r.folder.state.begin.seed}, held: held{parked: r.parked}, many: map[uint64]int{}}
}

// send makes a pass over a partition: it sends what is pending, but for the
// events that are held back. It ends early with ctx or the run's limit. The
// time returned is that of the next pass, zero when none is needed.
func (s *sender) send(ctx context.Context, number int) (again deferred, err error) {
	s.number, s.part, s.state = number, &s.run.parts.list[number], &s.run.folder.state.parts[number]
	s.next, s.wrote = event{index: -1}, nil
	s.held.reset()
	s.random = rand.New(rand.NewPCG(s.run.o.Seed, uint64(number)))
	s.log = s.run.o.Log.With("partition", s.part.name)
	if s.lines, err = s.part.open(); err != nil {
		return again, err
	}
	defer s.lines.close()
	for ctx.Err() == nil {
		if more, err := s.sendNext(ctx); err != nil {
			return again, err
		} else if !more {
			break
		}
	}
	if s.wrote != nil {
		if err := s.wrote.wait(); err != nil {
			return again, err
		}
	}
	return deferred{number, s.held.again, s.held.events}, ctx.Err()
}

// sendNext sends the next chunk, and tells whether there was one.
func (s *sender) sendNext(ctx context.Context) (more bool, err error) {
	resumed := s.state.open
	events := int64(s.run.o.EventsPerRequest)
	if resumed != nil {
		events = resumed.events.count()
	}
	if s.chunk, err = s.run.memory.takeChunk(ctx, events); err != nil {
		return false, err
	}
	defer func() { s.run.memory.putChunk(s.chunk) }()
	if err := s.fill(resumed); err != nil || len(s.chunk.events) == 0 {
		return false, err
	}
	return true, s.sendChunk(ctx, resumed)
}

// fill reads the events of the next request into the chunk: exactly those of
// an open intent, or as many of the pending ones as a request gets. An empty
// chunk is the end of the pass.
func (s *sender) fill(open *intent) error {
	s.chunk.reset()
	clear(s.many)
	room := s.run.sizes.most() - s.frame()
	left := int64(s.run.o.EventsPerRequest)
	if open != nil {
		left = open.events.count()
	} else if left = s.run.budget.take(left); left == 0 {
		return nil
	}
	defer func() {
		if open == nil {
			s.run.budget.giveBack(left)
		}
	}()
	for left > 0 {
		line, e, err := s.pending()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if open != nil && !open.events.contains(e.index) {
			if len(s.run.folder.state.parks) == 0 {
				return fmt.Errorf("the journal is damaged: %s comes before a request that was sent, and was not", s.part.place(e.index))
			}
			// It was held back then. It goes in the next pass, at once.
			s.ids.read(&e, line)
			s.held.add(&e)
			s.held.until(time.Now())
			continue
		}
		s.ids.read(&e, line)
		if open == nil {
			if s.held.back(&e, time.Now) {
				continue
			}
			fits := len(s.chunk.events) == 0 || s.chunk.size()+1+len(line) <= room && s.paced(&e)
			if !fits {
				s.carry, s.next = append(s.carry[:0], line...), e
				break
			}
		}
		s.chunk.add(line, e)
		left--
	}
	if open != nil && left > 0 {
		return s.part.changed("events that were sent are no longer there")
	}
	return nil
}

// paced counts the event, unless an id that was slowed down has enough in the
// chunk already.
func (s *sender) paced(e *event) bool {
	for _, id := range e.ids() {
		if most := s.run.pacer.ids.most(id); most > 0 && s.many[id] >= most {
			return false
		}
	}
	for _, id := range e.ids() {
		if s.run.pacer.ids.most(id) > 0 {
			s.many[id]++
		}
	}
	return true
}

// within is the beginning of a batch that keeps slowed ids to their pace, at
// least one event.
func (s *sender) within(batch []event) []event {
	if !s.run.pacer.ids.some.Load() {
		return batch
	}
	clear(s.many)
	for i := range batch {
		if !s.paced(&batch[i]) && i > 0 {
			return batch[:i]
		}
	}
	return batch
}

// frame is how many bytes a body has around its events.
func (s *sender) frame() int { return s.run.frame }

// size is how many bytes the body of a batch has, before compression.
func (s *sender) size(batch []event) int {
	n := s.frame() + len(batch) - 1
	for i := range batch {
		n += batch[i].end - batch[i].start
	}
	return n
}

// pending returns the next line that is neither accepted nor set aside.
func (s *sender) pending() ([]byte, event, error) {
	if e := s.next; e.index >= 0 {
		s.next.index = -1
		return s.carry, e, nil
	}
	for {
		line, index, err := s.lines.read()
		if err != nil || !s.state.done.contains(index) {
			return line, event{index: index}, err
		}
	}
}

// sendChunk sends the events of the chunk, in their order, in as few requests
// as the destination's answers allow.
func (s *sender) sendChunk(ctx context.Context, resumed *intent) error {
	todo := [][]event{s.chunk.events} // the last is the next
	for len(todo) > 0 {
		top := len(todo) - 1
		batch := todo[top]
		todo = todo[:top]
		if resumed == nil {
			var rest []event
			var err error
			if batch, rest, err = s.sendable(batch); err != nil {
				return err
			}
			todo = push(todo, rest)
			if len(batch) == 0 {
				continue
			}
		}
		a, err := s.deliver(ctx, batch, resumed)
		resumed = nil
		if err != nil {
			return err
		}
		switch a.kind {
		case halve:
			if len(batch) > 1 {
				half := len(batch) / 2
				todo = push(push(todo, batch[half:]), batch[:half])
				continue
			}
			if err := s.isolated(batch, a); err != nil {
				return err
			}
		case named:
			if err := s.setAside(batch, a.events); err != nil {
				return err
			}
			todo = push(todo, without(batch, a.events))
			if a.throttled && len(todo) > 0 {
				wait := s.run.o.Retry.wait(answer{kind: throttled, retryAfter: a.retryAfter}, 1, s.random.Float64())
				if err := s.run.schedule.pause(ctx, wait); err != nil {
					return err
				}
			}
		case overQuota, throttled: // sendable does what is to be done
			todo = push(todo, batch)
		}
	}
	return nil
}

// fitting is how many events of a batch make a body of the size that is taken
// by now, at least one.
func (s *sender) fitting(batch []event) int {
	room := s.run.sizes.most() - s.frame()
	for i := range batch {
		if room -= batch[i].end - batch[i].start + 1; room < -1 && i > 0 {
			return i
		}
	}
	return len(batch)
}

// sendable takes from a batch what must not go with it: events that are held
// back, and one that is no event. It returns what may go now and what may go
// after it.
func (s *sender) sendable(batch []event) (now, rest []event, err error) {
	if s.held.parked.some.Load() || len(s.held.ids) > 0 {
		kept := batch[:0]
		for i := range batch {
			if !s.held.back(&batch[i], time.Now) {
				kept = append(kept, batch[i])
			} else {
				s.run.budget.giveBack(1)
			}
		}
		batch = kept
	}
	if at := slices.IndexFunc(batch, func(e event) bool { return e.fault != nil }); at == 0 {
		fault := []namedEvent{{0, ruleJSON, batch[0].fault.Error()}}
		return nil, batch[1:], s.setAside(batch, fault)
	} else if at > 0 {
		batch, rest = batch[:at], batch[at:]
	}
	n := min(len(s.within(batch)), s.fitting(batch))
	if n < len(batch) && rest == nil {
		return batch[:n], batch[n:], nil
	} else if n < len(batch) {
		return batch[:n], slices.Concat(batch[n:], rest), nil
	}
	return batch, rest, nil
}

func push(todo [][]event, batch []event) [][]event {
	if len(batch) == 0 {
		return todo
	}
	return append(todo, batch)
}

// without removes the named events, which are in the order of the batch.
func without(batch []event, names []namedEvent) []event {
	out := batch[:0]
	for i, e := range batch {
		if len(names) > 0 && names[0].index == i {
			names = names[1:]
			continue
		}
		out = append(out, e)
	}
	return out
}

// isolated sets aside the one event of a request that is refused.
func (s *sender) isolated(batch []event, a answer) error {
	rule := ruleRefused
	if a.tooLarge {
		rule = ruleTooLarge
	}
	sum := s.run.folder.state.summary()
	if !s.run.o.again && sum.Accepted == 0 && sum.RejectedBy[ruleRefused]+sum.RejectedBy[ruleTooLarge] >= maxIsolated {
		return fmt.Errorf("%s refuses every event (%s): %d were set aside and none was accepted; is it the Batch API, and does it take compressed bodies?", s.run.dest, a.reason, maxIsolated)
	}
	return s.setAside(batch, []namedEvent{{0, rule, a.reason}})
}

// setAside puts events of a batch in rejected/ and says so in the journal.
func (s *sender) setAside(batch []event, names []namedEvent) error {
	for piece := range slices.Chunk(names, asidePiece) {
		var lines []byte
		var list []record
		for _, n := range piece {
			e := batch[n.index]
			place := s.part.place(e.index)
			reason := clean(n.reason)
			lines = finding.AppendRejected(lines, place, n.rule, reason, s.chunk.text[e.start:e.end])
			list = append(list, &aside{s.number, e.index, n.rule, reason})
			s.log.Info("event set aside", "place", place.String(), "rule", n.rule, "reason", reason)
		}
		if err := s.run.folder.rejects.append(s.part, lines); err != nil {
			return err
		}
		if err := s.record(list...); err != nil {
			return err
		}
		if err := s.wrote.wait(); err != nil {
			return err
		}
		s.run.o.Meter.Add(int64(len(piece)), int64(len(piece)))
	}
	return nil
}

// record adds records to the journal and the state. They are on disk when
// s.wrote is.
func (s *sender) record(list ...record) error {
	for _, r := range list {
		if err := s.run.folder.state.apply(r); err != nil {
			return fmt.Errorf("upload of %s went wrong: %w", s.part.name, err)
		}
	}
	s.wrote = s.run.journal.add(list...)
	return nil
}
