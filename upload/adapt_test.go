package upload

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimitsOfAnAnswer(t *testing.T) {
	body := `{"eps_threshold":12.5,"throttled_devices":{"d\u00e9":20,"x":"y"},"throttled_users":{"u":13},` +
		`"exceeded_daily_quota_devices":{"q":500001},"exceeded_daily_quota_users":[]}`
	a := classify(response{status: 429, body: []byte(body)}, 1, time.Now(), secrets(testKey))
	want := limits{
		threshold: 12.5,
		fast:      []limitedID{{deviceID, "dé", 20}, {deviceID, "x", 0}, {userID, "u", 13}},
		quota:     []limitedID{{deviceID, "q", 500001}},
	}
	if !reflect.DeepEqual(a.limits, want) {
		t.Errorf("%+v, want %+v", a.limits, want)
	}
}

// eps refuses ids that send more than so many events a second, averaged over
// 30 s, as Amplitude documents.
type eps struct {
	most float64
	sent map[string][]time.Time
	said int // how often it refused
}

func (e *eps) script(f *fake) func(*received) reply {
	return func(r *received) reply {
		f.mu.Lock()
		defer f.mu.Unlock()
		add := map[string]int{}
		for _, event := range r.events {
			add[whoIs(event).Device]++
		}
		fast := ""
		for id, n := range add {
			e.sent[id] = slices.DeleteFunc(e.sent[id], func(at time.Time) bool { return time.Since(at) >= 30*time.Second })
			if had := len(e.sent[id]); had > 0 && float64(had+n) > 30*e.most {
				fast = fmt.Sprintf(`%q:%d`, id, (had+n)/30)
			}
		}
		if fast != "" {
			e.said++
			return reply{status: 429, body: fmt.Sprintf(`{"code":429,"eps_threshold":%g,"throttled_devices":{%s}}`, e.most, fast)}
		}
		for id, n := range add {
			e.sent[id] = append(e.sent[id], slices.Repeat([]time.Time{time.Now()}, n)...)
		}
		return reply{}
	}
}

// A device that is throttled goes on at the destination's threshold, without
// being refused again and again, in all partitions it occurs in; others do not
// wait for it.
func TestThrottledIDIsSlowedToTheThreshold(t *testing.T) {
	var parts [][]string
	for p := range 2 {
		var list []string
		for i := range 1000 {
			list = append(list, of(p, i, "", "busy"))
		}
		parts = append(parts, list)
	}
	var quiet []string
	for i := range 50 {
		quiet = append(quiet, of(2, i, "", fmt.Sprintf("quiet-%d", i)))
	}
	parts = append(parts, quiet)
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		limit := &eps{most: 10, sent: map[string][]time.Time{}}
		f.script = limit.script(f)
		o := options(partitionFolder(t, parts), f)
		o.EventsPerRequest, o.Parallel = 200, 2
		start := time.Now()
		mustRun(t, o)
		took := time.Since(start).Seconds()
		checkOrder(t, f, parts)
		if took < 2000/10-60 || took > 2000/10*1.35 {
			t.Errorf("2000 events at 10 a second took %.0f s", took)
		}
		if limit.said > 8 {
			t.Errorf("refused %d times", limit.said)
		}
		for _, r := range f.requests {
			if r.partition == "2" && r.at.Sub(start) > time.Minute {
				t.Errorf("partition 2 waited %v", r.at.Sub(start))
			}
		}
	})
}

func TestSlowedIDsRecoverAndAreForgotten(t *testing.T) {
	p := newIDPacer(300)
	at := p.epoch
	p.throttle(1, 10, at, time.Second)
	p.throttle(1, 10, at, time.Second) // in flight together
	if got := p.rate(1, 0); got != 9 {
		t.Errorf("rate %v", got)
	}
	p.throttle(1, 10, at.Add(20*time.Second), time.Second)
	if got := p.rate(1, 20*time.Second); got > 6.31 || got < 6.29 || p.most(1) != 6 {
		t.Errorf("rate %v", got)
	}
	for i := 1; i < 5; i++ {
		p.slot(at.Add(time.Duration(i)*2*time.Minute), []event{{device: 1}})
	}
	if got := p.rate(1, 0); got != 9 {
		t.Errorf("after minutes %v", got)
	}
	for i := range 100 { // a storm: not its own doing
		p.throttle(1, 10, at.Add(10*time.Minute+time.Duration(i)*20*time.Second), time.Second)
	}
	if got := p.rate(1, 0); got < 1.79 || got > 1.81 {
		t.Errorf("after a storm %v", got)
	}
	p.removeBefore(2 * time.Hour)
	if p.throttled() != 0 {
		t.Error("it is remembered after hours")
	}
	p.throttle(2, 0, at, time.Second)
	if got := p.rate(2, 0); got != 270 {
		t.Errorf("without a threshold %v", got)
	}
}

// A request that waits for a throttle does not keep other partitions from
// being sent.
func TestThrottledRequestsLeaveTheirPlace(t *testing.T) {
	for _, body := range []string{``, `{"eps_threshold":1,"throttled_devices":{"device-0":9}}`} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			f := newFake(t, func(r *received) reply {
				if r.partition == "0" && n == 0 {
					n++
					return reply{status: 429, body: body}
				}
				return reply{}
			})
			parts := lines(10, 20)
			o := options(partitionFolder(t, parts), f)
			o.Parallel = 1
			start := time.Now()
			mustRun(t, o)
			f.checkTaken(parts, nil)
			for _, r := range f.requests {
				if r.partition == "1" && r.at.Sub(start) > time.Second {
					t.Errorf("partition 1 waited %v", r.at.Sub(start))
				}
			}
		})
	}
}

// The requests in flight settle at what the destination takes.
func TestConcurrencyFindsWhatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes, parallel = 6, 24
		inFlight, refused, total := 0, 0, 0
		var sum float64
		var f *fake
		f = newFake(t, func(r *received) reply {
			f.mu.Lock()
			inFlight++
			over := inFlight > takes
			if total++; over {
				refused++
			}
			sum += float64(inFlight)
			f.mu.Unlock()
			time.Sleep(100 * time.Millisecond) // virtual
			f.mu.Lock()
			inFlight--
			f.mu.Unlock()
			if over {
				return reply{status: 503}
			}
			return reply{}
		})
		o := options(partitionFolder(t, lines(slices.Repeat([]int{80}, parallel)...)), f)
		o.Parallel, o.EventsPerRequest = parallel, 1
		o.Retry.Base = 100 * time.Millisecond
		start := time.Now()
		mustRun(t, o)
		took := time.Since(start).Seconds()
		best := 80 * parallel / (takes / 0.1)
		if took > 1.7*best {
			t.Errorf("took %.0f s, at best %.0f", took, best)
		}
		if mean := sum / float64(total); mean < 3 || mean > 7.5 {
			t.Errorf("%.1f requests in flight on average", mean)
		}
		if part := float64(refused) / float64(total); part > 0.15 {
			t.Errorf("%.0f %% of the requests were too many", 100*part)
		}
	})
}

func TestGate(t *testing.T) {
	g := newGate(10)
	now := time.Now()
	for range 10 {
		g.answered(now, now, true, 1)
	}
	if _, limit := g.size(); limit != 10 {
		t.Errorf("opened to %d", limit)
	}
	g.answered(now, now.Add(time.Second), true, gateBusy)
	g.answered(now, now.Add(time.Second), true, gateBusy) // was in flight with it
	if g.limit != 7 {
		t.Errorf("closed to %v", g.limit)
	}
	g.answered(now.Add(2*time.Second), now.Add(2*time.Second), true, 1)
	if g.limit < 7.1 || g.limit > 7.2 {
		t.Errorf("opened to %v", g.limit)
	}
	g.answered(now.Add(2*time.Second), now.Add(2*time.Second), false, 1)
	if g.limit > 7.2 {
		t.Error("opened although it was not full")
	}
	for i := range 100 {
		at := now.Add(time.Duration(i+3) * time.Second)
		g.answered(at, at, true, gateBusy)
	}
	if _, limit := g.size(); limit != 1 {
		t.Errorf("closed to %d", limit)
	}
}

// A 413 makes all later bodies smaller, and they find the size that is taken.
func TestTooLargeLowersLaterRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 30_000
		var refused atomic.Int64
		f := newFake(t, func(r *received) reply {
			if len(r.raw) > takes {
				refused.Add(1)
				return reply{status: 413, body: `{"code":413}`}
			}
			return reply{}
		})
		var parts [][]string
		for p := range 3 {
			var list []string
			for i := range 1200 {
				list = append(list, strings.Replace(of(p, i, "u", ""), "}", `,"text":"`+strings.Repeat("x", 150)+`"}`, 1))
			}
			parts = append(parts, list)
		}
		o := options(partitionFolder(t, parts), f)
		o.EventsPerRequest = 2000
		mustRun(t, o)
		checkOrder(t, f, parts)
		if n := refused.Load(); n > 16 {
			t.Errorf("%d requests were too large", n)
		}
		// What is left of a chunk makes a short body now and then.
		largest := 0
		for _, r := range f.requests[len(f.requests)/2:] {
			largest = max(largest, len(r.raw))
		}
		if largest < takes*8/10 {
			t.Errorf("late bodies have at most %d bytes", largest)
		}
	})
}

func TestLimitEvents(t *testing.T) {
	parts := lines(25, 3, 40)
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(r *received) reply {
			if r.number%3 == 0 {
				return reply{status: 503, header: http.Header{"Retry-After": {"1"}}}
			}
			return reply{}
		})
		o := options(partitionFolder(t, parts), f)
		o.LimitEvents = 17
		for sent := int64(17); sent < 68; sent += 17 {
			sum, err := Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), "was to send 17") || sum.Accepted != sent {
				t.Fatalf("%v %+v", err, sum)
			}
		}
		mustRun(t, o)
		f.checkTaken(parts, nil)
	})
}

func TestSpansWithout(t *testing.T) {
	for _, test := range []struct{ a, b, want spans }{
		{spans{{0, 5}, {7, 9}}, nil, spans{{0, 5}, {7, 9}}},
		{spans{{0, 5}, {7, 9}}, spans{{0, 9}}, nil},
		{spans{{0, 10}}, spans{{2, 3}, {5, 7}}, spans{{0, 2}, {3, 5}, {7, 10}}},
		{spans{{3, 6}}, spans{{0, 4}, {5, 9}}, spans{{4, 5}}},
	} {
		if got := test.a.without(test.b); !slices.Equal(got, test.want) {
			t.Errorf("%v without %v: %v", test.a, test.b, got)
		}
	}
}
