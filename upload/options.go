package upload

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"time"
	"unicode/utf8"

	"export2batch/internal/durable"
	"export2batch/internal/progress"
)

// What Amplitude documents, and what follows from it.
const (
	// DefaultMaxEvents is the number of events a request may have (Amplitude,
	// Batch Event Upload API, limits).
	DefaultMaxEvents = 2000
	// DefaultMaxBytes is the size of a body in bytes, before compression
	// (Amplitude, Batch Event Upload API, limits: 20 MB).
	DefaultMaxBytes = 20_000_000
	// DefaultEventsPerRequest is the most events a request should have in a
	// backfill (Amplitude, Data Backfill Guide).
	DefaultEventsPerRequest = 10
	// DefaultParallel is how many partitions are sent side by side. At 100 ms
	// for a request and its sync to disk it still fills the guide's pace.
	DefaultParallel = 16
	// DefaultTimeout is how long a request may take: 20 MB, compressed to a
	// sixth, over 1 Mbit/s, and a minute for the answer.
	DefaultTimeout = 90 * time.Second
	// DefaultConnectTimeout is how long a connection may take, and the TLS
	// handshake once more.
	DefaultConnectTimeout = 10 * time.Second
	// DefaultAnswerTimeout is how long an answer may keep being waited for once
	// the request is sent.
	DefaultAnswerTimeout = time.Minute
	// DefaultGrace is how long requests in flight may take after a stop.
	DefaultGrace = 30 * time.Second

	// maxParallel and mostEvents bound a commit of the journal, see maxCommit.
	maxParallel = 256
	mostEvents  = 10 * DefaultMaxEvents
)

// Options say what to upload, where to, and how fast. Guide gives the ones to
// start from.
type Options struct {
	Dir   string // a finished partition folder
	State string // the state folder; empty: Dir + ".upload"

	// URL is the base to which "/batch" is appended, such as
	// https://api2.amplitude.com (US) or https://api.eu.amplitude.com (EU).
	URL    string
	APIKey string
	// OtherKey allows going on under another API key than the one the state
	// was begun with, for a project whose key was replaced.
	OtherKey bool

	Pace Pace
	// EventsPerRequest is how many events a request gets; 0 means
	// DefaultEventsPerRequest.
	EventsPerRequest int
	MaxEvents        int // events a request may have; 0 means DefaultMaxEvents
	MaxBytes         int // bytes of JSON a request may have, but for a single event; 0 means DefaultMaxBytes
	MinIDLength      int // options.min_id_length of the request; 0: not sent, Amplitude then takes 5
	Parallel         int // partitions sent side by side, at most 256; 0 means DefaultParallel
	Gzip             bool

	again bool // what was set aside before is sent

	// LimitEvents is how many events this run sends at most, 0: all. Open
	// requests of an earlier run come on top.
	LimitEvents int64
	// LeaveParked ends the run when all that is left waits for a daily quota;
	// otherwise the run waits too.
	LeaveParked bool

	Retry   Retry
	Timeout time.Duration // of a request with its answer; 0 means DefaultTimeout
	Grace   time.Duration // for requests in flight at a stop; 0 means DefaultGrace
	// Transport sends requests; nil: HTTP/1.1 and 2 with the usual proxies. The
	// next three are only for that one.
	Transport      http.RoundTripper
	ConnectTimeout time.Duration  // 0 means DefaultConnectTimeout
	AnswerTimeout  time.Duration  // 0 means DefaultAnswerTimeout
	CAs            *x509.CertPool // that certificates are verified with; nil: the system's
	Seed           uint64         // of the jitter; 0: chosen at random

	Version string // of the tool, for the User-Agent and the journal
	Meter   *progress.Meter
	Live    *Live        // what the run shows of itself; nil: nothing
	Log     *slog.Logger // nil: nowhere
	FS      durable.FS   // nil: the real one
}

// Guide returns Options with the pace and sizes of Amplitude's Data Backfill
// Guide and compressed bodies. Dir, URL and APIKey are left to set.
func Guide() Options {
	return Options{Pace: GuidePace(), Gzip: true}
}

// Validate tells what cannot be meant. It does not look at the disk.
func (o Options) Validate() error {
	o = o.withDefaults()
	if _, err := parseDestination(o.URL); err != nil {
		return err
	}
	switch {
	case o.Dir == "":
		return errors.New("no partition folder is given")
	case filepath.Clean(o.Dir) == filepath.Clean(o.State):
		return errors.New("the state folder cannot be the partition folder")
	case o.APIKey == "":
		return errors.New("no API key is given")
	case !printable(o.APIKey):
		return errors.New("the API key holds spaces or control characters: is it the whole file?")
	case o.EventsPerRequest < 0 || o.MaxEvents < 0 || o.MaxBytes < 0 || o.MinIDLength < 0 || o.LimitEvents < 0:
		return errors.New("a size is negative")
	case o.EventsPerRequest > o.MaxEvents:
		return fmt.Errorf("%d events a request are more than the %d a request may have", o.EventsPerRequest, o.MaxEvents)
	case o.MaxEvents > mostEvents:
		return fmt.Errorf("%d events a request: at most %d", o.MaxEvents, mostEvents)
	case o.Parallel < 1 || o.Parallel > maxParallel:
		return fmt.Errorf("%d partitions side by side: between 1 and %d", o.Parallel, maxParallel)
	case o.Timeout < 0 || o.Grace < 0 || o.ConnectTimeout < 0 || o.AnswerTimeout < 0:
		return errors.New("a time-out is negative")
	}
	return errors.Join(o.Pace.validate(), o.Retry.validate())
}

func printable(key string) bool {
	for _, r := range key {
		if r <= ' ' || r == 0x7f || r == utf8.RuneError {
			return false
		}
	}
	return true
}

func (o Options) withDefaults() Options {
	if o.State == "" && o.Dir != "" {
		o.State = filepath.Clean(o.Dir) + ".upload"
	}
	orInt(&o.EventsPerRequest, DefaultEventsPerRequest)
	orInt(&o.MaxEvents, DefaultMaxEvents)
	orInt(&o.MaxBytes, DefaultMaxBytes)
	orInt(&o.Parallel, DefaultParallel)
	orDuration(&o.Timeout, DefaultTimeout)
	orDuration(&o.Grace, DefaultGrace)
	orDuration(&o.ConnectTimeout, DefaultConnectTimeout)
	orDuration(&o.AnswerTimeout, DefaultAnswerTimeout)
	o.Retry = o.Retry.withDefaults()
	if o.Transport == nil {
		o.Transport = defaultTransport(o)
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Live == nil {
		o.Live = &Live{}
	}
	if o.FS == nil {
		o.FS = durable.OS
	}
	return o
}

func orInt(v *int, otherwise int) {
	if *v == 0 {
		*v = otherwise
	}
}

func orDuration(v *time.Duration, otherwise time.Duration) {
	if *v == 0 {
		*v = otherwise
	}
}

// isRate tells whether v can be a number of things a second.
func isRate(v float64) bool { return v >= 0 && v <= math.MaxFloat64 } // not NaN
