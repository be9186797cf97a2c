package upload

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"export2batch/internal/eventfile"
	"export2batch/internal/stage"
)

// picky refuses two events, one by its index and one only by bisection.
func picky(r *received) reply {
	if i := r.index(`"0/4"`); i >= 0 {
		return reply{status: 400, body: `{"error":"e","events_with_invalid_fields":{"time":[` + string(rune('0'+i)) + `]}}`}
	}
	if r.has(`"1/2"`) {
		return reply{status: 403, body: "<html>"}
	}
	return reply{}
}

var pickyAside = map[string]string{"0/4": "invalid-fields", "1/2": "refused"}

func asSet(m map[string]string) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// The journal is cut at every byte, as a crash could leave it at most: the
// destination has everything, the journal knows less and less of it.
func TestRestartFromAJournalCutAnywhere(t *testing.T) {
	parts := lines(6, 4)
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, picky)
		o := options(partitionFolder(t, parts), f)
		o.EventsPerRequest = 4
		want := mustRun(t, o)
		state := o.Dir + ".upload"
		journal, err := os.ReadFile(filepath.Join(state, journalName))
		if err != nil {
			t.Fatal(err)
		}
		first := headerSize + commitHead + len(appendRecord(nil, &begin{time: 1700000000000, url: "https://api2.amplitude.com/batch", version: "test"}))
		for cut := range len(journal) {
			if err := os.Remove(filepath.Join(state, summaryName)); err != nil && cut > first {
				t.Fatal(err)
			}
			// Removed first: ext4 syncs a file that is truncated and written.
			if err := errors.Join(os.Remove(filepath.Join(state, journalName)), os.WriteFile(filepath.Join(state, journalName), journal[:cut], 0o666)); err != nil {
				t.Fatal(err)
			}
			before := f.count()
			sum, err := Run(t.Context(), o)
			if cut < first {
				// The beginning is written atomically: without it, it was not a crash.
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || f.count() != before {
					t.Fatalf("cut at %d: %v, %d requests", cut, err, f.count()-before)
				}
				continue
			}
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			if sum.Accepted != want.Accepted || sum.Rejected != want.Rejected || sum.Pending != 0 {
				t.Fatalf("cut at %d: %+v, want %+v", cut, sum, want)
			}
			if got := rejectedIDs(t, o); !reflect.DeepEqual(got, pickyAside) {
				t.Fatalf("cut at %d: set aside %v", cut, got)
			}
		}
		f.checkTaken(parts, asSet(pickyAside))
	})
}

// An intent without its answer is repeated with the very same events, however
// the sizes are set then.
func TestOpenIntentIsRepeatedExactly(t *testing.T) {
	parts := lines(20)
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(r *received) reply {
			if r.number == 2 {
				return reply{hang: true, take: true}
			}
			return reply{}
		})
		o := options(partitionFolder(t, parts), f)
		o.EventsPerRequest, o.Grace = 7, time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		sum, err := Run(ctx, o)
		if !errors.Is(err, context.DeadlineExceeded) || sum.Accepted != 7 || sum.Pending != 13 {
			t.Fatalf("%v, %+v", err, sum)
		}
		o.EventsPerRequest, o.Gzip = 3, false
		sum = mustRun(t, o)
		if len(f.requests) < 4 || !bytes.Equal(f.requests[1].raw, f.requests[2].raw) {
			t.Error("the open request was not repeated as it was")
		}
		if n := len(f.requests[3].events); n != 3 {
			t.Errorf("the request behind it has %d events", n)
		}
		if sum.Duplicates != 7 || sum.Retries != 1 {
			t.Errorf("%+v", sum)
		}
		f.checkTaken(parts, nil)
	})
}

// What is in rejected/ is what the journal says, whatever became of the file.
func TestRejectedFollowsTheJournal(t *testing.T) {
	parts := lines(30)
	for name, change := range map[string]func([]byte) []byte{
		"as it was":   func(b []byte) []byte { return b },
		"a torn line": func(b []byte) []byte { return append(b, `{"file":"x","li`...) },
		"a line more": func(b []byte) []byte {
			return append(b, "{\"file\":\"x\",\"line\":29,\"rule\":\"r\",\"reason\":\"x\",\"text\":\"y\"}\n"...)
		},
		"a line twice":  func(b []byte) []byte { return append(b, b[:bytes.IndexByte(b, '\n')+1]...) },
		"a line less":   func(b []byte) []byte { return b[bytes.IndexByte(b, '\n')+1:] },
		"half a line":   func(b []byte) []byte { return b[:len(b)-5] },
		"other content": func([]byte) []byte { return []byte("hello\n") },
		"empty":         func([]byte) []byte { return nil },
		"gone":          nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stop := false
				f := newFake(t, func(r *received) reply {
					for _, id := range []string{`"0/3"`, `"0/1"`, `"0/12"`} { // not in their order
						if i := r.index(id); i >= 0 {
							return reply{status: 400, body: `{"silenced_events":[` + string(rune('0'+i)) + `]}`}
						}
					}
					if stop && r.has(`"0/25"`) {
						return reply{status: 404}
					}
					return reply{}
				})
				o := options(partitionFolder(t, parts), f)
				stop = true
				if _, err := Run(t.Context(), o); err == nil {
					t.Fatal("no error")
				}
				want := map[string]string{"0/3": "silenced", "0/1": "silenced", "0/12": "silenced"}
				path := filepath.Join(o.Dir+".upload", rejectedDir, "part-0000.ndjson")
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if change == nil {
					err = os.Remove(path)
				} else {
					err = os.WriteFile(path, change(bytes.Clone(data)), 0o666)
				}
				if err != nil {
					t.Fatal(err)
				}
				stop = false
				mustRun(t, o)
				if got := rejectedIDs(t, o); !reflect.DeepEqual(got, want) {
					t.Errorf("set aside %v", got)
				}
				if name == "as it was" {
					if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, data) {
						t.Error("a sound file was changed")
					}
				}
			})
		})
	}
}

func TestStateOfSomethingElseIsRefused(t *testing.T) {
	parts := lines(20, 20)
	// Each gets a state with half of the events accepted.
	for name, test := range map[string]struct {
		change func(t *testing.T, o *Options)
		want   string
	}{
		"another destination": {func(_ *testing.T, o *Options) { o.URL = "https://api.eu.amplitude.com" }, "is the state of an upload to https://api2.amplitude.com/batch"},
		"another key":         {func(_ *testing.T, o *Options) { o.APIKey = "another" }, "another API key"},
		"other partitions": {func(t *testing.T, o *Options) {
			o.State, o.Dir = o.Dir+".upload", partitionFolder(t, lines(20, 19))
		}, "uploading other partitions"},
		"a changed manifest": {func(t *testing.T, o *Options) { edit(t, o.Dir, "manifest.json", `"test"`, `"tset"`) }, "uploading other partitions"},
		"a changed partition": {func(t *testing.T, o *Options) {
			path := filepath.Join(o.Dir, "partitions", "part-0001.ndjson.zst")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.WriteFile(path, data, 0o666); err != nil {
				t.Fatal(err)
			}
		}, "part-0001.ndjson.zst is not the file that partition wrote"},
		"a damaged journal": {func(t *testing.T, o *Options) { edit(t, o.Dir+".upload", journalName, "https", "httpz") }, "the journal is damaged at byte 12"},
		"someone else's folder": {func(t *testing.T, o *Options) {
			o.State = t.TempDir()
			if err := os.WriteFile(filepath.Join(o.State, "thesis.txt"), nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}, "is not empty"},
		"in use": {func(t *testing.T, o *Options) {
			release, err := stage.Lock(o.Dir + ".upload")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { release() })
		}, "is in use"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(r *received) reply {
					if r.has(`"1/15"`) {
						return reply{status: 404}
					}
					return reply{}
				})
				o := options(partitionFolder(t, parts), f)
				if _, err := Run(t.Context(), o); err == nil {
					t.Fatal("no error")
				}
				test.change(t, &o)
				n := f.count()
				if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				if f.count() != n {
					t.Error("something was sent")
				}
			})
		})
	}
}

func edit(t *testing.T, dir, name, old, new string) {
	t.Helper()
	path := filepath.Join(dir, name)
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(data, []byte(old)) {
		t.Fatalf("%s has no %q: %v", path, old, err)
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(new), 1), 0o666); err != nil {
		t.Fatal(err)
	}
}

// A partition of the same size that reads well but is another one is found
// before the first request, not when its turn comes.
func TestChangedPartitionIsFoundBeforeAnythingIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		o := options(partitionFolderAs(t, lines(40, 40), eventfile.None), f)
		o.Parallel = 1
		edit(t, filepath.Join(o.Dir, "partitions"), "part-0001.ndjson", `"1/39","time":17`, `"1/39","time":18`)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "part-0001.ndjson is not the file that partition wrote") {
			t.Error(err)
		}
		if f.count() > 0 {
			t.Errorf("%d requests were sent", f.count())
		}
	})
}

// interrupted leaves a state whose first request was taken without an answer.
func interrupted(t *testing.T, parts [][]string) (Options, *fake) {
	t.Helper()
	f := newFake(t, func(*received) reply { return reply{hang: true, take: true} })
	o := options(partitionFolder(t, parts), f)
	o.Grace = time.Second
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Run(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	f.script = nil
	return o, f
}

func TestOpenIntentWithOtherBytesIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, f := interrupted(t, lines(20))
		path := filepath.Join(o.Dir+".upload", journalName)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var list []record
		if _, err := readJournal(bytes.NewReader(data), collect(&list)); err != nil {
			t.Fatal(err)
		}
		list[1].(*intent).sum[0] ^= 1
		if err := os.WriteFile(path, journalOf(list[:1], list[1:]), 0o666); err != nil {
			t.Fatal(err)
		}
		n := f.count()
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "events of a request that was sent are not the same") {
			t.Error(err)
		}
		if f.count() > n {
			t.Error("something was sent")
		}
	})
}

// A request that may have been taken stays open, also when a later run is told
// that nothing was taken that time, and is stopped.
func TestDoubtOutlivesARunThatOnlyWaits(t *testing.T) {
	for _, re := range []reply{{status: 429}, {status: 503}, {status: 404}} {
		synctest.Test(t, func(t *testing.T) {
			parts := lines(20)
			o, f := interrupted(t, parts)
			f.script = func(*received) reply { return re }
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/10)
			defer cancel()
			if _, err := Run(ctx, o); err == nil {
				t.Fatal("no error")
			}
			f.script = nil
			o.EventsPerRequest = 3
			n := f.count()
			mustRun(t, o)
			if n < 2 || !bytes.Equal(f.requests[n].raw, f.requests[0].raw) {
				t.Errorf("answer %d: the request in doubt was not repeated as it was", re.status)
			}
			f.checkTaken(parts, nil)
		})
	}
}

// What was torn must be gone before the journal goes on: behind a second torn
// commit it would look like damage.
func TestTornTailIsTakenOffTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := interrupted(t, lines(20))
		path := filepath.Join(o.Dir+".upload", journalName)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(bytes.Clone(data), make([]byte, 1000)...), 0o666); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Run(ctx, o); err != context.Canceled {
			t.Fatal(err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, data) {
			t.Errorf("the journal has %d bytes, want %d (%v)", len(after), len(data), err)
		}
	})
}

// A key that was wrong binds nothing; one that was replaced can be given.
func TestOtherKeys(t *testing.T) {
	parts := lines(20)
	synctest.Test(t, func(t *testing.T) {
		right, stop := testKey, true
		f := newFake(t, func(r *received) reply {
			switch {
			case !r.has(right):
				return reply{status: 400, body: `{"error":"Invalid API key"}`}
			case stop && r.has(`"0/15"`):
				return reply{status: 404}
			}
			return reply{}
		})
		o := options(partitionFolder(t, parts), f)
		o.APIKey = "wrong"
		if _, err := Run(t.Context(), o); err == nil {
			t.Fatal("the wrong key was taken")
		}
		o.APIKey = testKey
		if sum, err := Run(t.Context(), o); err == nil || sum.Accepted != 10 {
			t.Fatalf("%v %+v", err, sum)
		}
		right, stop = "replaced", false
		o.APIKey, o.OtherKey = "replaced", true
		mustRun(t, o)
		o.OtherKey = false
		mustRun(t, o)
		f.checkTaken(parts, nil)
	})
}

func TestOpenIntentAfterTheDedupWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*received) reply { return reply{hang: true, take: true} })
		o := options(partitionFolder(t, lines(10, 10)), f)
		o.Grace = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Run(ctx, o); err == nil {
			t.Fatal("no error")
		}
		var log bytes.Buffer
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		f.script = nil
		time.Sleep(6 * 24 * time.Hour)
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		cancelled, stop := context.WithCancel(t.Context())
		stop()
		Run(cancelled, o)
		if strings.Contains(log.String(), "7 days") {
			t.Errorf("warned after 6 days: %s", &log)
		}
		time.Sleep(25 * time.Hour)
		mustRun(t, o)
		for _, want := range []string{"requests=2 events=20", "first_line=1 last_line=10", "partition=part-0001", "level=WARN"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("no %q in %s", want, &log)
			}
		}
	})
}
