package sandbox

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// do sends a request of any kind to the sandbox as localhost.
func do(s http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestFaultsAtRunTime changes the faults of a running sandbox, and a wrong
// list changes nothing.
func TestFaultsAtRunTime(t *testing.T) {
	s := newServer(t, Options{Faults: faults(t, "500:1")})
	code := func() int { c, _ := post(s, "/batch", batch(good)); return c }
	if got := do(s, "GET", "/debug/faults", "").Body.String(); got != "500:1\n" || code() != 500 {
		t.Errorf("at the start %q", got)
	}
	if w := do(s, "PUT", "/debug/faults", "503:1,retry-after=1500ms\n"); w.Code != 200 || w.Body.String() != "503:1,retry-after=1.5s\n" || code() != 503 {
		t.Errorf("put: %d %s", w.Code, w.Body)
	}
	if w := do(s, "PUT", "/debug/faults", "504:2"); w.Code != 400 || code() != 503 {
		t.Errorf("a wrong list: %d %s", w.Code, w.Body)
	}
	if w := do(s, "PUT", "/debug/faults", strings.Repeat(" ", maxSpec+1)); w.Code != 413 {
		t.Errorf("a long list: %d", w.Code)
	}
	if w := do(s, "PUT", "/debug/faults", ""); w.Code != 200 || code() != 200 {
		t.Errorf("none: %d", w.Code)
	}
	if w := do(s, "DELETE", "/debug/faults", ""); w.Code != 405 {
		t.Errorf("delete: %d", w.Code)
	}
}

func TestRetryAfter(t *testing.T) {
	for spec, want := range map[string]string{
		"429:1,retry-after=1500ms":    "2",
		"503:1,retry-after=3s":        "3",
		"503:1,retry-after-date=10s":  "Tue, 14 Nov 2023 22:13:30 GMT",
		"500:1,retry-after=3s":        "",
		"429:1":                       "",
		"storm=1h/1h,retry-after=30s": "30",
	} {
		s := newServer(t, Options{Faults: faults(t, spec)})
		w := do(s, "POST", "/batch", batch(good), "Content-Type", "application/json")
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("%s: %d with Retry-After %q, want %q", spec, w.Code, got, want)
		}
	}
}

// TestStorm throttles everybody at times: the ids are named, and afterwards
// the same request is taken.
func TestStorm(t *testing.T) {
	c := newClock()
	s := newServer(t, Options{Now: c.now, Faults: faults(t, "storm=30s/5s")})
	body := batch(`{"user_id":"user-1","device_id":"device-1","event_type":"open"}`, `{"user_id":"user-2","event_type":"open"}`)
	c.move(10 * time.Second) // 1 700 000 010 is a multiple of 30
	want(t, s, "/batch", body, 429, `{"code":429,"error":"Too many requests for some devices and users","eps_threshold":1000,"throttled_devices":{"device-1":1},`+
		`"throttled_users":{"user-1":1,"user-2":1},"exceeded_daily_quota_devices":{},"exceeded_daily_quota_users":{},"throttled_events":[0,1]}`)
	c.move(5 * time.Second)
	if n := taken(t, s, body); n != 2 {
		t.Errorf("after the storm: %d", n)
	}
	c.move(25 * time.Second)
	if code, _ := post(s, "/batch", body); code != 429 {
		t.Errorf("in the next storm: %d", code)
	}
}

func TestSilenced(t *testing.T) {
	s := newServer(t, Options{Faults: faults(t, "silence=device-2,silence=device-3,silence=device-2"), Throttle: 0.1})
	event := func(device string) string { return `{"device_id":"` + device + `","event_type":"open"}` }
	taken(t, s, batch(event("device-1"), event("device-1"), event("device-1")))
	want(t, s, "/batch", batch(event("device-1"), event("device-2"), event("device-4"), event("device-2")), 400,
		`{"code":400,"error":"Events silenced for device_id","eps_threshold":0.1,"exceeded_daily_quota_devices":{},`+
			`"silenced_devices":["device-2"],"silenced_events":[1,3],"throttled_devices":{"device-1":1},"throttled_events":[0]}`)
	if n := taken(t, s, batch(event("device-4"))); n != 1 {
		t.Errorf("another device: %d", n)
	}
	if s.Summary().Accepted != 4 {
		t.Errorf("accepted %d", s.Summary().Accepted)
	}
}

func TestForbidden(t *testing.T) {
	s := newServer(t, Options{Faults: faults(t, "forbid=evil")})
	for body, code := range map[string]int{
		batch(good, `{"user_id":"user-1","event_type":"open","event_properties":{"evil":1}}`):        403,
		batch(good, `{"user_id":"user-1","event_type":"open","user_properties":{"\u0065vil":1}}`):    403,
		batch(good, `{"user_id":"user-1","event_type":"open","event_properties":{"x":{"evil":1}}}`):  200,
		batch(good, `{"user_id":"user-1","event_type":"evil","event_properties":{"good":"\"evil"}}`): 200,
		batch(good): 200,
	} {
		w := do(s, "POST", "/batch", body, "Content-Type", "application/json")
		if w.Code != code || code == 403 && !strings.HasPrefix(w.Body.String(), "<html>") {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

// TestHang holds a request until its client leaves, with everything taken or
// nothing, and lets go when the sandbox ends.
func TestHang(t *testing.T) {
	for spec, accepted := range map[string]int64{"hang:1": 1, "hang-before:1": 0} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, Options{Faults: faults(t, spec), Now: time.Now})
			held := make(chan any, 1)
			go func() {
				defer func() { held <- recover() }()
				post(s, "/batch", batch(good))
			}()
			synctest.Wait()
			select {
			case <-held:
				t.Error("answered")
			default:
			}
			s.leave()
			if got := <-held; got != http.ErrAbortHandler {
				t.Errorf("%v", got)
			}
			if sum := s.Summary(); sum.Accepted != accepted || sum.ByAnswer["hanging"] != 1 {
				t.Errorf("%s: %+v", spec, sum)
			}
		})
	}
}

// TestSpread varies the latency, from one seed in one way, within its bounds.
func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(seed string) (all []time.Duration) {
			s := newServer(t, Options{Faults: faults(t, "latency=1s,spread=2s,seed="+seed), Now: time.Now})
			for range 50 {
				start := time.Now()
				post(s, "/batch", batch(good))
				all = append(all, time.Since(start))
			}
			return all
		}
		one, again, other := run("1"), run("1"), run("2")
		low, high, same := one[0], one[0], 0
		for i := range one {
			low, high = min(low, one[i]), max(high, one[i])
			if one[i] != again[i] {
				t.Fatalf("one seed, two latencies: %v and %v", one[i], again[i])
			}
			if one[i] == other[i] {
				same++
			}
		}
		if low < time.Second || high > 3*time.Second || high-low < time.Second || same == len(one) {
			t.Errorf("from %v to %v, %d of %d as with another seed", low, high, same, len(one))
		}
	})
}

// TestHTTPThrottle holds /2/httpapi to its own limit, and what it takes does
// not count for /batch.
func TestHTTPThrottle(t *testing.T) {
	s := newServer(t, Options{Throttle: DocumentedThrottle, HTTPThrottle: DocumentedHTTPThrottle})
	if code, text := post(s, "/2/httpapi", batch(simple(900, "user-1")...)); code != 200 {
		t.Fatalf("900 events: %d %s", code, text)
	}
	if code, text := post(s, "/2/httpapi", batch(simple(1, "user-1")...)); code != 429 || !strings.Contains(text, `"eps_threshold":30,`) ||
		!strings.Contains(text, `"throttled_users":{"user-1":31}`) {
		t.Errorf("901 events: %d %s", code, text)
	}
	if n := taken(t, s, batch(simple(2000, "user-1")...)); n != 1100 {
		t.Errorf("to /batch: %d", n)
	}
}

// TestTimeScale lets a day's quota come back within a minute.
func TestTimeScale(t *testing.T) {
	c := newClock()
	s := newServer(t, Options{Now: c.now, TimeScale: 1440, DailyQuota: 10})
	taken(t, s, batch(simple(10, "user-1")...))
	body := batch(`{"user_id":"user-1","event_type":"open"}`)
	if code, _ := post(s, "/batch", body); code != 429 {
		t.Errorf("at once: %d", code)
	}
	c.move(50 * time.Second)
	if code, _ := post(s, "/batch", body); code != 429 {
		t.Errorf("after 20 hours: %d", code)
	}
	c.move(11 * time.Second)
	if n := taken(t, s, body); n != 1 {
		t.Errorf("after a day: %d", n)
	}
}

// TestOnlyLocal refuses to show data to a name that is not this machine's,
// while anybody may send, as to Amplitude.
func TestOnlyLocal(t *testing.T) {
	s, open := newServer(t, Options{Events: true}), newServer(t, Options{Events: true, AnyHost: true})
	for _, path := range []string{"/", "/page/script.js", "/debug/ledger", "/debug/stats", "/debug/people?q=x", "/debug/events?amplitude_id=1",
		"/debug/faults", "/metrics", "/api/2/export?start=20230101T00&end=20230101T00"} {
		for host, allowed := range map[string]bool{"localhost:8437": true, "127.0.0.1:1": true, "[::1]:1": true, "evil.example": false, "127.0.0.1.example:80": false} {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if (w.Code != 403) != allowed {
				t.Errorf("%s of %s: %d", path, host, w.Code)
			}
			w = httptest.NewRecorder()
			open.ServeHTTP(w, r)
			if w.Code == 403 {
				t.Errorf("%s of %s with any host: %d", path, host, w.Code)
			}
		}
	}
	w := do(s, "OPTIONS", "/2/httpapi", "", "Access-Control-Request-Method", "POST", "Origin", "http://page.example")
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Content-Type") {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
	if w := do(s, "GET", "/debug/stats", ""); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("other pages may read")
	}
}
