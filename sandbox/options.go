package sandbox

import (
	"errors"
	"fmt"
	"math"
	"time"

	"export2batch/internal/durable"
)

// What Amplitude documents. Sizes are decimal megabytes, the smaller reading
// of "MB": what passes here passes under either.
const (
	// DefaultMaxEvents is the number of events a request may have (Amplitude,
	// Batch Event Upload API, limits).
	DefaultMaxEvents = 2000
	// DefaultMaxBytes is the size of a /batch body in bytes, decompressed
	// (Amplitude, Batch Event Upload API, limits: 20 MB).
	DefaultMaxBytes = 20_000_000
	// HTTPAPIMaxBytes is the size of a /2/httpapi body in bytes, decompressed
	// (Amplitude, HTTP V2 API, upload limit: 1 MB).
	HTTPAPIMaxBytes = 1_000_000
	// DefaultMinIDLength is the number of characters a user_id or device_id
	// needs (Amplitude, Batch Event Upload API, limits).
	DefaultMinIDLength = 5
	// DocumentedThrottle is the documented limit in events a second for one
	// device or user (Amplitude, Batch Event Upload API, limits).
	DocumentedThrottle = 1000
	// DocumentedDailyQuota is the documented number of events for one device
	// or user in a rolling day (Amplitude, Batch Event Upload API, limits).
	DocumentedDailyQuota = 500_000

	// DocumentedHTTPThrottle is the documented limit in events a second for
	// one device or user of /2/httpapi (Amplitude, HTTP V2 API, upload limit).
	DocumentedHTTPThrottle = 30
	// DefaultExportBytes is the size of an export, as text, that is refused
	// (Amplitude, Export API: 4 GB).
	DefaultExportBytes = 4_000_000_000
	// DefaultProject is the number of the project that exports show.
	DefaultProject = 100001

	defaultBodyMemory  = 256 << 20
	defaultEventMemory = 1 << 30
)

// Options say how a Server behaves. The zero value is Amplitude's documented
// behaviour without throttle and quota, any API key, a ledger in memory, and
// nothing kept of events but the ledger.
type Options struct {
	// Data is the folder of the ledger, made when it is not there. Empty:
	// nothing is written to disk, the ledger is kept (compressed) in memory.
	Data string
	// Events keeps what the events hold, beside the ledger: the export, the
	// people with their properties and the search need it.
	Events bool
	// EventMemory is how many bytes the events may take in memory, compressed,
	// without Data; the oldest are then forgotten. 0 means 1 GiB.
	EventMemory int64
	// ExportBytes is the size of an export, as text, that is refused with 400;
	// 0 means DefaultExportBytes.
	ExportBytes int64
	// Project is the number of the project that exports show; 0 means
	// DefaultProject.
	Project int64
	// APIKey is the only key accepted. Empty: any key is.
	APIKey string
	// SecretKey is what an export needs beside APIKey. Empty: any is.
	SecretKey string
	// MinIDLength is the number of characters that user_id and device_id
	// need when the request does not say; 0 means DefaultMinIDLength.
	MinIDLength int
	// Throttle is the number of events a second, averaged over 30 s, that one
	// device or user may send; 0 means no limit. DocumentedThrottle is
	// Amplitude's figure.
	Throttle float64
	// HTTPThrottle is the same for /2/httpapi, /identify and /groupidentify;
	// DocumentedHTTPThrottle is Amplitude's figure. What is sent there does not
	// count for Throttle.
	HTTPThrottle float64
	// DailyQuota is the number of events that one device or user may send in
	// a rolling day counted in hours; 0 means no limit.
	// DocumentedDailyQuota is Amplitude's figure.
	DailyQuota int
	// MaxEvents is the number of events a request may have; 0 means
	// DefaultMaxEvents.
	MaxEvents int
	// MaxBytes is the size of a body in bytes, decompressed; 0 means
	// DefaultMaxBytes. /2/httpapi takes at most HTTPAPIMaxBytes in any case.
	MaxBytes int64
	// AllErrors makes a 400 name every bad event. Otherwise it names only the
	// first one, as Amplitude does.
	AllErrors bool
	// Faults are the failures to inject; the zero value is none.
	Faults Faults
	// BodyMemory bounds the bytes of all bodies being read at a time; a
	// request waits until there is room for it. 0 means 256 MiB; less than
	// one body is raised to one.
	BodyMemory int64
	// NoSync leaves out the fsync before each answer: the ledger then
	// survives the end of the process, but not that of the machine.
	NoSync bool
	// Now is the clock on the wall; nil means time.Now. It is called by many
	// goroutines. A clock that goes back is held where it was.
	Now func() time.Time
	// TimeScale makes the sandbox's time go so many times as fast, so that a
	// day's quota can be tried in a minute (1440); 0 means 1.
	TimeScale float64
	// AnyHost lets requests that read data name any host. Otherwise it must be
	// this machine, so that no page on the internet can read through a name of
	// its own that resolves to it.
	AnyHost bool

	fs durable.FS // the tests make it fail
}

// maxTimeScale is a day in less than a second; far beyond, years pass while a
// test runs and times leave what a row can show.
const maxTimeScale = 100_000

// Validate tells what cannot be meant.
func (o Options) Validate() error {
	switch {
	case o.MinIDLength < 0:
		return errors.New("the minimum id length is negative")
	case !(o.Throttle >= 0 && o.Throttle <= math.MaxFloat64): // also NaN
		return errors.New("the throttle is not a number of events a second")
	case !(o.HTTPThrottle >= 0 && o.HTTPThrottle <= math.MaxFloat64):
		return errors.New("the throttle of /2/httpapi is not a number of events a second")
	case !(o.TimeScale >= 0 && o.TimeScale <= maxTimeScale):
		return fmt.Errorf("the time scale is not a number from 0 to %d", maxTimeScale)
	case o.EventMemory < 0:
		return errors.New("the memory for events is negative")
	case o.ExportBytes < 0:
		return errors.New("the size of an export is negative")
	case o.Project < 0:
		return errors.New("the number of the project is negative")
	case o.DailyQuota < 0:
		return errors.New("the daily quota is negative")
	case o.MaxEvents < 0:
		return errors.New("the number of events a request is negative")
	case o.MaxBytes < 0:
		return errors.New("the size of a body is negative")
	case o.BodyMemory < 0:
		return errors.New("the memory for bodies is negative")
	}
	return nil
}

// withDefaults fills in what the zero values stand for.
func (o Options) withDefaults() Options {
	if o.MinIDLength == 0 {
		o.MinIDLength = DefaultMinIDLength
	}
	if o.MaxEvents == 0 {
		o.MaxEvents = DefaultMaxEvents
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.BodyMemory == 0 {
		o.BodyMemory = defaultBodyMemory
	}
	if o.EventMemory == 0 {
		o.EventMemory = defaultEventMemory
	}
	if o.ExportBytes == 0 {
		o.ExportBytes = DefaultExportBytes
	}
	if o.Project == 0 {
		o.Project = DefaultProject
	}
	if o.TimeScale == 0 {
		o.TimeScale = 1
	}
	o.BodyMemory = max(o.BodyMemory, o.MaxBytes)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.fs == nil {
		o.fs = durable.OS
	}
	return o
}
