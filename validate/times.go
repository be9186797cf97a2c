package validate

import (
	"bytes"
	"strconv"

	"export2batch/internal/jsonscan"
)

// Sizes that tell the unit of a time. In milliseconds the first is March 1973,
// before anything was counted, and in seconds the year 5138.
const (
	leastMillis = 100_000_000_000
	leastMicros = 100_000_000_000_000     // in milliseconds the year 5138, in microseconds 1973
	leastNanos  = 100_000_000_000_000_000 // in microseconds the year 5138
	year2000    = 946_684_800_000         // ms

	oldAge = 30 * 24 * 60 * 60 * 1000 // ms: Amplitude, Data backfill guide
)

func checkTime(c *checker, e *event) {
	f := e.field(keyTime)
	if f == nil {
		c.report(ruleTimeMissing, "", "has no time: Amplitude takes the time of the upload", 1)
		return
	}
	if f.Kind != jsonscan.Number {
		return
	}
	ms, ok := millis(f.Value(e.text))
	if !ok || ms <= 0 {
		return // the schema says so
	}
	unit := ""
	switch {
	case ms < leastMillis:
		unit = "seconds"
	case ms >= leastNanos:
		unit = "nanoseconds"
	case ms >= leastMicros:
		unit = "microseconds"
	case ms < year2000:
		c.report(ruleTimeBefore2000, keyTime.pointer(), "is before the year 2000", 1)
	case c.now <= 0:
	case ms > c.now:
		c.report(ruleTimeFuture, keyTime.pointer(), "is in the future", 1)
	case ms <= c.now-oldAge:
		c.note(onceOld)
	}
	if unit != "" {
		c.report(ruleTimeUnit, keyTime.pointer(), "is in "+unit+" by its size, not in milliseconds", 1)
	}
}

// millis reads a time, which may be written as 1.6e12.
func millis(number []byte) (int64, bool) {
	if ms, ok := shortInteger(number); ok {
		return ms, true
	}
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil || f > 1e18 || f < -1e18 {
		return leastNanos, err == nil && f > 0
	}
	return int64(f), true
}

// shortInteger reads an integer of up to maxShort bytes.
func shortInteger(number []byte) (n int64, ok bool) {
	if len(number) > maxShort {
		return 0, false
	}
	digits := bytes.TrimPrefix(number, []byte{'-'})
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = 10*n + int64(c)
	}
	if len(digits) < len(number) {
		n = -n
	}
	return n, true
}
