package upload

import "sync"

// budget is how many events the run may still send. It is safe for concurrent
// use; nil is no bound.
type budget struct {
	mu   sync.Mutex
	left int64
}

func newBudget(events int64) *budget {
	if events == 0 {
		return nil
	}
	return &budget{left: events}
}

// take takes at most n events out.
func (b *budget) take(n int64) int64 {
	if b == nil {
		return n
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, b.left)
	b.left -= n
	return n
}

func (b *budget) giveBack(n int64) {
	if b != nil {
		b.mu.Lock()
		b.left += n
		b.mu.Unlock()
	}
}

// spent tells whether nothing is left.
func (b *budget) spent() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left == 0
}
