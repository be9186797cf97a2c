package upload

import (
	"sync"
	"sync/atomic"
	"time"
)

// parked are the ids that wait for their daily quota, over all partitions. It
// is safe for concurrent use.
type parked struct {
	mu   sync.RWMutex
	ids  map[uint64]time.Time // until when
	some atomic.Bool          // there are any
}

// newParked takes over what the journal knows. A wait that is longer than the
// quota's day comes from a clock that was set, and is cut to it.
func newParked(parks map[uint64]int64, now time.Time) *parked {
	p := &parked{ids: map[uint64]time.Time{}}
	for id, ms := range parks {
		if wait := min(time.UnixMilli(ms).Sub(now), maxRetryAfter); wait > 0 {
			p.ids[id] = now.Add(wait)
		}
	}
	p.some.Store(len(p.ids) > 0)
	return p
}

func (p *parked) add(ids []uint64, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		if until.After(p.ids[id]) {
			p.ids[id] = until
		}
	}
	p.some.Store(true)
}

// until returns when an id may go on; ok is false when it may now.
func (p *parked) until(id uint64, now time.Time) (at time.Time, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	at, ok = p.ids[id]
	return at, ok && at.After(now)
}

// count is how many ids wait, and the earliest end of it.
func (p *parked) count(now time.Time) (n int, first time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, at := range p.ids {
		if !at.After(now) {
			delete(p.ids, id)
			continue
		}
		if n++; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return n, first
}

// held are the ids of one partition that must wait until its next pass,
// because an event of theirs that comes earlier waits: one of a parked id, or
// one that shares an id with such an event, and so on forward. It belongs to
// one goroutine.
type held struct {
	parked *parked
	ids    map[uint64]struct{}
	events int64     // that wait
	again  time.Time // when the first of them may go
}

func (h *held) reset() {
	clear(h.ids)
	h.events, h.again = 0, time.Time{}
}

// back tells whether the event must wait, and with it everything behind it
// that shares an id.
func (h *held) back(e *event, now func() time.Time) bool {
	if len(h.ids) == 0 && !h.parked.some.Load() {
		return false
	}
	waits := false
	for _, id := range e.ids() {
		if id == 0 {
			continue
		}
		if _, ok := h.ids[id]; ok {
			waits = true
		} else if at, ok := h.parked.until(id, now()); ok {
			waits = true
			h.until(at)
		}
	}
	if waits {
		h.add(e)
	}
	return waits
}

// add makes the event wait.
func (h *held) add(e *event) {
	if h.ids == nil {
		h.ids = map[uint64]struct{}{}
	}
	for _, id := range e.ids() {
		if id != 0 {
			h.ids[id] = struct{}{}
		}
	}
	h.events++
}

func (h *held) until(at time.Time) {
	if h.again.IsZero() || at.Before(h.again) {
		h.again = at
	}
}
