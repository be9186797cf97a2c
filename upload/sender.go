package upload

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"

	"export2batch/internal/finding"
)

// asidePiece is how many events are set aside in one go, see maxCommit.
const asidePiece = 256

// maxIsolated is how many events may be isolated one by one while nothing was
// ever accepted. Behind that it is not the events that are refused.
const maxIsolated = 100

// sender sends one partition. One goroutine uses it.
type sender struct {
	run    *run
	number int
	part   *partition
	state  *partState
	lines  *partitionLines
	chunk  chunk
	carry  []byte // the line that did not fit in the chunk
	next   event  // of carry; its index is -1 when there is none
	ids    ids
	body   *body
	random *rand.Rand
	log    *slog.Logger
	wrote  *commit // the latest records of this partition
}

func newSender(r *run, number int) *sender {
	part := &r.parts.list[number]
	return &sender{
		run: r, number: number, part: part, state: &r.folder.state.parts[number],
		next: event{index: -1}, ids: ids{device: r.seeds[0], user: r.seeds[1]}, body: newBody(r.o),
		random: rand.New(rand.NewPCG(r.o.Seed, uint64(number))),
		log:    r.o.Log.With("partition", part.name),
	}
}

// send sends what is pending of the partition, until it is done or ctx ends.
func (s *sender) send(ctx context.Context) (err error) {
	if s.lines, err = s.part.open(); err != nil {
		return err
	}
	defer s.lines.close()
	for ctx.Err() == nil {
		resumed := s.state.open
		if err := s.fill(resumed); err != nil {
			return err
		}
		if len(s.chunk.events) == 0 {
			break
		}
		if err := s.sendChunk(ctx, resumed); err != nil {
			return err
		}
	}
	if s.wrote != nil {
		if err := s.wrote.wait(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// fill reads the events of the next request into the chunk: exactly those of
// an open intent, or as many of the pending ones as a request gets. An empty
// chunk is the end of the partition.
func (s *sender) fill(open *intent) error {
	s.chunk.reset()
	room := s.run.o.MaxBytes - s.body.frame()
	left := int64(s.run.o.EventsPerRequest)
	if open != nil {
		left = open.events.count()
	}
	for left > 0 {
		line, e, err := s.pending()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		fits := len(s.chunk.events) == 0 || s.chunk.size()+1+len(line) <= room
		if open != nil {
			if fits = true; !open.events.contains(e.index) {
				return fmt.Errorf("the journal is damaged: %s comes before a request that was sent, and was not", s.part.place(e.index))
			}
		}
		if !fits {
			s.carry, s.next = append(s.carry[:0], line...), e
			break
		}
		s.ids.read(&e, line)
		s.chunk.add(line, e)
		left--
	}
	if open != nil && left > 0 {
		return s.part.changed("events that were sent are no longer there")
	}
	return nil
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
		if at := slices.IndexFunc(batch, func(e event) bool { return e.fault != nil }); at >= 0 && resumed == nil {
			if at == 0 {
				fault := []namedEvent{{0, ruleJSON, batch[0].fault.Error()}}
				if err := s.setAside(batch, fault); err != nil {
					return err
				}
				at = 1
			}
			todo = push(todo, batch[at:])
			if at < len(batch) && batch[0].fault == nil {
				todo = push(todo, batch[:at])
			}
			continue
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
				if err := pause(ctx, s.run.o.Retry.wait(answer{kind: throttled, retryAfter: a.retryAfter}, 1, s.random.Float64())); err != nil {
					return err
				}
			}
		}
	}
	return nil
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
	if sum.Accepted == 0 && sum.RejectedBy[ruleRefused]+sum.RejectedBy[ruleTooLarge] >= maxIsolated {
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
			reason := clean(s.run.scrub(n.reason))
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
