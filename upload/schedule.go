package upload

import (
	"context"
	"slices"
	"sync"
	"time"
)

// schedule says which partition is sent next. At most parallel partitions are
// at work, not counting those that wait for a throttle or a pace; with those,
// at most twice as many are open. It is safe for concurrent use.
type schedule struct {
	parallel int
	wake     chan struct{} // holds one: something changed

	mu      sync.Mutex
	ready   []int // in the order of the manifest
	later   []deferred
	working int
	waiting int
	done    int // partitions of which nothing is pending any more
	closed  bool
}

// deferred is a partition whose pass is over, but for events that are held.
type deferred struct {
	number int
	at     time.Time // of its next pass
	events int64     // that wait
}

func newSchedule(parallel, partitions int, pending []int) *schedule {
	return &schedule{parallel: parallel, ready: pending, done: partitions - len(pending), wake: make(chan struct{}, 1)}
}

func (s *schedule) changed() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// close keeps any partition from being begun.
func (s *schedule) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// next returns a partition to begin with now.
func (s *schedule) next(now time.Time) (number int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.working >= s.parallel || s.working+s.waiting >= 2*s.parallel {
		return 0, false
	}
	due := -1 // the longest due of the deferred ones comes first
	for i, d := range s.later {
		if !d.at.After(now) && (due < 0 || d.at.Before(s.later[due].at)) {
			due = i
		}
	}
	switch {
	case due >= 0:
		number = s.later[due].number
		s.later = slices.Delete(s.later, due, due+1)
	case len(s.ready) > 0:
		number, s.ready = s.ready[0], s.ready[1:]
	default:
		return 0, false
	}
	s.working++
	return number, true
}

// rest tells whether all work is done, or when a partition is due that is not.
// With leave, what is only deferred counts as done.
func (s *schedule) rest(now time.Time, leave bool) (done bool, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.later {
		if due.IsZero() || d.at.Before(due) {
			due = d.at
		}
	}
	idle := s.working+s.waiting == 0 && len(s.ready) == 0
	return idle && (len(s.later) == 0 || leave && due.After(now)), due
}

// idle tells whether no partition is being sent.
func (s *schedule) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.working+s.waiting == 0
}

// full tells whether no partition can be begun, due or not.
func (s *schedule) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.working >= s.parallel || s.working+s.waiting >= 2*s.parallel
}

// ended gives the place of a partition free, and takes it in again if events
// of it wait.
func (s *schedule) ended(d deferred, complete bool) {
	s.mu.Lock()
	s.working--
	if complete {
		s.done++
	}
	if !d.at.IsZero() {
		s.later = append(s.later, d)
	}
	s.mu.Unlock()
	s.changed()
}

// pause waits without keeping others from working.
func (s *schedule) pause(ctx context.Context, d time.Duration) error {
	if d < longWait {
		return pause(ctx, d)
	}
	s.move(-1)
	defer s.move(1)
	return pause(ctx, d)
}

// longWait is a wait in which another partition may be opened.
const longWait = 250 * time.Millisecond

func (s *schedule) move(n int) {
	s.mu.Lock()
	s.working += n
	s.waiting -= n
	s.mu.Unlock()
	s.changed()
}

// size is how many partitions there are of each sort, and how many events the
// deferred ones hold.
func (s *schedule) size() (done, working, waiting, parked int, events int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.later {
		events += d.events
	}
	return s.done, s.working, s.waiting, len(s.later), events
}
