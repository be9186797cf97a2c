package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/durable/faultfs"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/testfile"
)

// restartInputs is a set with something of everything: events, lines set
// aside, damage, an empty input.
func restartInputs(t *testing.T) []string {
	t.Helper()
	in := t.TempDir()
	small := testfile.Gzip(t, lines(numbered(5)...))
	return []string{
		testfile.Write(t, filepath.Join(in, "a.json.gz"), testfile.Gzip(t, lines(append(numbered(3), "bad")...))),
		testfile.Write(t, filepath.Join(in, "b.zip"), zipped(t, packed{"p/1.json.gz", small[:len(small)-12]}, packed{"p/2.json", nil})),
	}
}

func TestStopAndGoOn(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	long := slices.Concat(numbered(2000), []string{"bad"}, numbered(3000))
	paths := []string{
		testfile.Write(t, filepath.Join(in, "a.json.gz"), append(testfile.Gzip(t, lines(numbered(10)...)), "garbage behind it"...)),
		testfile.Write(t, filepath.Join(in, "b.json"), []byte(lines(long...))),
		testfile.Write(t, filepath.Join(in, "c.json"), []byte(lines(numbered(10)...))),
	}
	want := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: paths})

	ctx, cancel := context.WithCancel(t.Context())
	fsys, err := faultfs.New(out)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Paths: paths, Out: out, FS: fsys, Version: "test", Compress: eventfile.None, Sink: func(f finding.Finding) {
		if f.File == paths[1] {
			cancel()
		}
	}}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	if names := temporary(t, out); len(names) > 0 {
		t.Errorf("the stop left %q", names)
	}
	left := tree(t, out)
	if names := slices.Sorted(maps.Keys(left)); !slices.Equal(names, []string{"events/a.ndjson", "identities/a.ndjson"}) {
		t.Errorf("the stop left %q", names)
	}

	if o.FS, err = faultfs.New(out); err != nil {
		t.Fatal(err)
	}
	got := convertTo(t, out, o)
	sameTree(t, got.files, want.files)
	sameSummary(t, got.Summary, want.Summary)
	for _, op := range o.FS.(*faultfs.FS).Operations() {
		if strings.Contains(op, "/.a.ndjson") {
			t.Errorf("converted again: %s", op)
		}
	}
	if !slices.Equal(got.findings, want.findings) {
		t.Errorf("findings %q, want %q", got.findings, want.findings)
	}
}

// An input is converted anew when a file that was written for it before the stop
// is gone or of another size.
func TestGoOnWithoutWhatWasWritten(t *testing.T) {
	paths := restartInputs(t) // the first has a line set aside
	want := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: paths})
	for name, change := range map[string]func(path string) error{
		"events/a.ndjson":     os.Remove,
		"identities/a.ndjson": os.Remove,
		"rejected/a.ndjson":   os.Remove,
		"events/a.ndjson cut": func(path string) error { return os.Truncate(path, 5) },
	} {
		out := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		o := Options{Paths: paths, Out: out, Version: "test", Compress: eventfile.None, FS: hasty{durable.OS}, Sink: func(f finding.Finding) {
			if f.File == paths[1] {
				cancel()
			}
		}}
		if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped: %v", err)
		}
		name, _, _ := strings.Cut(name, " ")
		if err := change(filepath.Join(out, filepath.FromSlash(name))); err != nil {
			t.Fatal(err)
		}
		again := convertTo(t, out, Options{Paths: paths})
		sameTree(t, again.files, want.files)
		sameSummary(t, again.Summary, want.Summary)
		if !slices.Equal(again.findings, want.findings) {
			t.Errorf("%s: findings %q, want %q", name, again.findings, want.findings)
		}
	}
}

// temporary lists the unfinished files below dir.
func temporary(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && durable.IsTemp(d.Name()) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// An input that was cut while it is read is not taken for whole.
func TestInputShrinks(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	a := testfile.Write(t, filepath.Join(in, "a.json"), []byte("bad\n"))
	b := testfile.Write(t, filepath.Join(in, "b.json"), []byte(lines(numbered(5)...)))
	o := Options{Paths: []string{a, b}, Out: out, Version: "test", Compress: eventfile.None}
	o.Sink = func(finding.Finding) {
		if err := os.Truncate(b, int64(len(lines(numbered(3)...)))); err != nil {
			t.Error(err)
		}
	}
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), b+": only ") {
		t.Errorf("cut: %v", err)
	}
	if files := tree(t, out); files["events/b.ndjson"] != "" || files["manifest.json"] != "" {
		t.Errorf("left %q", slices.Collect(maps.Keys(files)))
	}
	if r := convertTo(t, out, o); r.Written != 3 { // what is there now
		t.Errorf("%+v", r.Summary)
	}
}

// Pairs are written as they come, also of lines that are all set aside.
func TestPairsAreNotHeldBack(t *testing.T) {
	var list []string
	for i := range 400 {
		list = append(list, exportLine("event_time", "1", "user_id", fmt.Sprintf(`"%d%s"`, i, strings.Repeat("x", 2000))))
	}
	in := testfile.Write(t, filepath.Join(t.TempDir(), "a.json"), []byte(lines(list...)))
	out := t.TempDir()
	fsys, err := faultfs.New(out)
	if err != nil {
		t.Fatal(err)
	}
	convertTo(t, out, Options{Paths: []string{in}, FS: fsys})
	writes := 0
	for _, op := range fsys.Operations() {
		if op == "write identities/.a.ndjson.tmp" {
			writes++
		}
	}
	if writes < 3 {
		t.Errorf("800 kB of pairs in %d writes", writes)
	}
}

func TestOtherOptionsAfterAStop(t *testing.T) {
	out := t.TempDir()
	o := Options{Paths: restartInputs(t)}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := o
	stopped.Out, stopped.Version, stopped.Compress = out, "test", eventfile.None
	stopped.Sink = func(finding.Finding) { cancel() }
	if _, err := Run(ctx, stopped); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	before := tree(t, out)
	other := o
	other.Rules.UserProperties = Sync
	if r, err := tryConvert(t, out, other); err == nil || !strings.Contains(err.Error(), "other options") {
		t.Errorf("gone on with other options: %v", err)
	} else {
		sameTree(t, r.files, before)
	}
	convertTo(t, out, o)
}

// Whatever operation fails, or is the last before the process or the machine
// dies: nothing half written stands under a final name, and the same command
// comes to the same end.
func TestEveryFault(t *testing.T) {
	paths := restartInputs(t)
	want := map[eventfile.Compression]result{}
	for _, c := range []eventfile.Compression{eventfile.None, eventfile.Zstd} {
		want[c] = convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: paths, Compress: c})
	}
	for _, tt := range []struct {
		name  string
		c     eventfile.Compression
		fault func(*faultfs.FS, int)
		dies  bool
		crash bool
	}{
		{"disk full", eventfile.None, func(f *faultfs.FS, n int) { f.FailAt(n, syscall.ENOSPC) }, false, false},
		{"killed", eventfile.Zstd, (*faultfs.FS).DieAt, true, false},
		{"power cut", eventfile.None, (*faultfs.FS).DieAt, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for n := 1; ; n++ {
				out := filepath.Join(root, fmt.Sprint(n))
				if err := os.Mkdir(out, 0o777); err != nil {
					t.Fatal(err)
				}
				fsys, err := faultfs.New(out)
				if err != nil {
					t.Fatal(err)
				}
				tt.fault(fsys, n)
				o := Options{Paths: paths, Compress: tt.c, FS: fsys}
				r, err := tryConvert(t, out, o)
				if !fsys.Failed() {
					if err != nil || n < 40 {
						t.Errorf("the scenario has %d operations and ended with %v", n-1, err)
					}
					return
				}
				ops := fsys.Operations()
				at := ops[len(ops)-1]
				if !tt.dies {
					at = ops[n-1]
				}
				if names := temporary(t, out); err != nil && !tt.dies && len(names) > 0 && !strings.HasPrefix(at, "remove") {
					t.Errorf("%s failed and left %q", at, names)
				}
				if err == nil && !strings.HasPrefix(at, "close .unfinished") {
					t.Errorf("%s failed, and nothing was said", at)
				}
				if tt.crash {
					if err := fsys.Crash(); err != nil {
						t.Fatal(err)
					}
					r.files = tree(t, out)
				}
				for file, text := range r.files {
					if want[tt.c].files[file] != text {
						t.Errorf("%s failed: %s is not what it should be", at, file)
					}
				}
				again, err := tryConvert(t, out, Options{Paths: paths, Compress: tt.c})
				if err != nil {
					t.Fatalf("%s failed, and then: %v", at, err)
				}
				sameTree(t, again.files, want[tt.c].files)
				sameSummary(t, again.Summary, want[tt.c].Summary)
				if t.Failed() {
					t.Fatalf("after %s failed", at)
				}
			}
		})
	}
}
