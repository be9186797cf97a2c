package upload

import "sync"

// sizes bounds the bytes of bodies by what the destination takes: a 413 halves
// them for the whole run, and bodies that are taken let them grow again, up to
// just below the smallest that was not. It is safe for concurrent use.
type sizes struct {
	mu      sync.Mutex
	limit   int
	ceiling int
}

// leastBody is the size that is not gone below: single events are sent whatever
// their size.
const leastBody = 4 << 10

func newSizes(most int) *sizes { return &sizes{limit: most, ceiling: most} }

func (s *sizes) most() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit
}

// refused notes a body of several events that was too large.
func (s *sizes) refused(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ceiling = min(s.ceiling, max(bytes*19/20, leastBody))
	s.limit = min(s.limit, max(bytes/2, leastBody))
}

func (s *sizes) taken(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit < s.ceiling && bytes > s.limit*9/10 {
		s.limit = min(s.limit+s.limit/20, s.ceiling)
	}
}
