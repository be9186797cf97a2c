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
	time   *scaledClock
	meter  *meter
	leave  func()        // ends what hangs on purpose
	left   chan struct{} // closed by leave

	// What is taken, under taking: the numbers go up and the lines get into
	// the ledger together.
	taking     sync.Mutex
	clock      int64 // Unix seconds, never goes back
	millis     int64 // the same in ms
	seq        int64 // of the last line
	request    int64 // of the last accepted request
	duplicates int64
	dedup      dedup
	throttle   windows // of /batch
	http       windows // of the other endpoints
	quota      windows
	lines      []byte
	content    *content // nil: only the ledger is kept

	counting sync.Mutex
	answers  map[string]int64
	paths    map[pathCode]int64
}

// windows count events by device and by user.
type windows struct{ devices, users *window }

func newWindows(make func() *window) windows { return windows{make(), make()} }

// pathCode is an endpoint and how it answered.
type pathCode struct{ path, how string }

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
		paths:   make(map[pathCode]int64),
		meter:   newMeter(opts.Now()),
		left:    make(chan struct{}),
	}
	s.leave = sync.OnceFunc(func() { close(s.left) })
	s.throttle = newWindows(func() *window { return newThrottle(opts.Throttle) })
	s.http = newWindows(func() *window { return newThrottle(opts.HTTPThrottle) })
	s.quota = newWindows(func() *window { return newQuota(opts.DailyQuota) })
	s.advance(opts.Now())
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s.time = newScaledClock(opts.Now, opts.TimeScale, time.UnixMilli(s.millis))
	s.mux = s.routes()
	return s, nil
}

// open opens ledger and content.
func (s *Server) open() error {
	if s.opts.Data == "" {
		l := new(memoryLedger)
		s.ledger = l
		if s.opts.Events {
			if err := s.openContent(); err != nil {
				return err
			}
			l.after = s.content.log.Flush
		}
		return nil
	}
	l, err := s.openLedger()
	if err != nil {
		return err
	}
	s.ledger = l
	s.millis = max(s.millis, 1000*s.clock)
	if !s.opts.Events {
		return nil
	}
	if err := s.openContent(); err != nil {
		return errors.Join(err, l.close())
	}
	l.before = s.content.log.Flush
	s.millis = max(s.millis, s.content.log.Size().Latest)
	s.clock = max(s.clock, s.millis/1000)
	if err := s.opts.fs.SyncDir(s.opts.Data); err != nil {
		return errors.Join(err, l.close(), s.content.log.Close())
	}
	return nil
}

// Close ends the ledger. Requests that come later are answered with 503.
func (s *Server) Close() error {
	s.leave()
	err := s.ledger.close()
	if s.content != nil {
		err = errors.Join(err, s.content.log.Close())
	}
	if err != nil {
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
func (s *Server) take(in *intake, u *upload) answer {
	now := s.time.now()
	s.taking.Lock()
	if s.ledger.failed() != nil {
		s.taking.Unlock()
		return s.notStored()
	}
	clock := s.advance(now)
	if refused, ok := s.overLimit(in.events, clock, u); !ok {
		s.taking.Unlock()
		return refused
	}
	first, taken := s.seq+1, 0
	s.request++
	s.lines = s.lines[:0]
	for i := range in.events {
		e := &in.events[i]
		s.seq++
		e.duplicate = e.keyed && s.dedup.take(e.key, clock)
		if e.duplicate {
			s.duplicates++
		} else {
			taken++
			if s.content != nil {
				s.content.take(e, s.seq, s.request, s.millis, u.at.path, in)
			}
		}
		s.lines = appendLine(s.lines, s.seq, s.request, e, e.duplicate)
	}
	mark, received := s.ledger.append(s.lines, first, clock), s.millis
	s.taking.Unlock()
	if err := s.ledger.commit(mark); err != nil {
		return s.notStored()
	}
	s.meter.add(in, received, s.opts.Now())
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
	s.millis = max(s.millis, now.UnixMilli(), 0)
	s.clock = max(s.clock, s.millis/1000)
	return s.clock
}

// count notes how a request was answered.
func (s *Server) count(path, how string) {
	s.counting.Lock()
	s.answers[how]++
	s.paths[pathCode{path, how}]++
	s.counting.Unlock()
}

func (s *Server) countCode(path string, code int) { s.count(path, strconv.Itoa(code)) }
