package upload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"export2batch/internal/stage"
	"export2batch/internal/testfile"
)

// A rehearsal says what the upload then does: the requests, their bytes, and
// how long the pace makes them last.
func TestDryRunForetellsTheUpload(t *testing.T) {
	parts := lines(95, 40, 7, 160)
	parts[1][3] = `]`
	for name, change := range map[string]func(*Options){
		"guide":       func(o *Options) { o.Pace = GuidePace() },
		"few":         func(o *Options) { o.Pace, o.Parallel = Pace{RequestsPerSecond: 2}, 1 },
		"id":          func(o *Options) { o.Pace = Pace{IDEventsPerSecond: 5} },
		"no pace":     func(o *Options) { o.Parallel = 2 },
		"small":       func(o *Options) { o.MaxBytes = 700 },
		"half of it":  func(o *Options) { o.LimitEvents = 150; o.Pace = Pace{EventsPerSecond: 10} },
		"single ones": func(o *Options) { o.MaxBytes, o.EventsPerRequest = 60, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(*received) reply { return reply{delay: roundTrip} })
				o := options(partitionFolder(t, parts), f)
				change(&o)
				want, err := DryRun(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(o.Dir + ".upload"); err == nil || f.count() > 0 {
					t.Fatal("it did something")
				}
				start := time.Now()
				sum, err := Run(t.Context(), o)
				if (err != nil) != (o.LimitEvents > 0) {
					t.Fatal(err)
				}
				took := time.Since(start).Seconds()
				var bytes, wire, largest int64
				for _, r := range f.requests {
					bytes += int64(len(r.raw))
					wire += r.request.ContentLength
					largest = max(largest, int64(len(r.raw)))
				}
				if want.Events != sum.Accepted || want.Invalid != sum.Rejected || want.Requests != sum.Requests ||
					o.LimitEvents == 0 && (want.Bytes != bytes || want.WireBytes != wire || want.LargestRequest != largest) {
					t.Errorf("%+v, but %+v with %d bytes", want, sum, bytes)
				}
				if (want.TooLarge > 0) != (name == "single ones") {
					t.Errorf("%d too large", want.TooLarge)
				}
				// The gate, which opens by and by, is not rehearsed.
				if took < 0.95*want.Seconds-0.2 || took > 1.05*want.Seconds+2 {
					t.Errorf("it took %.1f s, foretold were %.1f s", took, want.Seconds)
				}
			})
		})
	}
}

// The bodies that are written are those that are sent, but for the key.
func TestWrittenRequestsAreThoseThatAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, f := interrupted(t, lines(25))
		o.EventsPerRequest = 4
		out := filepath.Join(t.TempDir(), "requests")
		w, err := WriteRequests(t.Context(), o, out)
		if err != nil || w.Requests != 5 || w.Events != 25 {
			t.Fatalf("%+v %v", w, err)
		}
		mustRun(t, o)
		data, err := os.ReadFile(filepath.Join(out, requestsName))
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
			var line RequestFile
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
			body, err := os.ReadFile(filepath.Join(out, line.File))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(string(f.requests[i+1].raw), testKey, KeyPlaceholder, 1); string(body) != want {
				t.Errorf("%s is %s, sent was %s", line.File, body, want)
			}
			if line.Repeats != (i == 0) || line.Events != len(f.requests[i+1].events) {
				t.Errorf("%+v", line)
			}
		}
	})
}

// The status can be read at any moment, and agrees with the report at the end.
func TestStatusWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o Options
		live := &Live{}
		if _, ok := live.Status(); ok {
			t.Error("a status before there is a run")
		}
		f := newFake(t, func(r *received) reply {
			s, err := ReadStatus(o.Dir, "")
			if err != nil || s.Accepted+s.Pending != 60 || s.InDoubt == 0 || s.Complete {
				t.Errorf("%+v %v", s, err)
			}
			if n, ok := live.Status(); !ok || n.Running.InFlight == 0 || n.Accepted < s.Accepted {
				t.Errorf("%+v", n)
			}
			if r.number == 3 {
				return reply{status: 503}
			}
			return reply{delay: 2 * time.Second}
		})
		o = options(partitionFolder(t, lines(30, 30)), f)
		o.Live = live
		mustRun(t, o)
		s, err := ReadStatus(o.Dir, "")
		if err != nil || !s.Complete || s.InDoubt != 0 || s.Accepted != 60 {
			t.Errorf("%+v %v", s, err)
		}
		data, err := os.ReadFile(filepath.Join(o.Dir+".upload", reportJSON))
		if err != nil {
			t.Fatal(err)
		}
		var report Status
		if err := json.Unmarshal(data, &report); err != nil {
			t.Fatal(err)
		}
		n := report.Running
		if n == nil || n.Answers["200"] != 6 || n.Answers["503"] != 1 || n.Retries != 1 || n.Partitions.Done != 2 || n.Partitions.All != 2 {
			t.Errorf("%s", data)
		}
		report.Running = nil
		if s.RejectedBy = nil; !reflect.DeepEqual(report, s) {
			t.Errorf("report %+v, status %+v", report, s)
		}
		var accepted int64
		for _, second := range live.History(900) {
			accepted += second.Accepted
		}
		if accepted < 40 || n.Seconds < 6 {
			t.Errorf("%d accepted in %v s", accepted, n.Seconds)
		}
	})
}

// What was set aside is sent again when asked for, once each time, and the
// accounts of all rounds balance.
func TestAgain(t *testing.T) {
	parts := lines(12, 12)
	synctest.Test(t, func(t *testing.T) {
		strict := true
		f := newFake(t, func(r *received) reply {
			for _, bad := range []string{`"0/4"`, `"1/2"`, `"1/7"`} {
				if i := r.index(bad); i >= 0 && !r.has("mended") && (strict || bad == `"1/7"`) {
					return reply{status: 400, body: `{"error":"e","events_with_invalid_fields":{"time":[` + string(rune('0'+i)) + `]}}`}
				}
			}
			return reply{}
		})
		o := options(partitionFolder(t, parts), f)
		if _, err := Again(t.Context(), o); !errors.Is(err, errNoState) {
			t.Fatal(err)
		}
		if sum := mustRun(t, o); sum.Rejected != 3 {
			t.Fatalf("%+v", sum)
		}
		strict = false
		// Stopped in the middle, it goes on.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Again(ctx, o); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		n := f.count()
		s, err := Again(t.Context(), o)
		if err != nil || s.Rejected != 3 || s.Retry.Read != 3 || s.Retry.Accepted != 2 || s.Retry.Rejected != 1 || s.Retry.Retry != nil {
			t.Fatalf("%+v %+v %v", s, s.Retry, err)
		}
		if f.count() == n {
			t.Error("nothing was sent")
		}
		// A line too few, a line twice, and a mended one.
		rejected := filepath.Join(s.Retry.State, rejectedDir, "part-0001.ndjson")
		data, err := os.ReadFile(rejected)
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string]string{"": "no longer there", "{}\n": "not a line that upload set aside",
			strings.Replace(string(data), `{\"`, `{\n\"`, 1): "line break"} {
			if err := os.WriteFile(rejected, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := Again(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", text, err)
			}
		}
		mended := strings.Replace(string(data), `\"open\"`, `\"mended\"`, 1)
		if err := os.WriteFile(rejected, []byte(mended), 0o666); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time there is nothing to do
			s, err = Again(t.Context(), o)
			if err != nil || s.Retry.Retry.Accepted != 1 || s.Retry.Retry.Pending != 0 {
				t.Fatalf("%+v %v", s.Retry.Retry, err)
			}
		}
		if len(f.taken) != 24 || f.repeated != 0 {
			t.Errorf("%d taken, %d twice", len(f.taken), f.repeated)
		}
	})
}

// That all is refused once more does not stop a retry.
func TestAgainRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := refusedPartition(t)
		s, err := Again(t.Context(), o)
		if err != nil || s.Retry.Rejected != maxIsolated+20 || !s.Retry.Complete {
			t.Errorf("%+v %v", s.Retry, err)
		}
	})
}

// refusedPartition has two partitions uploaded of which the second was refused,
// event by event.
func refusedPartition(t *testing.T) (Options, *fake) {
	t.Helper()
	f := newFake(t, func(r *received) reply {
		if r.has(`"1/`) {
			return reply{status: 403}
		}
		return reply{}
	})
	o := options(partitionFolder(t, lines(5, maxIsolated+20)), f)
	o.Parallel = 1
	if sum := mustRun(t, o); sum.Accepted != 5 || sum.Rejected != maxIsolated+20 {
		t.Fatalf("%+v", sum)
	}
	return o, f
}

// What is mended after a retry was stopped is sent as mended, unless events of
// the retry may have been taken.
func TestMendedAfterAStop(t *testing.T) {
	for _, taken := range []int{0, 1, 2} { // requests before the stop
		synctest.Test(t, func(t *testing.T) {
			o, f := refusedPartition(t)
			first := f.count()
			f.script = func(r *received) reply {
				if r.number > first+taken {
					return reply{status: 404}
				}
				return reply{}
			}
			if _, err := Again(t.Context(), o); err == nil {
				t.Fatal("no error")
			}
			rejected := filepath.Join(o.Dir+".upload", rejectedDir, "part-0001.ndjson")
			edit(t, filepath.Dir(rejected), filepath.Base(rejected), `\"open\"`, `\"mended\"`)
			f.script = nil
			half := filepath.Join(o.Dir+".upload", retryDir, "001.discarded", "manifest.json") // of a killed run
			testfile.Write(t, half, "{}")
			s, err := Again(t.Context(), o)
			if taken > 0 {
				if err == nil || !strings.Contains(err.Error(), "was mended after") {
					t.Errorf("%d requests taken: %v", taken, err)
				}
				return
			}
			if err != nil || s.Retry.Accepted != maxIsolated+20 || s.Retry.Pending != 0 {
				t.Fatalf("%+v %v", s.Retry, err)
			}
			if _, err := os.Stat(filepath.Dir(half)); !os.IsNotExist(err) {
				t.Error("what was discarded is still there")
			}
			mended := 0
			for _, r := range f.requests[first:] {
				mended += bytes.Count(r.raw, []byte(`"mended"`))
			}
			if mended != 1 || f.repeated != 0 { // edit changes the first
				t.Errorf("%d of the events sent were mended, %d sent twice", mended, f.repeated)
			}
		})
	}
}

func TestAgainNeedsTheUploadToBeComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, f := interrupted(t, lines(20))
		n := f.count()
		if _, err := Again(t.Context(), o); !errors.Is(err, ErrIncomplete) || f.count() != n {
			t.Error(err)
		}
		release, err := stage.Lock(o.Dir + ".upload")
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if _, err := Again(t.Context(), o); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Error(err)
		}
	})
}
