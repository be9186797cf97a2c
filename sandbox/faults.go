package sandbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Faults say what goes wrong between the sandbox and its clients, how often.
// The zero value is nothing. ParseFaults makes them.
type Faults struct {
	seed    uint64
	latency time.Duration
	rules   []faultRule
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
//	latency=5ms       every answer comes that much later
//	seed=1            of the random source; 0 by default
//
// The probabilities exclude each other, so their sum is at most 1. "-before"
// may be written out. The n-th upload always meets the same fault under the
// same list and seed.
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
	var err error
	switch name {
	case "latency":
		if f.latency, err = time.ParseDuration(value); err != nil || f.latency < 0 {
			return fmt.Errorf("fault latency: %q is not a duration", value)
		}
	case "seed":
		if f.seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			return fmt.Errorf("fault seed: %q is not a number", value)
		}
	default:
		return fmt.Errorf("fault %q is not known", name)
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
	}
	return r, false
}

// String writes the faults as ParseFaults reads them.
func (f Faults) String() string {
	var parts []string
	for _, r := range f.rules {
		parts = append(parts, r.name+":"+strconv.FormatFloat(r.p, 'g', -1, 64))
	}
	if f.latency != 0 {
		parts = append(parts, "latency="+f.latency.String())
	}
	if f.seed != 0 {
		parts = append(parts, "seed="+strconv.FormatUint(f.seed, 10))
	}
	return strings.Join(parts, ",")
}

// injector draws a fault for each upload. It is safe for concurrent use.
type injector struct {
	mu     sync.Mutex
	faults Faults
	random *rand.Rand
}

func newInjector(f Faults) *injector {
	return &injector{faults: f, random: rand.New(rand.NewPCG(f.seed, 0))}
}

// drawn is what happens to one upload: rule is nil when nothing does.
type drawn struct {
	rule    *faultRule
	latency time.Duration
}

// next makes one draw for each upload, whatever the rules, so that the fate
// of the n-th does not depend on what happened to those before it.
func (i *injector) next() drawn {
	i.mu.Lock()
	defer i.mu.Unlock()
	d := drawn{latency: i.faults.latency}
	if len(i.faults.rules) == 0 {
		return d
	}
	at := i.random.Float64()
	for k := range i.faults.rules {
		if r := &i.faults.rules[k]; at < r.p {
			d.rule = r
			return d
		} else {
			at -= r.p
		}
	}
	return d
}

func (d drawn) before() bool { return d.rule != nil && !d.rule.late }
func (d drawn) after() bool  { return d.rule != nil && d.rule.late }

// delay waits for the latency, or until the client is gone.
func (d drawn) delay(ctx context.Context) {
	if d.latency == 0 {
		return
	}
	timer := time.NewTimer(d.latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// failWith does to the client what was drawn; a is the true answer.
func (s *Server) failWith(d drawn, a answer, w http.ResponseWriter, r *http.Request) {
	switch d.rule.kind {
	case resetFault:
		s.count("reset")
		reset(w)
	case truncateFault:
		s.count("truncated")
		a.header(w)
		w.Write(a.body[:len(a.body)/2])
		http.NewResponseController(w).Flush() // breaking off follows in any case
		panic(http.ErrAbortHandler)
	default:
		if !d.rule.late {
			drain(r.Body)
		}
		s.countCode(d.rule.code)
		d.rule.answer().write(w)
	}
}

func (r *faultRule) answer() answer {
	switch {
	case r.kind == htmlFault:
		page := "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n" +
			"<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n"
		return answer{code: r.code, contentType: "text/html", body: []byte(page)}
	case r.code == http.StatusTooManyRequests:
		return jsonAnswer(r.code, newThrottled(DocumentedThrottle))
	}
	return refuse(r.code, http.StatusText(r.code))
}

// reset ends the connection without an answer: by a TCP reset where there is
// a TCP connection, otherwise as net/http does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) // if it fails the connection is closed all the same
	}
	conn.Close()
}
