package upload

import (
	"sync"
	"time"
)

// idPacer spaces the events of every device and of every user, over all
// partitions. An id stands in the map only while its last batch is not yet
// worth its time, so the map holds what was sent in the last moments and not
// every id of the run. It is safe for concurrent use.
type idPacer struct {
	each  time.Duration // that one event of an id is worth
	epoch time.Time

	mu     sync.Mutex
	free   map[uint64]time.Duration // since epoch: when the id's next event may go
	counts map[uint64]int           // events of each id in the batch at hand
	sweep  int                      // size of free at which the past is removed
}

// smallest size at which an idPacer removes what is past.
const minSweep = 1024

func newIDPacer(perSecond float64) *idPacer {
	return &idPacer{
		each: time.Duration(float64(time.Second) / perSecond), epoch: time.Now(),
		free: map[uint64]time.Duration{}, counts: map[uint64]int{}, sweep: minSweep,
	}
}

// slot gives the moment at which the batch may be sent.
func (p *idPacer) slot(now time.Time, batch []event) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := now.Sub(p.epoch)
	if len(p.free) >= p.sweep {
		p.removeBefore(at)
	}
	clear(p.counts)
	for i := range batch {
		for _, id := range [2]uint64{batch[i].device, batch[i].user} {
			if id != 0 {
				p.counts[id]++
			}
		}
	}
	for id := range p.counts {
		at = max(at, p.free[id])
	}
	for id, n := range p.counts {
		p.free[id] = at + time.Duration(n)*p.each
	}
	return p.epoch.Add(at)
}

func (p *idPacer) removeBefore(now time.Duration) {
	for id, free := range p.free {
		if free <= now {
			delete(p.free, id)
		}
	}
	p.sweep = max(minSweep, 2*len(p.free))
}
