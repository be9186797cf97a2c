package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Faults say what goes wrong between the sandbox and its clients, how often.
// The zero value is nothing. ParseFaults makes them; they are never changed.
type Faults struct {
	seed        uint64
	latency     time.Duration
	spread      time.Duration
	retryAfter  time.Duration
	retryDate   time.Duration
	stormEvery  time.Duration
	stormLength time.Duration
	forbidden   string   // key of a property; empty: none
	silenced    []string // device ids
	rules       []faultRule
}

// faultRule is one kind of fault and its probability.
type faultRule struct {
	kind faultKind
	name string // as in the spec
	code int    // of a status fault
	late bool   // the events were taken
	p    float64
}

type faultKind uint8

const (
	statusFault faultKind = iota + 1
	htmlFault
	resetFault
	truncateFault
	hangFault
)

// ParseFaults reads a list of faults with the probability that a request
// meets them, separated by commas:
//
//	500:0.01          answers 500; so do 408 429 502 503 504. Nothing was taken
//	500-after:0.01    the same when everything was taken (not for 429)
//	reset-before:0.01 the connection is reset, nothing was taken
//	reset-after:0.01  the connection is reset, everything was taken
//	html:0.01         a 502 with a page of HTML, nothing was taken; html-after
//	truncate:0.01     the true answer breaks off half way, everything was taken
//	hang:0.01         no answer until the client leaves, everything was taken;
//	                  hang-before: nothing was
//	latency=5ms       every answer comes that much later
//	spread=20ms       and up to that much more, by chance
//	retry-after=2s    429 and 503 say Retry-After, in whole seconds
//	retry-after-date=2s  the same as a date
//	storm=30s/5s      in the first 5 s of every 30 s all devices and users are
//	                  throttled, whatever they sent
//	silence=ID        this device is silenced; may be repeated
//	forbid=KEY        403 without a place, as of a web firewall, when an event
//	                  has an event or user property of this name
//	seed=1            of the random source; 0 by default
//
// The probabilities exclude each other, so their sum is at most 1. "-before"
// may be written out. The n-th upload always meets the same fault under the
// same list and seed. What has no probability happens to every upload that it
// applies to.
func ParseFaults(spec string) (Faults, error) {
	var f Faults
	sum := 0.0
	for part := range strings.SplitSeq(spec, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if name, value, ok := strings.Cut(part, "="); ok {
			if err := f.set(name, value); err != nil {
				return Faults{}, err
			}
			continue
		}
		name, value, _ := strings.Cut(part, ":")
		rule, ok := ruleNamed(name)
		if !ok {
			return Faults{}, fmt.Errorf("fault %q is not known", name)
		}
		p, err := strconv.ParseFloat(value, 64)
		if err != nil || !(p >= 0 && p <= 1) {
			return Faults{}, fmt.Errorf("fault %s: %q is not a probability from 0 to 1", name, value)
		}
		for _, other := range f.rules {
			if other.kind == rule.kind && other.code == rule.code && other.late == rule.late {
				return Faults{}, fmt.Errorf("fault %s is given twice", name)
			}
		}
		rule.p = p
		f.rules = append(f.rules, rule)
		if sum += p; sum > 1+1e-9 {
			return Faults{}, fmt.Errorf("the probabilities of the faults add up to %g, which is more than 1", sum)
		}
	}
	return f, nil
}

func (f *Faults) set(name, value string) error {
	switch name {
	case "latency":
		return duration(&f.latency, name, value)
	case "spread":
		return duration(&f.spread, name, value)
	case "retry-after":
		return duration(&f.retryAfter, name, value)
	case "retry-after-date":
		return duration(&f.retryDate, name, value)
	case "storm":
		every, length, _ := strings.Cut(value, "/")
		if err := duration(&f.stormEvery, name, every); err != nil {
			return err
		}
		if err := duration(&f.stormLength, name, length); err != nil {
			return err
		}
		if f.stormLength == 0 || f.stormLength > f.stormEvery {
			return fmt.Errorf("fault storm: %q is not PERIOD/LENGTH", value)
		}
	case "silence":
		if value == "" {
			return fmt.Errorf("fault silence: no device id")
		}
		if !slices.Contains(f.silenced, value) {
			f.silenced = append(f.silenced, value)
		}
	case "forbid":
		if value == "" {
			return fmt.Errorf("fault forbid: no key")
		}
		f.forbidden = value
	case "seed":
		var err error
		if f.seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			return fmt.Errorf("fault seed: %q is not a number", value)
		}
	default:
		return fmt.Errorf("fault %q is not known", name)
	}
	return nil
}

func duration(to *time.Duration, name, value string) (err error) {
	if *to, err = time.ParseDuration(value); err != nil || *to < 0 {
		return fmt.Errorf("fault %s: %q is not a duration", name, value)
	}
	return nil
}

func ruleNamed(name string) (faultRule, bool) {
	r := faultRule{name: name}
	base, late := strings.CutSuffix(name, "-after")
	base, early := strings.CutSuffix(base, "-before")
	r.late = late
	if late && early {
		return r, false
	}
	switch base {
	case "408", "500", "502", "503", "504":
		r.kind = statusFault
		r.code, _ = strconv.Atoi(base)
		return r, true
	case "429": // says by itself that nothing was taken
		r.kind, r.code = statusFault, http.StatusTooManyRequests
		return r, !late
	case "html":
		r.kind, r.code = htmlFault, http.StatusBadGateway
		return r, true
	case "reset":
		r.kind = resetFault
		return r, late || early
	case "truncate":
		r.kind, r.late = truncateFault, true
		return r, !late && !early
	case "hang":
		r.kind, r.late = hangFault, !early
		return r, !late
	}
	return r, false
}

// String writes the faults as ParseFaults reads them.
func (f Faults) String() string {
	var parts []string
	for _, r := range f.rules {
		parts = append(parts, r.name+":"+strconv.FormatFloat(r.p, 'g', -1, 64))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"latency", f.latency}, {"spread", f.spread}, {"retry-after", f.retryAfter}, {"retry-after-date", f.retryDate}} {
		if d.value != 0 {
			parts = append(parts, d.name+"="+d.value.String())
		}
	}
	if f.stormEvery != 0 {
		parts = append(parts, "storm="+f.stormEvery.String()+"/"+f.stormLength.String())
	}
	for _, id := range f.silenced {
		parts = append(parts, "silence="+id)
	}
	if f.forbidden != "" {
		parts = append(parts, "forbid="+f.forbidden)
	}
	if f.seed != 0 {
		parts = append(parts, "seed="+strconv.FormatUint(f.seed, 10))
	}
	return strings.Join(parts, ",")
}
