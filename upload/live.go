package upload

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Live is what a running upload shows of itself, to be given to Run in
// Options. The zero value is ready. It is safe for concurrent use and shows one
// run at a time.
type Live struct {
	mu      sync.Mutex
	run     *run
	start   time.Time
	answers map[string]int64 // by status, or "none"
	again   int64            // requests that were sent again
	series  [seriesLength]Second
	at      int64 // the second, since start, that series was last written in
}

// Second is one second of a run's history.
type Second struct {
	Accepted int64 `json:"accepted"` // events
	Requests int64 `json:"requests"` // answered, or given up
	Retries  int64 `json:"retries"`  // of them, sent again
	Limited  int64 `json:"limited"`  // of them, answered with 429
	InFlight int   `json:"in_flight"`
	Took     int64 `json:"took_ms"` // the slowest answer
}

const (
	seriesLength = 15 * 60
	// rateSeconds is what the present rate is averaged over.
	rateSeconds = 20
)

// begin starts showing a run.
func (l *Live) begin(r *run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.run, l.start, l.answers, l.again, l.at = r, time.Now(), map[string]int64{}, 0, 0
	clear(l.series[:])
}

// second returns the bucket of now, the seconds since the last one emptied.
func (l *Live) second(now time.Time) *Second {
	at := int64(now.Sub(l.start) / time.Second)
	for ; l.at < at; l.at++ {
		if at-l.at > seriesLength {
			l.at = at - seriesLength
		}
		l.series[(l.at+1)%seriesLength] = Second{}
	}
	return &l.series[l.at%seriesLength]
}

func (l *Live) answered(a answer, events int, took time.Duration, again bool) {
	key := "none"
	if a.status > 0 {
		key = strconv.Itoa(a.status)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[key]++
	s := l.second(time.Now())
	s.Requests++
	if again {
		l.again++
		s.Retries++
	}
	if a.status == 429 {
		s.Limited++
	}
	if a.kind == accepted {
		s.Accepted += int64(events)
	}
	s.InFlight, _ = l.run.gate.size()
	s.Took = max(s.Took, took.Milliseconds())
}

// Running is how a run does at the moment.
type Running struct {
	Seconds float64 `json:"seconds"` // since it began
	// EventsPerSecond and RequestsPerSecond are averages over the last 20 s.
	EventsPerSecond   float64          `json:"events_per_second"`
	RequestsPerSecond float64          `json:"requests_per_second"`
	ETASeconds        int64            `json:"eta_seconds"` // at that rate; -1: not known
	InFlight          int              `json:"in_flight"`   // requests
	InFlightLimit     int              `json:"in_flight_limit"`
	MaxBytes          int              `json:"max_bytes"`     // that a body may have now
	ThrottledIDs      int              `json:"throttled_ids"` // slowed down to what the destination says
	ParkedIDs         int              `json:"parked_ids"`    // over their daily quota
	ParkedUntil       string           `json:"parked_until,omitempty"`
	ParkedEvents      int64            `json:"parked_events"` // of passes that have ended
	Partitions        Partitions       `json:"partitions"`
	Retries           int64            `json:"retries"` // of this run
	Answers           map[string]int64 `json:"answers"` // of this run, by HTTP status; "none": no answer
}

// Partitions counts the partitions by what they do.
type Partitions struct {
	All     int `json:"all"`
	Done    int `json:"done"`
	Sending int `json:"sending"`
	Waiting int `json:"waiting"` // for a throttle or a pace
	Parked  int `json:"parked"`  // with events that wait for a daily quota
	Queued  int `json:"queued"`  // not begun, or cut off
}

// Status returns the account and how the run does; ok is false when there is
// none yet.
func (l *Live) Status() (s Status, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.run
	if r == nil {
		return s, false
	}
	now := time.Now()
	s = r.folder.status(r.folder.state.summary())
	n := &Running{Seconds: now.Sub(l.start).Round(time.Millisecond).Seconds(), MaxBytes: r.sizes.most(), Retries: l.again, ETASeconds: -1, Answers: map[string]int64{}}
	for k, v := range l.answers {
		n.Answers[k] = v
	}
	l.second(now)
	span := min(int64(rateSeconds), max(1, l.at))
	for _, b := range l.recent(int(span)) {
		n.EventsPerSecond += float64(b.Accepted) / float64(span)
		n.RequestsPerSecond += float64(b.Requests) / float64(span)
	}
	n.InFlight, n.InFlightLimit = r.gate.size()
	n.ThrottledIDs = r.pacer.ids.throttled()
	var until time.Time
	if n.ParkedIDs, until = r.parked.count(now); n.ParkedIDs > 0 {
		n.ParkedUntil = until.UTC().Format(time.RFC3339)
	}
	p := &n.Partitions
	p.Done, p.Sending, p.Waiting, p.Parked, n.ParkedEvents = r.schedule.size()
	p.All = len(r.parts.list)
	p.Queued = p.All - p.Done - p.Sending - p.Waiting - p.Parked
	if n.EventsPerSecond > 0 {
		n.ETASeconds = int64(float64(s.Pending) / n.EventsPerSecond)
	}
	s.Running = n
	return s, true
}

// History returns the last n seconds of the run, at most 900, oldest first.
func (l *Live) History(n int) []Second {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.run == nil {
		return nil
	}
	l.second(time.Now())
	return slices.Clone(l.recent(n))
}

// recent returns the last n whole seconds.
func (l *Live) recent(n int) []Second {
	n = int(min(int64(n), l.at, seriesLength-1))
	out := make([]Second, 0, max(n, 0))
	for at := l.at - int64(n); at < l.at; at++ {
		out = append(out, l.series[at%seriesLength])
	}
	return out
}

// answersByCount lists what was answered, most often first.
func answersByCount(answers map[string]int64) []string {
	keys := make([]string, 0, len(answers))
	for k := range answers {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(answers[b], answers[a]), cmp.Compare(a, b)) })
	return keys
}
