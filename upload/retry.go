package upload

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What Retry's zero values mean.
const (
	DefaultBase = 500 * time.Millisecond
	DefaultCap  = time.Minute
	// DefaultThrottle is the wait that a 429 asks for (Amplitude, Batch Event
	// Upload API, 429: 15 seconds).
	DefaultThrottle    = 15 * time.Second
	DefaultThrottleCap = 2 * time.Minute
	// DefaultQuota is the step in which the rolling day of the quota is
	// counted (Amplitude, Batch Event Upload API, limits).
	DefaultQuota = time.Hour

	// maxRetryAfter is the most that a Retry-After is believed.
	maxRetryAfter = 24 * time.Hour
	// maxDoubtful is how often a request is sent again after an answer that
	// looks like success but is not the documented one.
	maxDoubtful = 5
)

// Retry says how long to wait before a request is sent again, and how often it
// is. Retry-After in an answer comes first.
type Retry struct {
	// Base and Cap: failures wait Base, then twice as long each time, at most
	// Cap, of which the half is random.
	Base, Cap time.Duration
	// Throttle and ThrottleCap: a 429 waits Throttle, then half as long again
	// each time, at most ThrottleCap, and up to a fifth more at random.
	Throttle, ThrottleCap time.Duration
	Quota                 time.Duration // a daily quota waits this long, and up to a fifth more
	// Attempts is how often a request is sent in vain in a row (failures, not
	// throttling) before the upload stops; 0: for ever.
	Attempts int
}

func (r Retry) withDefaults() Retry {
	orDuration(&r.Base, DefaultBase)
	orDuration(&r.Cap, DefaultCap)
	orDuration(&r.Throttle, DefaultThrottle)
	orDuration(&r.ThrottleCap, DefaultThrottleCap)
	orDuration(&r.Quota, DefaultQuota)
	return r
}

func (r Retry) validate() error {
	if r.Base < 0 || r.Cap < 0 || r.Throttle < 0 || r.ThrottleCap < 0 || r.Quota < 0 || r.Attempts < 0 {
		return errors.New("a figure of the retry policy is negative")
	}
	return nil
}

// wait is the time before the same request is sent again, after a was the
// n-th answer in a row of its kind (from 1); random is from [0, 1).
func (r Retry) wait(a answer, n int, random float64) time.Duration {
	if a.retryAfter > 0 {
		return a.retryAfter
	}
	switch a.kind {
	case throttled:
		return spread(grown(r.Throttle, r.ThrottleCap, 1.5, n), random)
	case overQuota:
		return spread(r.Quota, random)
	}
	d := grown(r.Base, r.Cap, 2, n)
	return d/2 + time.Duration(float64(d/2)*random)
}

func grown(first, most time.Duration, factor float64, n int) time.Duration {
	return time.Duration(min(float64(first)*math.Pow(factor, float64(n-1)), float64(max(first, most))))
}

func spread(d time.Duration, random float64) time.Duration {
	return d + time.Duration(float64(d)/5*random)
}

// parseRetryAfter reads a Retry-After in either form, seconds or a date; 0
// when there is none to obey.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds > 0) { // also NaN
			return 0
		}
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
