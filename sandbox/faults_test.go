package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func faults(t testing.TB, spec string) Faults {
	t.Helper()
	f, err := ParseFaults(spec)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseFaults(t *testing.T) {
	for spec, want := range map[string]string{
		"":                            "",
		"500:0.01":                    "500:0.01",
		" 503:0.25 , latency=5ms ":    "503:0.25,latency=5ms",
		"seed=7,reset-after:1":        "reset-after:1,seed=7",
		"500:0.5,500-after:0.5":       "500:0.5,500-after:0.5",
		"429:0,truncate:0.1,html:0.1": "429:0,truncate:0.1,html:0.1",
		"504-before:0.1":              "504-before:0.1",
		"hang:0.1,hang-before:0.2":    "hang:0.1,hang-before:0.2",
		"forbid=x,silence=d-1,silence=d-2,storm=1m/5s,retry-after-date=1s,retry-after=2s,spread=1ms,latency=1s": "latency=1s,spread=1ms,retry-after=2s,retry-after-date=1s,storm=1m0s/5s,silence=d-1,silence=d-2,forbid=x",
	} {
		f, err := ParseFaults(spec)
		if err != nil || f.String() != want {
			t.Errorf("%q: %q, %v", spec, f, err)
		}
	}
	for _, spec := range []string{"500", "500:", "500:x", "500:-1", "500:1.1", "500:NaN", "501:0.1", "reset:0.1", "429-after:0.1",
		"500-after-before:0.1", "500-before-after:0.1", "truncate-before:0.1", "latency=5", "latency=-1s", "seed=x", "colour=1",
		"500:0.6,502:0.6", "storm=5s", "storm=5s/6s", "storm=5s/0s", "storm=x/1s", "silence=", "forbid=", "hang-after:0.1", "spread=x", "retry-after=-1s", "500:0.1,500-before:0.1", "500:0.1,500:0.1"} {
		if f, err := ParseFaults(spec); err == nil {
			t.Errorf("%q is read as %v", spec, f)
		}
	}
}

// TestFaults sends one request through a real connection to each kind of
// fault.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		spec     string
		code     int // 0: no answer
		has      string
		accepted int64
		counted  string
	}{
		{"408:1", 408, `"code":408`, 0, "408"},
		{"500:1", 500, `{"code":500,"error":"Internal Server Error"}`, 0, "500"},
		{"502-before:1", 502, `"code":502`, 0, "502"},
		{"503:1", 503, `"code":503`, 0, "503"},
		{"504:1", 504, `"code":504`, 0, "504"},
		{"500-after:1", 500, `"code":500`, 2, "500"},
		{"504-after:1", 504, `"code":504`, 2, "504"},
		{"429:1", 429, `"eps_threshold":1000,"throttled_devices":{}`, 0, "429"},
		{"html:1", 502, "<html>", 0, "502"},
		{"html-after:1", 502, "<html>", 2, "502"},
		{"reset-before:1", 0, "", 0, "reset"},
		{"reset-after:1", 0, "", 2, "reset"},
		{"truncate:1", 200, "", 2, "truncated"},
		{"500:0", 200, `"events_ingested":2`, 2, "200"},
	} {
		t.Run(c.spec, func(t *testing.T) {
			s := newServer(t, Options{Faults: faults(t, c.spec)})
			web := httptest.NewServer(s.Handler())
			defer web.Close()
			answer, err := web.Client().Post(web.URL+"/batch", "application/json", strings.NewReader(batch(simple(2, "user-1")...)))
			switch {
			case c.code == 0:
				if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
					t.Fatalf("no reset: %v", err)
				}
			case err != nil:
				t.Fatal(err)
			default:
				text, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if truncated := errors.Is(err, io.ErrUnexpectedEOF); truncated != (c.spec == "truncate:1") {
					t.Errorf("%q, %v", text, err)
				}
				if answer.StatusCode != c.code || !strings.Contains(string(text), c.has) {
					t.Errorf("%d %s", answer.StatusCode, text)
				}
			}
			web.Close()
			if sum := s.Summary(); sum.Accepted != c.accepted || sum.ByAnswer[c.counted] != 1 || sum.Requests != 1 {
				t.Errorf("summary %+v", sum)
			}
		})
	}
}

// TestFaultsAreDeterministic gives the same list of answers for one seed,
// another for another, in about the proportions asked for.
func TestFaultsAreDeterministic(t *testing.T) {
	run := func(seed int) (answers string, count map[string]int64) {
		s := newServer(t, Options{Faults: faults(t, fmt.Sprintf("500:0.2,503-after:0.2,429:0.1,seed=%d", seed))})
		for i := range 400 {
			code, _ := post(s, "/batch", batch(simple(1, fmt.Sprintf("user-%d", i))...))
			answers += fmt.Sprint(code)
		}
		return answers, s.Summary().ByAnswer
	}
	one, count := run(1)
	if again, _ := run(1); again != one {
		t.Error("one seed, two results")
	}
	if other, _ := run(2); other == one {
		t.Error("two seeds, one result")
	}
	if count["500"] < 60 || count["500"] > 100 || count["503"] < 60 || count["503"] > 100 || count["429"] < 25 || count["429"] > 55 {
		t.Errorf("proportions %v", count)
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{Faults: faults(t, "latency=5s"), Now: time.Now})
		start := time.Now()
		taken(t, s, batch(good))
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("answered after %v", d)
		}
		// A client that leaves is not waited for.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/batch", strings.NewReader(batch(good)))
		r.Header.Set("Content-Type", "application/json")
		s.ServeHTTP(httptest.NewRecorder(), r)
		if d := time.Since(start); d != time.Second {
			t.Errorf("left after %v", d)
		}
	})
}
