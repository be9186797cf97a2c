package upload

import (
	"context"
	"sync"
	"time"
)

// gate bounds the requests in flight by what the destination takes: it opens
// up while requests succeed, doubling until the first sign of overload and by
// one a round trip after it, and closes by a part at each such sign, at most
// once for all requests that were in flight then. It is safe for concurrent
// use.
type gate struct {
	mu      sync.Mutex
	limit   float64 // requests in flight
	most    float64
	held    int
	posting int
	doubles bool      // no sign of overload yet
	cut     time.Time // of the latest sign: what was sent before tells nothing new
	waiting []chan struct{}
}

// How a gate begins and closes.
const (
	gateStart = 4
	gateBusy  = 0.7 // the destination says it is too much, or does not answer in time
	gateFault = 0.9 // it failed, perhaps for that reason
)

func newGate(most int) *gate {
	return &gate{limit: min(gateStart, float64(most)), most: float64(most), doubles: true}
}

// enter waits for room for one more request. leave must follow.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	if len(g.waiting) == 0 && g.held < int(g.limit) {
		g.held++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == turn {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return ctx.Err()
		}
	}
	g.held-- // its turn had come
	g.admit()
	return ctx.Err()
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held--
	g.admit()
}

func (g *gate) admit() {
	for len(g.waiting) > 0 && g.held < int(g.limit) {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		g.held++
	}
}

// sending notes that a request goes out, and tells whether the gate is full
// with it: only then does its success say that more would be taken.
func (g *gate) sending() (full bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.posting++
	return g.posting >= int(g.limit)
}

// answered takes in how a request went that was sent at that time. Factor is 1
// for success, below 1 by how much to close, 0 where it says nothing.
func (g *gate) answered(sent, now time.Time, full bool, factor float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.posting--
	switch {
	case factor == 0:
	case factor < 1:
		if sent.Before(g.cut) {
			return
		}
		g.limit = max(1, g.limit*factor)
		g.doubles, g.cut = false, now
	case full && g.doubles:
		g.limit = min(g.most, g.limit+1)
	case full:
		g.limit = min(g.most, g.limit+1/g.limit)
	}
	g.admit()
}

// size is how many requests are in flight, and how many may be.
func (g *gate) size() (posting, limit int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.posting, int(g.limit)
}

// load is what an answer tells about the load of the destination, as
// gate.answered takes it. Ids that are throttled or over their quota are paced
// by themselves and say nothing about it.
func (a *answer) load() float64 {
	switch {
	case a.kind == accepted:
		return 1
	case a.kind == throttled && len(a.limits.fast) == 0:
		return gateBusy
	case a.kind != again:
		return 0
	case a.status == 0 || a.status == 408 || a.status == 503 || a.status == 504:
		return gateBusy
	}
	return gateFault
}
