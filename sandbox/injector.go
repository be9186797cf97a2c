package sandbox

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"export2batch/internal/jsonscan"
)

// injector draws a fault for each upload. It is safe for concurrent use.
type injector struct {
	mu      sync.Mutex
	faults  *Faults
	random  *rand.Rand
	spreads *rand.Rand // of its own, so that the spread changes no fault
}

func newInjector(f Faults) *injector {
	i := new(injector)
	i.set(f)
	return i
}

// set starts anew with other faults.
func (i *injector) set(f Faults) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults = &f
	i.random, i.spreads = rand.New(rand.NewPCG(f.seed, 0)), rand.New(rand.NewPCG(f.seed, 1))
}

func (i *injector) current() *Faults {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.faults
}

// drawn is what happens to one upload: rule is nil when nothing does.
type drawn struct {
	faults  *Faults
	rule    *faultRule
	latency time.Duration
}

// next makes one draw for each upload, whatever the rules, so that the fate
// of the n-th does not depend on what happened to those before it.
func (i *injector) next() drawn {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.faults
	d := drawn{faults: f, latency: f.latency}
	if f.spread > 0 {
		d.latency += time.Duration(i.spreads.Int64N(int64(f.spread) + 1))
	}
	if len(f.rules) == 0 {
		return d
	}
	at := i.random.Float64()
	for k := range f.rules {
		if r := &f.rules[k]; at < r.p {
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
	path := r.URL.Path
	switch d.rule.kind {
	case resetFault:
		s.count(path, "reset")
		reset(w)
	case truncateFault:
		s.count(path, "truncated")
		a.header(w)
		w.Write(a.body[:len(a.body)/2])
		http.NewResponseController(w).Flush() // breaking off follows in any case
		panic(http.ErrAbortHandler)
	case hangFault:
		s.count(path, "hanging")
		if !d.rule.late {
			drain(r.Body)
		}
		http.NewResponseController(w).SetWriteDeadline(time.Time{}) // where there is one
		select {
		case <-r.Context().Done():
		case <-s.left:
		}
		panic(http.ErrAbortHandler)
	default:
		if !d.rule.late {
			drain(r.Body)
		}
		s.countCode(path, d.rule.code)
		s.retryAfter(d.faults, d.rule.answer()).write(w)
	}
}

func (r *faultRule) answer() answer {
	switch {
	case r.kind == htmlFault:
		return htmlAnswer(r.code, "502 Bad Gateway")
	case r.code == http.StatusTooManyRequests:
		return jsonAnswer(r.code, newThrottled(DocumentedThrottle))
	}
	return refuse(r.code, http.StatusText(r.code))
}

// htmlAnswer is the page of a machine in between.
func htmlAnswer(code int, title string) answer {
	page := "<html>\r\n<head><title>" + title + "</title></head>\r\n" +
		"<body><center><h1>" + title + "</h1></center></body>\r\n</html>\r\n"
	return answer{code: code, contentType: "text/html", body: []byte(page)}
}

// retryAfter adds the header to the answers that may have one.
func (s *Server) retryAfter(f *Faults, a answer) answer {
	if a.code != http.StatusTooManyRequests && a.code != http.StatusServiceUnavailable {
		return a
	}
	switch {
	case f.retryAfter > 0:
		a.retryAfter = strconv.FormatInt(int64((f.retryAfter+time.Second-1)/time.Second), 10)
	case f.retryDate > 0:
		a.retryAfter = s.opts.Now().Add(f.retryDate + time.Second - 1).UTC().Format(http.TimeFormat)
	}
	return a
}

// storming tells whether everybody is throttled at this moment of the wall's
// clock.
func (f *Faults) storming(now time.Time) bool {
	return f.stormEvery > 0 && time.Duration(now.UnixNano())%f.stormEvery < f.stormLength
}

// forbids tells whether an event has the forbidden property.
func (f *Faults) forbids(in *intake) bool {
	if f.forbidden == "" {
		return false
	}
	for i := range in.events {
		e := &in.events[i]
		if hasKey(e.eventProperties, f.forbidden) || hasKey(e.userProperties, f.forbidden) {
			return true
		}
	}
	return false
}

func hasKey(object []byte, key string) bool {
	if object == nil {
		return false
	}
	fields, err := jsonscan.Fields(nil, object)
	if err != nil {
		return false
	}
	for i := range fields {
		if string(jsonscan.AppendUnescaped(nil, fields[i].Key(object))) == key {
			return true
		}
	}
	return false
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
