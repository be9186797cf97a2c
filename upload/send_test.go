package upload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSendsEverythingOnceInOrder(t *testing.T) {
	parts := lines(25, 0, 10, 1)
	for _, zip := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, nil)
			o := options(partitionFolder(t, parts), f)
			o.Gzip, o.MinIDLength = zip, 3
			sum := mustRun(t, o)
			want := Summary{Read: 36, Accepted: 36, Requests: 5, RejectedBy: map[string]int64{}}
			if !reflect.DeepEqual(sum, want) {
				t.Errorf("summary %+v, want %+v", sum, want)
			}
			f.checkTaken(parts, nil)
			if got, want := string(f.requests[0].raw[:40]), `{"api_key":"`+testKey+`","eve`; !strings.HasPrefix(got, want[:30]) {
				t.Errorf("body starts %s", got)
			}
			for _, r := range f.requests {
				if !strings.HasSuffix(string(r.raw), `],"options":{"min_id_length":3}}`) || r.request.URL.String() != "https://api2.amplitude.com/batch" {
					t.Errorf("request to %s: %s", r.request.URL, r.raw)
				}
			}

			n := f.count()
			if again := mustRun(t, o); !reflect.DeepEqual(again, sum) || f.count() != n {
				t.Errorf("second run: %+v and %d more requests", again, f.count()-n)
			}
			if _, err := os.Stat(filepath.Join(o.Dir+".upload", "summary.json")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBatchesKeepToTheBytesOfABody(t *testing.T) {
	parts := lines(50)
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		o := options(partitionFolder(t, parts), f)
		o.EventsPerRequest, o.MaxBytes = 2000, 1000
		mustRun(t, o)
		f.checkTaken(parts, nil)
		for _, r := range f.requests {
			if len(r.raw) > 1000 || len(r.raw) < 900 && r.number < f.count() {
				t.Errorf("a body of %d bytes", len(r.raw))
			}
		}
		f = newFake(t, nil)
		o = options(partitionFolder(t, parts), f)
		o.MaxBytes = 10 // less than any event: each goes alone, for the server to judge
		if sum := mustRun(t, o); sum.Requests != 50 {
			t.Errorf("%+v", sum)
		}
	})
}

// What each answer does to the upload. Every script answers in its way to
// requests with event 0/3, or to the first ones, and accepts the others.
func TestAnswers(t *testing.T) {
	parts := lines(8, 8)
	const victim = `"0/3"`
	html := reply{status: 403, body: "<html>blocked</html>"}
	first := func(n int, re reply) func(*received) reply {
		return func(r *received) reply {
			if r.has(victim) && n > 0 {
				n--
				return re
			}
			return reply{}
		}
	}
	name := func(format string) func(*received) reply {
		return func(r *received) reply {
			if i := r.index(victim); i >= 0 {
				return reply{status: 400, body: fmt.Sprintf(format, i)}
			}
			return reply{}
		}
	}
	always := func(re reply) func(*received) reply { return first(1<<30, re) }
	one := func(rule string) map[string]string { return map[string]string{"0/3": rule} }
	tests := []struct {
		name       string
		script     func(*received) reply
		rejected   map[string]string
		duplicates int64
		retries    int64
		least      time.Duration // that it takes
		most       time.Duration
	}{
		{"invalid fields", name(`{"code":400,"error":"e","events_with_invalid_fields":{"time":[%d]}}`), one("invalid-fields"), 0, 0, 0, 0},
		{"missing fields", name(`{"code":400,"error":"e","events_with_missing_fields":{"time":[%d]}}`), one("missing-fields"), 0, 0, 0, 0},
		{"id lengths", name(`{"code":400,"events_with_invalid_id_lengths":{"user_id":[%d]}}`), one("invalid-id-lengths"), 0, 0, 0, 0},
		{"silenced", name(`{"code":400,"silenced_devices":["x"],"silenced_events":[%d]}`), one("silenced"), 0, 0, 0, 0},
		{"silenced and throttled", name(`{"silenced_events":[%d],"throttled_events":[0]}`), one("silenced"), 0, 0, 15 * time.Second, 20 * time.Second},
		{"400 without index", always(reply{status: 400, body: `{"code":400,"error":"x"}`}), one("refused"), 0, 0, 0, 0},
		{"index out of range", always(reply{status: 400, body: `{"events_with_invalid_fields":{"time":[500]}}`}), one("refused"), 0, 0, 0, 0},
		{"400 html", always(reply{status: 400, body: "<html>"}), one("refused"), 0, 0, 0, 0},
		{"403 html", always(html), one("refused"), 0, 0, 0, 0},
		{"403 once", first(1, html), nil, 0, 0, 0, 0},
		{"413", always(reply{status: 413, body: `{"code":413,"error":"Payload too large"}`}), one("too-large"), 0, 0, 0, 0},
		{"429", first(2, reply{status: 429, body: `{"eps_threshold":1,"throttled_devices":{"x":2}}`}), nil, 0, 2, 37 * time.Second, 46 * time.Second},
		{"429 Retry-After", first(2, reply{status: 429, header: http.Header{"Retry-After": {"7"}}}), nil, 0, 2, 14 * time.Second, 14 * time.Second},
		{"quota", first(2, reply{status: 429, body: `{"exceeded_daily_quota_users":{"u":1}}`}), nil, 0, 2, 2 * time.Hour, 145 * time.Minute},
		{"408", first(2, reply{status: 408}), nil, 0, 2, 750 * time.Millisecond, 1500 * time.Millisecond},
		{"500", first(3, reply{status: 500}), nil, 0, 3, 1750 * time.Millisecond, 3500 * time.Millisecond},
		{"500 after", first(1, reply{status: 500, take: true}), nil, 8, 1, 0, time.Second},
		{"502 html", first(1, reply{status: 502, body: "<html>"}), nil, 0, 1, 0, time.Second},
		{"503", first(1, reply{status: 503, header: http.Header{"Retry-After": {"3"}}}), nil, 0, 1, 3 * time.Second, 3 * time.Second},
		{"504 for long", first(20, reply{status: 504}), nil, 0, 20, 6 * time.Minute, 15 * time.Minute},
		{"reset after", first(1, reply{err: errors.New("connection reset by peer"), take: true}), nil, 8, 1, 0, time.Second},
		{"timeout", first(1, reply{hang: true, take: true}), nil, 8, 1, 90 * time.Second, 91 * time.Second},
		{"garbage", first(4, reply{status: 200, body: "<html>", take: true}), nil, 8, 4, 0, time.Minute},
		{"half an answer", first(1, reply{status: 200, body: `{"code":2`, take: true}), nil, 8, 1, 0, time.Second},
		{"unknown", first(2, reply{status: 418}), nil, 0, 2, 0, time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, test.script)
				o := options(partitionFolder(t, parts), f)
				start := time.Now()
				sum := mustRun(t, o)
				took := time.Since(start)
				if took < test.least || took > test.most {
					t.Errorf("took %v, want %v to %v", took, test.least, test.most)
				}
				aside := rejectedIDs(t, o)
				if len(aside) != len(test.rejected) || aside["0/3"] != test.rejected["0/3"] {
					t.Errorf("set aside %v, want %v", aside, test.rejected)
				}
				f.checkTaken(parts, map[string]bool{"0/3": len(aside) > 0})
				if sum.Pending != 0 || sum.Rejected != int64(len(aside)) || sum.Duplicates != test.duplicates || sum.Retries != test.retries || sum.Requests != int64(f.count()) {
					t.Errorf("summary %+v after %d requests", sum, f.count())
				}
				for rule, n := range sum.RejectedBy {
					if n != 1 || aside["0/3"] != rule {
						t.Errorf("rejected by %v", sum.RejectedBy)
					}
				}
				n := f.count()
				if again := mustRun(t, o); !reflect.DeepEqual(again, sum) || f.count() != n {
					t.Errorf("second run %+v, first %+v", again, sum)
				}
			})
		})
	}
}

func TestSilencedDeviceWithoutIndexes(t *testing.T) {
	parts := lines(6)
	parts[0][1] = `{"device_id":"d\u0065af","insert_id":"0/1"}`
	parts[0][4] = `{"device_id":"deaf","insert_id":"0/4"}`
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(r *received) reply {
			if r.has(`"0/4"`) {
				return reply{status: 400, body: `{"silenced_devices":["deaf","other"]}`}
			}
			return reply{}
		})
		o := options(partitionFolder(t, parts), f)
		mustRun(t, o)
		if got := rejectedIDs(t, o); !reflect.DeepEqual(got, map[string]string{"0/1": "silenced", "0/4": "silenced"}) {
			t.Errorf("set aside %v", got)
		}
		f.checkTaken(parts, map[string]bool{"0/1": true, "0/4": true})
	})
}

// A line that is no JSON object would damage the request around it, or shift
// the indexes in its answer.
func TestBrokenLinesAreSetAsideUnsent(t *testing.T) {
	parts := lines(12)
	parts[0][0] = `{"insert_id":"a"},{"insert_id":"b"}`
	parts[0][5] = `]}`
	parts[0][6] = ``
	parts[0][11] = "{\"x\":\"\xff\"}"
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		o := options(partitionFolder(t, parts), f)
		sum := mustRun(t, o)
		if sum.RejectedBy["invalid-json"] != 4 || sum.Accepted != 8 {
			t.Errorf("%+v", sum)
		}
		if len(f.taken) != 8 {
			t.Errorf("taken %v", f.taken)
		}
		if again := mustRun(t, o); again.Rejected != 4 {
			t.Errorf("%+v", again)
		}
	})
}

func TestFatalAnswers(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, test := range []struct {
		name       string
		re         reply
		want       string
		incomplete bool
		requests   int // at most, with one partition at a time
	}{
		{"bad key", reply{status: 400, body: `{"code":400,"error":"Invalid API key"}`}, "is the project in the EU region? Then the destination is https://api.eu.amplitude.com", false, 1},
		{"no key", reply{status: 400, body: `{"missing_field":"api_key"}`}, "does not know the API key", false, 1},
		{"401", reply{status: 401}, "HTTP 401", false, 1},
		{"404", reply{status: 404, body: "404 page not found"}, "HTTP 404", false, 1},
		{"405", reply{status: 405}, "HTTP 405", false, 1},
		{"redirect", reply{status: 307, header: http.Header{"Location": {"https://evil.example/batch"}}}, "redirects", false, 1},
		{"unreachable", reply{err: dial}, "cannot be reached: no answer: dial tcp: connection refused", true, 1},
		{"no Batch API", reply{status: 200, body: "<html>"}, "is not known", true, maxDoubtful + 1},
		{"422", reply{status: 422}, "HTTP 422", true, maxDoubtful + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parts := lines(30, 30)
				f := newFake(t, func(*received) reply { return test.re })
				o := options(partitionFolder(t, parts), f)
				o.Parallel = 1
				sum, err := Run(t.Context(), o)
				if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ErrIncomplete) != test.incomplete {
					t.Fatalf("error %v, want %q", err, test.want)
				}
				if f.count() > test.requests || sum.Pending != 60 || sum.Rejected != 0 {
					t.Errorf("%d requests, %+v", f.count(), sum)
				}
				f.script = nil
				mustRun(t, o) // set right, it goes on
				f.checkTaken(parts, nil)
			})
		})
	}
}

func TestLosingTheNetworkLaterIsNoError(t *testing.T) {
	parts := lines(40)
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(r *received) reply {
			if r.number > 1 && r.number < 8 {
				return reply{err: &net.DNSError{Err: "no such host", Name: "x"}}
			}
			return reply{}
		})
		mustRun(t, options(partitionFolder(t, parts), f))
		f.checkTaken(parts, nil)
	})
}

func TestAttemptsCanBeBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*received) reply { return reply{status: 500} })
		o := options(partitionFolder(t, lines(5)), f)
		o.Retry.Attempts = 3
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrIncomplete) || f.count() != 3 {
			t.Errorf("%v after %d requests", err, f.count())
		}
	})
}

// A destination that refuses whatever it is sent must not empty the
// partitions into rejected/.
func TestRefusingEverythingStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*received) reply { return reply{status: 403} })
		o := options(partitionFolder(t, lines(1000)), f)
		sum, err := Run(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "refuses every event") || sum.Rejected != maxIsolated {
			t.Errorf("%v, %+v", err, sum)
		}
	})
}

func TestThrottledPartitionHoldsUpNoOther(t *testing.T) {
	parts := lines(30, 30, 30)
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f := newFake(t, func(r *received) reply {
			if r.partition == "1" && n < 1 {
				n++
				return reply{status: 429}
			}
			return reply{}
		})
		start := time.Now()
		mustRun(t, options(partitionFolder(t, parts), f))
		f.checkTaken(parts, nil)
		for _, r := range f.requests {
			if r.partition != "1" && r.at.Sub(start) > time.Second {
				t.Errorf("partition %s waited for partition 1", r.partition)
			}
		}
	})
}

// Everything at once, at random.
func TestChaos(t *testing.T) {
	parts := lines(120, 7, 64, 33, 90)
	replies := []reply{
		{status: 400, body: `{"code":400,"error":"x"}`}, {status: 403, body: "<html>"}, {status: 413},
		{status: 408, take: true}, {status: 429}, {status: 429, header: http.Header{"Retry-After": {"1"}}},
		{status: 500}, {status: 500, take: true}, {status: 503}, {status: 504, take: true}, {status: 502},
		{err: errors.New("reset")}, {err: errors.New("reset"), take: true}, {hang: true}, {hang: true, take: true},
		{status: 200, body: "<html>", take: true}, {delay: time.Second}, {delay: time.Second},
		{status: 400, body: `{"events_with_invalid_fields":{"x":[99]}}`},
	}
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			var f *fake
			random := rand.New(rand.NewPCG(seed, 0))
			f = newFake(t, func(r *received) reply {
				f.mu.Lock()
				defer f.mu.Unlock()
				if i := r.index(`7",`); i >= 0 && random.IntN(2) == 0 {
					return reply{status: 400, body: fmt.Sprintf(`{"events_with_missing_fields":{"x":[%d]}}`, i)}
				}
				if len(r.events) > 1 && random.IntN(3) == 0 || random.IntN(4) == 0 {
					if re := replies[random.IntN(len(replies))]; len(r.events) > 1 || re.status >= 408 && re.status != 413 {
						return re
					}
				}
				return reply{}
			})
			o := options(partitionFolder(t, parts), f)
			// Stopped now and then, in the middle of whatever it does.
			for {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(60))*time.Second)
				sum, err := Run(ctx, o)
				cancel()
				if sum.Read != sum.Accepted+sum.Rejected+sum.Pending {
					t.Fatalf("%+v", sum)
				}
				if err == nil {
					break
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
			}
			aside := map[string]bool{}
			for id, rule := range rejectedIDs(t, o) {
				if rule != "missing-fields" || !strings.HasSuffix(id, "7") {
					t.Errorf("%s was set aside as %s", id, rule)
				}
				aside[id] = true
			}
			// An event that was named may have been taken by an attempt without an answer.
			for _, id := range f.taken {
				delete(aside, id)
			}
			f.checkTaken(parts, aside)
		})
	}
}
