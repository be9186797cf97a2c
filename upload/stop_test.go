package upload

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"export2batch/internal/progress"
)

// A stop lets what is in flight finish, keeps its answer, and sends no more.
func TestStopFinishesWhatIsInFlight(t *testing.T) {
	parts := lines(30, 30)
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*received) reply { return reply{delay: 10 * time.Second} })
		o := options(partitionFolder(t, parts), f)
		o.Meter, o.Live = &progress.Meter{}, &Live{}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		start := time.Now()
		sum, err := Run(ctx, o)
		if err != context.DeadlineExceeded {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("stopped after %v", took)
		}
		if s, ok := o.Live.Status(); !ok || s.Running.Partitions.Done != 0 || s.Running.Partitions.Queued != 2 || s.Running.InFlight != 0 {
			t.Errorf("%+v", s.Running)
		}
		if sum.Accepted != 40 || sum.Pending != 20 || f.count() != 4 {
			t.Errorf("%+v after %d requests", sum, f.count())
		}
		f.script = nil
		if sum := mustRun(t, o); sum.Duplicates != 0 || sum.Retries != 0 {
			t.Errorf("%+v", sum)
		}
		f.checkTaken(parts, nil)
	})
}

func TestStopDoesNotWaitLongerThanGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*received) reply { return reply{hang: true} })
		o := options(partitionFolder(t, lines(30)), f)
		o.Timeout, o.Grace = time.Hour, 5*time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := Run(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("stopped after %v", took)
		}
	})
}

// Those that only wait stop at once, and what was not taken is not in doubt.
func TestStopWhileWaiting(t *testing.T) {
	for name, re := range map[string]reply{
		"throttled": {status: 429}, "quota": {status: 429, body: `{"exceeded_daily_quota_users":{"u":1}}`},
		"backing off": {status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(*received) reply { return re })
				o := options(partitionFolder(t, lines(30)), f)
				o.Retry.Base, o.Retry.Cap = time.Minute, time.Hour
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				sum, err := Run(ctx, o)
				if err == nil || time.Since(start) != time.Second || sum.Pending != 30 {
					t.Errorf("%v after %v, %+v", err, time.Since(start), sum)
				}
				f.script = nil
				if sum := mustRun(t, o); sum.Requests != 4 || sum.Retries != 0 {
					t.Errorf("%+v", sum)
				}
			})
		})
	}
	t.Run("paced", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, nil)
			o := options(partitionFolder(t, lines(30, 30)), f)
			o.Pace.RequestsPerSecond = 0.001
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			if _, err := Run(ctx, o); err == nil || time.Since(start) != time.Second || f.count() != 1 {
				t.Errorf("%v after %v and %d requests", err, time.Since(start), f.count())
			}
		})
	})
	t.Run("before it began", func(t *testing.T) {
		f := newFake(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		sum, err := Run(ctx, options(partitionFolder(t, lines(30)), f))
		if err != context.Canceled || f.count() != 0 || sum.Pending != 30 {
			t.Errorf("%v, %+v", err, sum)
		}
	})
}

// The key is in the bodies of requests and nowhere else, even when the
// destination repeats it.
func TestKeyIsNowhere(t *testing.T) {
	for _, key := range []string{testKey, `quo"ted\key`} {
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key)
		for _, re := range []reply{
			{},
			{status: 400, body: `{"error":"bad ` + quoted + `","events_with_invalid_fields":{"` + quoted + `":[0]}}`},
			{status: 400, body: `{"error":"Invalid API key","x":"` + quoted + `"}`},
			{status: 403, body: `{"error":"` + quoted + `"}`},
			{status: 401, body: `{"error":"` + quoted + `"}`},
			{status: 500, body: `{"error":"` + quoted + `"}`},
			{err: errors.New("cannot send " + key)},
		} {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(*received) reply { return re })
				o := options(partitionFolder(t, lines(4)), f)
				o.APIKey, o.Retry.Attempts = key, 2
				var log bytes.Buffer
				o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				_, err := Run(t.Context(), o)
				seen := log.String()
				if err != nil {
					seen += err.Error()
				}
				werr := filepath.WalkDir(o.Dir+".upload", func(path string, d fs.DirEntry, err error) error {
					if err != nil || d.IsDir() {
						return err
					}
					data, err := os.ReadFile(path)
					seen += string(data)
					return err
				})
				if werr != nil {
					t.Fatal(werr)
				}
				for _, secret := range []string{key, quoted} {
					if strings.Contains(seen, secret) {
						t.Errorf("answer %+v: the key is in %q", re, seen)
					}
				}
			})
		}
	}
}

func TestValidate(t *testing.T) {
	good := Guide()
	good.Dir, good.URL, good.APIKey = "x", "https://api2.amplitude.com", testKey
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		"no partition folder":           func(o *Options) { o.Dir = "" },
		"cannot be the partition":       func(o *Options) { o.State = "./x/" },
		"no API key":                    func(o *Options) { o.APIKey = "" },
		"spaces or control":             func(o *Options) { o.APIKey = "key\n" },
		"no destination":                func(o *Options) { o.URL = "" },
		"not a URL":                     func(o *Options) { o.URL = "http://x:y:z" },
		"not an http or https URL":      func(o *Options) { o.URL = "ftp://x" },
		"a name or password":            func(o *Options) { o.URL = "https://u:p@x" },
		"a query":                       func(o *Options) { o.URL = "https://x?a=b" },
		"ends with /batch":              func(o *Options) { o.URL = "https://x/batch/" },
		"a size is negative":            func(o *Options) { o.MaxBytes = -1 },
		"are more than the 5":           func(o *Options) { o.MaxEvents = 5 },
		"at most 20000":                 func(o *Options) { o.MaxEvents = 1e6 },
		"partitions side by side":       func(o *Options) { o.Parallel = 1000 },
		"a time-out is negative":        func(o *Options) { o.Grace = -1 },
		"a pace is not":                 func(o *Options) { o.Pace.EventsPerSecond = -1 },
		"figure of the retry policy is": func(o *Options) { o.Retry.Attempts = -1 },
	} {
		o := good
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "u:p") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestOnlyFinishedPartitionsAreTaken(t *testing.T) {
	f := newFake(t, nil)
	o := options(t.TempDir(), f)
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "not a stage folder") {
		t.Error(err)
	}
	o.Dir = partitionFolder(t, lines(3))
	edit(t, o.Dir, "manifest.json", `"stage": "partition"`, `"stage": "convert"`)
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "is the result of convert") {
		t.Error(err)
	}
	if _, err := os.Stat(o.Dir + ".upload"); err == nil {
		t.Error("a state folder was made")
	}
	o.Dir = partitionFolder(t, nil)
	if sum := mustRun(t, o); sum.Read != 0 || !sum.Complete() {
		t.Errorf("%+v", sum)
	}
}
