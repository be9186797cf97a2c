package upload

import (
	"sync"
	"sync/atomic"
	"time"
)

// idPacer spaces the events of every device and of every user, over all
// partitions. An id stands in the map only while its last batch is not yet
// worth its time, so the map holds what was sent in the last moments and not
// every id of the run. Ids that the destination throttles are slowed down to
// what it says, and stand in a map of their own. It is safe for concurrent use.
type idPacer struct {
	perSecond float64 // 0: no limit but for slowed ids
	epoch     time.Time

	mu     sync.Mutex
	free   map[uint64]time.Duration // since epoch: when the id's next event may go
	counts map[uint64]int           // events of each id in the batch at hand
	sweep  int                      // size of free at which the past is removed
	slow   map[uint64]*slowed
	some   atomic.Bool // slow has any
}

// slowed is an id that was throttled.
type slowed struct {
	rate  float64       // events/s
	most  float64       // that rate grows to again
	since time.Duration // since epoch: the latest change of rate
}

const (
	// smallest size at which an idPacer removes what is past.
	minSweep = 1024
	// slowMargin is the part of the destination's threshold that a throttled
	// id gets: it measures by its own clock.
	slowMargin = 0.9
	slowLeast  = 0.1 // events/s
	// slowFloor is the part of the threshold that an id is not slowed below: what
	// is still too much then is not its own doing, and is left to the waits.
	slowFloor = 0.2
	// slowStep is how long a slowed id goes on without being throttled until it
	// is let go faster, by half.
	slowStep = time.Minute
	// slowForget is how long after the last change a slowed id is remembered.
	slowForget = 10 * time.Minute
	// documentedThreshold is the events/s of an id where the destination does
	// not say (Amplitude, Batch Event Upload API, limits).
	documentedThreshold = 1000
)

func newIDPacer(perSecond float64) *idPacer {
	return &idPacer{
		perSecond: perSecond, epoch: time.Now(), slow: map[uint64]*slowed{},
		free: map[uint64]time.Duration{}, counts: map[uint64]int{}, sweep: minSweep,
	}
}

// slot gives the moment at which the batch may be sent.
func (p *idPacer) slot(now time.Time, batch []event) time.Time {
	if p.perSecond == 0 && !p.some.Load() {
		return now
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	start := now.Sub(p.epoch)
	at := start
	if len(p.free) >= p.sweep {
		p.removeBefore(at)
	}
	clear(p.counts)
	for i := range batch {
		for _, id := range batch[i].ids() {
			if id != 0 {
				p.counts[id]++
			}
		}
	}
	for id := range p.counts {
		at = max(at, p.free[id])
	}
	for id, n := range p.counts {
		if rate := p.rate(id, start); rate > 0 {
			p.free[id] = at + time.Duration(float64(n)*float64(time.Second)/rate)
		}
	}
	return p.epoch.Add(at)
}

// rate is the events/s of an id; 0: no limit.
func (p *idPacer) rate(id uint64, now time.Duration) float64 {
	s := p.slow[id]
	if s == nil {
		return p.perSecond
	}
	if s.rate < s.most && now-s.since >= slowStep {
		s.rate, s.since = min(s.rate*1.5, s.most), now
	}
	return s.rate
}

// throttle slows an id down to a threshold in events/s (0: not said) and lets
// nothing of it go for a while.
func (p *idPacer) throttle(id uint64, threshold float64, now time.Time, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := now.Sub(p.epoch)
	if threshold <= 0 {
		threshold = documentedThreshold
	}
	if p.perSecond > 0 {
		threshold = min(threshold, p.perSecond)
	}
	s := p.slow[id]
	switch {
	case s == nil:
		s = &slowed{rate: max(threshold*slowMargin, slowLeast), since: at}
		p.slow[id] = s
	case at-s.since > max(wait, DefaultThrottle): // what was in flight together counts once
		s.rate, s.since = s.rate*0.7, at
	}
	s.most = max(threshold*slowMargin, slowLeast)
	s.rate = min(max(s.rate, s.most*slowFloor), s.most)
	p.free[id] = max(p.free[id], at+wait)
	p.some.Store(true)
}

// most is how many events of an id a request may have; 0: no bound. A slowed
// id gets the events of a second at a time.
func (p *idPacer) most(id uint64) int {
	if !p.some.Load() || id == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.slow[id]; s != nil {
		return max(1, int(s.rate))
	}
	return 0
}

// throttled is how many ids are slowed down.
func (p *idPacer) throttled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.slow)
}

func (p *idPacer) removeBefore(now time.Duration) {
	for id, free := range p.free {
		if free <= now {
			delete(p.free, id)
		}
	}
	for id, s := range p.slow {
		if now-s.since > slowForget && p.free[id] <= now {
			delete(p.slow, id)
		}
	}
	p.sweep = max(minSweep, 2*len(p.free))
}
