package sandbox

import (
	"sync"
	"time"

	"export2batch/sandbox/export"
)

const (
	meterSeconds = 300  // the rates look back so far
	meterDays    = 4000 // of event time; further ones are not drawn
)

// meter counts events by type, by the second in which they came and by the day
// on which they happened. Methods may be called by any goroutine.
type meter struct {
	mu      sync.Mutex
	started time.Time
	types   map[string]int // place in the slices below, by name
	names   []string
	totals  []int64
	seconds [meterSeconds]meterSecond
	days    map[int64][]uint32 // since 1970, by type
	bytes   int64              // of accepted bodies
}

// meterSecond is what came in one second.
type meterSecond struct {
	at     int64 // Unix seconds
	events int64
	bytes  int64
	types  []uint32
}

func newMeter(now time.Time) *meter {
	return &meter{started: now, types: map[string]int{}, days: map[int64][]uint32{}}
}

// add counts the events of a request that were taken.
func (m *meter) add(in *intake, received int64, wall time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.second(wall.Unix())
	s.bytes += int64(len(in.body))
	m.bytes += int64(len(in.body))
	for i := range in.events {
		if in.events[i].duplicate {
			continue
		}
		s.events++
		k := m.place(&in.events[i], in)
		s.types = grow(s.types, k)
		s.types[k]++
		m.count(k, &in.events[i], received)
	}
}

// addDay counts an event that was accepted before the start.
func (m *meter) addDay(e *event, received int64, in *intake) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count(m.place(e, in), e, received)
}

func (m *meter) second(at int64) *meterSecond {
	s := &m.seconds[at%meterSeconds]
	if s.at != at {
		clear(s.types)
		*s = meterSecond{at: at, types: s.types}
	}
	return s
}

// count adds one to the totals of a type.
func (m *meter) count(k int, e *event, received int64) {
	m.totals[k]++
	day := export.Millis(e.time, received) / (day * 1000)
	list, ok := m.days[day]
	if !ok && len(m.days) == meterDays {
		return
	}
	list = grow(list, k)
	list[k]++
	m.days[day] = list
}

// otherTypes is the name that all types over the project's limit get.
const otherTypes = "(other types)"

// place returns the number of an event's type.
func (m *meter) place(e *event, in *intake) int {
	var name []byte
	name, in.scratch = text(in.scratch, e.eventType)
	if k, ok := m.types[string(name)]; ok {
		return k
	}
	key := string(name)
	if len(m.names) >= maxEventTypes {
		key = otherTypes
		if k, ok := m.types[key]; ok {
			return k
		}
	}
	k := len(m.names)
	m.types[key] = k
	m.names = append(m.names, key)
	m.totals = append(m.totals, 0)
	return k
}

func grow(list []uint32, k int) []uint32 {
	for len(list) <= k {
		list = append(list, 0)
	}
	return list
}

// rate returns the events a second over the last so many whole seconds.
func (m *meter) rate(wall time.Time, seconds int64) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, n := wall.Unix(), int64(0)
	for at := now - seconds; at < now; at++ {
		if s := &m.seconds[at%meterSeconds]; s.at == at {
			n += s.events
		}
	}
	return float64(n) / float64(seconds)
}
