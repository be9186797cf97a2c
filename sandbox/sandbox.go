package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Server is a local Amplitude. It is an http.Handler and safe for concurrent
// use. Requests are read and checked side by side and taken one after the
// other: that order is the order of the ledger.
type Server struct {
	opts   Options
	faults *injector
	bodies *semaphore.Weighted // bytes
	intake sync.Pool           // of *intake
	mux    *http.ServeMux
	ledger ledger

	// What is taken, under taking: the numbers go up and the lines get into
	// the ledger together.
	taking     sync.Mutex
	clock      int64 // Unix seconds, never goes back
	seq        int64 // of the last line
	request    int64 // of the last accepted request
	duplicates int64
	dedup      dedup
	throttle   struct{ devices, users *window }
	quota      struct{ devices, users *window }
	lines      []byte

	counting sync.Mutex
	answers  map[string]int64
}

// Summary says what a server has taken and answered.
type Summary struct {
	// Accepted is the number of lines in the ledger, those of earlier starts
	// included; Duplicates is how many of them were not taken again.
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"`
	// Requests counts the uploads answered since the start, ByAnswer by
	// status code, or "reset" or "truncated" where a fault took the answer.
	Requests int64            `json:"requests"`
	ByAnswer map[string]int64 `json:"requests_by_answer"`
}

// New makes a server and, with Options.Data, reads the ledger that is there.
// It fails when the ledger cannot be read or is damaged, and when another
// process uses the folder. Close must be called.
func New(opts Options) (*Server, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	opts = opts.withDefaults()
	s := &Server{
		opts:    opts,
		faults:  newInjector(opts.Faults),
		bodies:  semaphore.NewWeighted(opts.BodyMemory),
		intake:  sync.Pool{New: func() any { return new(intake) }},
		answers: make(map[string]int64),
	}
	s.throttle.devices, s.throttle.users = newThrottle(opts.Throttle), newThrottle(opts.Throttle)
	s.quota.devices, s.quota.users = newQuota(opts.DailyQuota), newQuota(opts.DailyQuota)
	s.advance(opts.Now())
	if opts.Data == "" {
		s.ledger = new(memoryLedger)
	} else {
		l, err := s.openLedger()
		if err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		s.ledger = l
	}
	s.mux = s.routes()
	return s, nil
}

// Close ends the ledger. Requests that come later are answered with 503.
func (s *Server) Close() error {
	if err := s.ledger.close(); err != nil {
		return fmt.Errorf("close ledger: %w", err)
	}
	return nil
}

// Summary returns the counts as they are now.
func (s *Server) Summary() Summary {
	s.taking.Lock()
	sum := Summary{Accepted: s.seq, Duplicates: s.duplicates}
	s.taking.Unlock()
	s.counting.Lock()
	defer s.counting.Unlock()
	sum.ByAnswer = maps.Clone(s.answers)
	for _, n := range sum.ByAnswer {
		sum.Requests += n
	}
	return sum
}

// take is the last step of an upload: it looks at throttle and quota, then
// takes all events of the request and waits until they are in the ledger.
func (s *Server) take(in *intake) answer {
	now := s.opts.Now()
	s.taking.Lock()
	if s.ledger.failed() != nil {
		s.taking.Unlock()
		return s.notStored()
	}
	clock := s.advance(now)
	if t := s.overLimit(in.events, clock); t != nil {
		s.taking.Unlock()
		return jsonAnswer(t.Code, t)
	}
	first, taken := s.seq+1, 0
	s.request++
	s.lines = s.lines[:0]
	for i := range in.events {
		e := &in.events[i]
		s.seq++
		duplicate := e.keyed && s.dedup.take(e.key, clock)
		if duplicate {
			s.duplicates++
		} else {
			taken++
		}
		s.lines = appendLine(s.lines, s.seq, s.request, e, duplicate)
	}
	mark := s.ledger.append(s.lines, first, clock)
	s.taking.Unlock()
	if err := s.ledger.commit(mark); err != nil {
		return s.notStored()
	}
	return ingested(taken, len(in.body), now.UnixMilli())
}

// notStored answers when nothing can be written to the ledger: 503 (nothing was
// taken) when it was closed in time, 500 (it may have been) when writing failed.
func (s *Server) notStored() answer {
	if errors.Is(s.ledger.failed(), errClosed) {
		return refuse(http.StatusServiceUnavailable, "Service unavailable")
	}
	return refuse(http.StatusInternalServerError, "Internal server error")
}

// advance moves the sandbox's clock on, never back, and returns it. New and
// those who hold taking call it.
func (s *Server) advance(now time.Time) int64 {
	s.clock = max(s.clock, now.Unix(), 0)
	return s.clock
}

// count notes how a request was answered.
func (s *Server) count(how string) {
	s.counting.Lock()
	s.answers[how]++
	s.counting.Unlock()
}

func (s *Server) countCode(code int) { s.count(strconv.Itoa(code)) }
