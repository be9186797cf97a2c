package upload

import (
	"fmt"
	"sync"
)

// state is what the journal says, kept up to date while the upload runs. A
// partition is changed by one goroutine at a time; the account is shared.
type state struct {
	begin *begin
	key   *keyMark // nil: nothing was accepted yet
	parts []partState
	parks map[uint64]int64 // until when ids wait, ms since the epoch
	last  int64            // time of the latest record that has one, ms since the epoch

	mu    sync.Mutex
	sum   Summary // without Pending
	texts map[string]string
}

// partState is how far a partition is.
type partState struct {
	events  int64 // of the partition
	done    spans // accepted or set aside
	open    *intent
	last    int // number of the latest request
	rejects []rejected
	doubts  []doubt
}

// doubt is events that may have been taken although they were not
// acknowledged. Some of them may be done since.
type doubt struct {
	events spans
	time   int64 // of the request
}

// rejected is one event set aside.
type rejected struct {
	event        int64
	rule, reason string
}

// newState is the state before the first record; events are the sizes of the
// partitions.
func newState(events []int64) *state {
	s := &state{parts: make([]partState, len(events)), parks: map[uint64]int64{}, texts: map[string]string{}}
	for i, n := range events {
		s.parts[i].events = n
		s.sum.Read += n
	}
	return s
}

// summary is the account so far.
func (s *state) summary() Summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.sum
	out.Pending = out.Read - out.Accepted - out.Rejected
	out.RejectedBy = make(map[string]int64, len(s.sum.RejectedBy))
	for rule, n := range s.sum.RejectedBy {
		out.RejectedBy[rule] = n
	}
	return out
}

// pending are the partitions that are not complete.
func (s *state) pending() (list []int) {
	for i := range s.parts {
		if !s.parts[i].complete() {
			list = append(list, i)
		}
	}
	return list
}

// tookNothing tells that no event was accepted, nor may have been.
func (s *state) tookNothing() bool {
	for i := range s.parts {
		if p := &s.parts[i]; p.open != nil || len(p.doubts) > 0 {
			return false
		}
	}
	return s.summary().Accepted == 0
}

// untouched tells that nothing was taken or set aside, nor waits for a quota.
func (s *state) untouched() bool {
	return s.tookNothing() && s.summary().Rejected == 0 && len(s.parks) == 0
}

// complete tells whether nothing of the partition is pending.
func (p *partState) complete() bool { return p.done.count() == p.events }

// apply takes one record in, or says why it cannot follow those before.
func (s *state) apply(r record) error {
	if b, ok := r.(*begin); ok {
		if s.begin != nil {
			return fmt.Errorf("it begins twice")
		}
		s.begin, s.last = b, b.time
		return nil
	}
	if s.begin == nil {
		return fmt.Errorf("it does not say what it is about")
	}
	switch r := r.(type) {
	case *intent:
		return s.intend(r)
	case *ack:
		return s.accept(r)
	case *refused:
		p, err := s.answered(r.partition, r.request)
		if err != nil {
			return err
		}
		n := p.open.events.count()
		if r.doubts > 0 {
			p.doubts = append(p.doubts, doubt{p.open.events, p.open.time})
		}
		p.open = nil
		at := r.time
		if r.status == 0 {
			at = 0 // nothing answered
		}
		s.count(r.attempts, at, func(sum *Summary) { sum.Resent += n * r.doubts })
	case *aside:
		return s.setAside(r)
	case *keyMark:
		s.mu.Lock()
		s.key = r
		s.mu.Unlock()
	case *park:
		s.mu.Lock()
		for _, id := range r.ids {
			s.parks[id] = max(s.parks[id], r.until)
		}
		s.mu.Unlock()
	}
	return nil
}

func (s *state) part(number int) (*partState, error) {
	if number >= len(s.parts) {
		return nil, fmt.Errorf("there is no partition %d", number)
	}
	return &s.parts[number], nil
}

func (s *state) intend(r *intent) error {
	p, err := s.part(r.partition)
	if err != nil {
		return err
	}
	switch {
	case p.open != nil:
		return fmt.Errorf("partition %d has two requests in flight", r.partition)
	case r.request != p.last+1:
		return fmt.Errorf("request %d of partition %d follows request %d", r.request, r.partition, p.last)
	case len(r.events) == 0 || r.events[len(r.events)-1].end > p.events:
		return fmt.Errorf("request %d of partition %d has events the partition has not", r.request, r.partition)
	}
	for _, e := range r.events {
		if at := p.done.search(e.start); at < len(p.done) && p.done[at].start < e.end {
			return fmt.Errorf("request %d of partition %d has events that are done", r.request, r.partition)
		}
	}
	p.open, p.last = r, r.request
	return nil
}

// answered returns the partition whose open request this is.
func (s *state) answered(partition, request int) (*partState, error) {
	p, err := s.part(partition)
	if err != nil {
		return nil, err
	}
	if p.open == nil || p.open.request != request {
		return nil, fmt.Errorf("request %d of partition %d is answered but was not sent", request, partition)
	}
	return p, nil
}

func (s *state) accept(r *ack) error {
	p, err := s.answered(r.partition, r.request)
	if err != nil {
		return err
	}
	n := p.open.events.count()
	for _, e := range p.open.events {
		p.done.add(e) // checked when it was intended
	}
	p.open = nil
	s.count(r.attempts, r.time, func(sum *Summary) {
		sum.Accepted += n
		sum.Duplicates += max(0, n-r.ingested)
		sum.Resent += n * r.doubts
	})
	return nil
}

func (s *state) setAside(r *aside) error {
	p, err := s.part(r.partition)
	if err != nil {
		return err
	}
	if r.event >= p.events {
		return fmt.Errorf("partition %d has no event %d", r.partition, r.event)
	}
	if p.open != nil && p.open.events.contains(r.event) {
		return fmt.Errorf("event %d of partition %d is set aside while it is in flight", r.event, r.partition)
	}
	if !p.done.add(span{r.event, r.event + 1}) {
		return fmt.Errorf("event %d of partition %d is done twice", r.event, r.partition)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.rejects = append(p.rejects, rejected{r.event, s.intern(r.rule), s.intern(r.reason)})
	s.sum.Rejected++
	if s.sum.RejectedBy == nil {
		s.sum.RejectedBy = map[string]int64{}
	}
	s.sum.RejectedBy[s.intern(r.rule)]++
	return nil
}

// count adds a request that was decided after that many attempts.
func (s *state) count(attempts, at int64, add func(*Summary)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, at)
	s.sum.Requests += attempts
	s.sum.Retries += max(0, attempts-1)
	add(&s.sum)
}

// intern keeps one copy of a text that many events share.
func (s *state) intern(text string) string {
	if have, ok := s.texts[text]; ok {
		return have
	}
	s.texts[text] = text
	return text
}
