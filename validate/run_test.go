package validate

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

func TestRun(t *testing.T) {
	path := writeFile(t, "events.ndjson", strings.Join([]string{
		eventWith(),
		"",
		" \t\r",
		eventWith("device_id", `"abc"`),
		eventWith("insert_id", ``) + "\r",
		"nonsense",
		eventWith("country", `"Germany"`), // without a newline
	}, "\n"))
	s, found := run(t, Options{Paths: []string{path}})
	want := Summary{Files: 1, Read: 5, Valid: 3, Invalid: 2, Errors: 2, Warnings: 1, Infos: 1,
		Rules: map[string]int64{ruleIDLength: 1, ruleInsertID: 1, ruleInvalidJSON: 1, ruleLocation: 1}}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("summary %+v, want %+v", s, want)
	}
	var places []string
	for _, f := range found {
		if f.File != path {
			t.Errorf("%v: file is %s", f, f.File)
		}
		places = append(places, fmt.Sprint(f.Line, f.Pointer, " ", f.Rule))
	}
	if want := []string{"4/device_id id-length", "5 insert-id-missing", "6 invalid-json", "7 location-incomplete"}; !slices.Equal(places, want) {
		t.Errorf("found %q, want %q", places, want)
	}
}

// manyInputs makes a folder of inputs of different sizes and kinds.
func manyInputs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bad := []string{
		eventWith("user_id", `"abc"`), eventWith("insert_id", ``), eventWith("plan", `{"x":1,"version":2,"source":null}`),
		`{"a":1,"b":2,"c":3}`, "not json", "\xff", eventWith("event_properties", `{"a":90071992547409931}`),
	}
	for i, size := range []int{900, 1, 0, 600, 700, 40, 1024, 1025} {
		var b bytes.Buffer
		for n := range size {
			line := goodEvent
			if (n+i)%7 == 0 {
				line = bad[(n/7)%len(bad)]
			}
			b.WriteString(line + "\n")
		}
		name := filepath.Join(dir, fmt.Sprintf("%d.ndjson", i))
		data := b.Bytes()
		if i%2 == 1 {
			name, data = name+".gz", gzipped(t, data)
		}
		if i == 4 {
			data = append(bytes.TrimSuffix(data, []byte("\n")), "\n{\"cut"...)
		}
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOrderIsIndependentOfJobs(t *testing.T) {
	dir := manyInputs(t)
	first := Options{Paths: []string{dir}, Jobs: 1, SetAside: filepath.Join(t.TempDir(), "aside")}
	wantSummary, wantFound := run(t, first)
	wantFiles := readFolder(t, first.SetAside)
	if wantSummary.Invalid == 0 || wantSummary.Valid == 0 || len(wantFiles) < 4 {
		t.Fatalf("the inputs say little: %+v, %d files", wantSummary, len(wantFiles))
	}
	for i := 1; i < len(wantFound); i++ {
		a, b := wantFound[i-1], wantFound[i]
		if a.File > b.File || a.File == b.File && a.Line > b.Line {
			t.Fatalf("%v comes before %v", a, b)
		}
	}
	for _, jobs := range []int{2, 7} {
		o := Options{Paths: []string{dir}, Jobs: jobs, SetAside: filepath.Join(t.TempDir(), "aside")}
		s, found := run(t, o)
		if !reflect.DeepEqual(s, wantSummary) {
			t.Errorf("jobs %d: summary %+v, want %+v", jobs, s, wantSummary)
		}
		if !slices.Equal(found, wantFound) {
			t.Errorf("jobs %d: other findings, or another order", jobs)
		}
		if files := readFolder(t, o.SetAside); !reflect.DeepEqual(files, wantFiles) {
			t.Errorf("jobs %d: other files set aside", jobs)
		}
	}
}

// TestManyFindings has more findings waiting than may, in inputs behind the
// first, which is slow.
func TestManyFindings(t *testing.T) {
	dir := t.TempDir()
	line := `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}` + "\n" // 10 findings
	for i := range 3 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.ndjson", i)), []byte(strings.Repeat(line, maxWeight/8)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s, found := run(t, Options{Paths: []string{dir}, Jobs: 3})
	if want := int64(3 * (maxWeight / 8)); s.Invalid != want || int64(len(found)) != 10*want {
		t.Errorf("%d invalid with %d findings, want %d with 10 each", s.Invalid, len(found), want)
	}
}

func TestWaitingFindingsAreBounded(t *testing.T) {
	path := writeFile(t, "events.ndjson", strings.Repeat(`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}`+"\n", 3*maxWeight/10))
	o := Options{Paths: []string{path}, Jobs: 2}
	o.setDefaults()
	settings, err := newSettings(&o)
	if err != nil {
		t.Fatal(err)
	}
	set, err := source.Expand(o.Paths, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := newPipeline(&o, settings, set.Inputs, nil)
	stop := p.start(ctx)
	s := Summary{Rules: map[string]int64{}}
	most := 0
	tell := func(finding.Finding) {
		p.mu.Lock()
		defer p.mu.Unlock()
		most = max(most, p.streams[0].weight)
	}
	if err := p.deliver(ctx, 0, &s, tell); err != nil {
		t.Fatal(err)
	}
	stop(cancel)
	// The blocks that are on their way when the weight is reached come on top.
	if bound := maxWeight + 10*blockLines*(3*o.Jobs+1); most > bound {
		t.Errorf("%d findings waited, more than %d", most, bound)
	}
}

func TestDamagedInput(t *testing.T) {
	whole := gzipped(t, []byte(strings.Repeat(eventWith("insert_id", ``)+"\n", 5000)))
	path := writeFile(t, "cut.ndjson.gz", string(whole[:len(whole)-20]))
	aside := filepath.Join(t.TempDir(), "aside")
	s, found := run(t, Options{Paths: []string{path}, SetAside: aside})
	if s.Rules[ruleDamaged] != 1 || s.Errors != 1 || s.Read == 0 || s.Warnings != s.Read-s.Invalid {
		t.Errorf("summary %+v", s)
	}
	if last := found[len(found)-1]; last.Rule != ruleDamaged || !strings.Contains(last.Message, "were validated") {
		t.Errorf("the last finding is %v", last)
	}
	if s.Invalid == 1 {
		text := readFolder(t, aside)["rejected/cut.ndjson"]
		if !strings.Contains(text, fmt.Sprintf(`"line":%d,"rule":"damaged-input"`, s.Read)) {
			t.Errorf("the line that was cut off is not set aside: %q", text)
		}
	}
}

// TestCutLine has the damage in the middle of a line, and behind a whole one.
func TestCutLine(t *testing.T) {
	for _, tc := range []struct {
		text          string
		read, invalid int64
		line          int64 // of the damage
		message       string
	}{
		{eventWith() + "\n" + eventWith()[:20], 2, 1, 2, "the 1 lines before"},
		{eventWith() + "\n" + eventWith(), 2, 0, 0, "the 2 lines before"},
		{eventWith() + "\n", 1, 0, 0, "the 1 lines before"},
		{eventWith() + "\n  ", 1, 0, 0, "the 1 lines before"},
		{"", 0, 0, 0, "the 0 lines before"},
	} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, tc.text); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil { // all text, but no end
			t.Fatal(err)
		}
		s, found := run(t, Options{Paths: []string{writeFile(t, "cut.gz", b.String())}})
		if s.Read != tc.read || s.Invalid != tc.invalid || len(found) != 1 || found[0].Line != tc.line || !strings.Contains(found[0].Message, tc.message) {
			t.Errorf("%q: %+v, %v", tc.text, s, found)
		}
	}
}

// TestLongLine has a line of 32 MiB, one of a byte more, and events around.
func TestLongLine(t *testing.T) {
	pad := func(n int) string {
		line := eventWith("event_properties", `{"a":"%"}`)
		return strings.Replace(line, "%", strings.Repeat("x", n-len(line)+1), 1)
	}
	long := pad(source.MaxLine + 1)
	path := writeFile(t, "long.ndjson", eventWith()+"\n"+pad(source.MaxLine)+"\n"+long+"\n"+eventWith("user_id", `"abc"`)+"\n")
	aside := filepath.Join(t.TempDir(), "aside")
	s, found := run(t, Options{Paths: []string{path}, SetAside: aside, Rules: map[string]string{ruleEventSize: "warn"}})
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprint(f.Line, " ", f.Rule))
	}
	if want := []string{"2 event-size", "2 string-length", "3 line-too-long", "4 id-length"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if s.Read != 4 || s.Invalid != 2 {
		t.Errorf("summary %+v", s)
	}
	files := readFolder(t, aside)
	if files["rejected/long.line-3.raw"] != long {
		t.Error("the long line is not kept as it was")
	}
	if n := strings.Count(files["rejected/long.ndjson"], "\n"); n != 2 {
		t.Errorf("%d lines set aside, want 2", n)
	}
}

func TestSetAside(t *testing.T) {
	good, bad := eventWith(), eventWith("user_id", `"abc"`, "platform", `null`)
	path := writeFile(t, "a.ndjson", good+"\n"+bad+"\n"+eventWith("insert_id", ``)+"\n")
	o := Options{Paths: []string{path}, Version: "1.2", SetAside: filepath.Join(t.TempDir(), "aside")}
	s, _ := run(t, o)
	want := string(finding.AppendRejected(nil, finding.Place{File: path, Line: 2}, ruleType, "/platform: expected string, but got null", []byte(bad)))
	files := readFolder(t, o.SetAside)
	if files["rejected/a.ndjson"] != want {
		t.Errorf("set aside %q, want %q", files["rejected/a.ndjson"], want)
	}
	m, err := stage.Load(o.SetAside)
	if err != nil {
		t.Fatal(err)
	}
	if m.Stage != StageName || m.Version != "1.2" || len(m.Inputs) != 1 || m.Inputs[0].Name != path || len(m.Inputs[0].SHA256) != 64 || !strings.Contains(string(m.Counts), `"invalid":`) {
		t.Errorf("manifest %+v", m)
	}

	again, found := run(t, o)
	if !reflect.DeepEqual(again, s) || len(found) != 3 || !reflect.DeepEqual(readFolder(t, o.SetAside), files) {
		t.Error("a second run tells or leaves something else")
	}

	other := o
	other.MinIDLength = 3
	if _, err := Run(context.Background(), other); err == nil {
		t.Error("a folder that is finished with other options was taken")
	}
	changed := strings.Replace(good, "user1", "user2", 1)
	if err := os.WriteFile(path, []byte(changed+"\n"+bad+"\n"+eventWith("insert_id", ``)+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "other inputs") {
		t.Errorf("an input of other content: %v", err)
	}
	if err := os.WriteFile(path, []byte(good+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "other inputs") {
		t.Errorf("an input of another size: %v", err)
	}
}

// readFolder returns the files below dir, without the manifest.
func readFolder(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Dir(path) == dir {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// failing fails its n-th operation and all that follow.
type failing struct {
	durable.FS
	left   int
	suffix string // of the only paths that count; empty: all
}

var errDisk = errors.New("no space left on device")

func (f *failing) fail(path string) error {
	if !strings.HasSuffix(path, f.suffix) {
		return nil
	}
	if f.left--; f.left < 0 {
		return errDisk
	}
	return nil
}

func (f *failing) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	if err := f.fail(path); err != nil {
		return nil, err
	}
	h, err := f.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return &failingHandle{h, f, path}, nil
}

func (f *failing) Rename(from, to string) error {
	if err := f.fail(from); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

type failingHandle struct {
	durable.Handle
	fs   *failing
	path string
}

func (h *failingHandle) Write(p []byte) (int, error) {
	if err := h.fs.fail(h.path); err != nil {
		return 0, err
	}
	return h.Handle.Write(p)
}

func (h *failingHandle) Sync() error {
	if err := h.fs.fail(h.path); err != nil {
		return err
	}
	return h.Handle.Sync()
}

// TestFailingDisk fails every operation in turn; the next run then finishes.
func TestFailingDisk(t *testing.T) {
	path := writeFile(t, "a.ndjson", eventWith("user_id", `"abc"`)+"\n")
	clean := Options{Paths: []string{path}, Jobs: 1, SetAside: filepath.Join(t.TempDir(), "aside")}
	run(t, clean)
	want := readFolder(t, clean.SetAside)
	for n := 0; ; n++ {
		if n > 100 {
			t.Fatal("it never works")
		}
		o := clean
		o.SetAside = filepath.Join(t.TempDir(), "aside")
		o.FS = &failing{durable.OS, n, ""}
		_, err := Run(context.Background(), o)
		if err == nil {
			if n < 8 {
				t.Errorf("only %d operations", n)
			}
			return
		}
		if !errors.Is(err, errDisk) {
			t.Fatalf("operation %d: %v", n, err)
		}
		for name, text := range readFolder(t, o.SetAside) {
			if !durable.IsTemp(filepath.Base(name)) && want[name] != text {
				t.Errorf("operation %d: %s is half written", n, name)
			}
		}
		o.FS = nil
		run(t, o)
		if !reflect.DeepEqual(readFolder(t, o.SetAside), want) {
			t.Errorf("operation %d: the next run left other files", n)
		}
	}
}

// TestFailingDiskLongLine fails to keep a line over 32 MiB, at its first write.
func TestFailingDiskLongLine(t *testing.T) {
	path := writeFile(t, "a.ndjson", strings.Repeat(" ", source.MaxLine+1)+"\n")
	o := Options{Paths: []string{path}, SetAside: filepath.Join(t.TempDir(), "aside")}
	o.FS = &failing{durable.OS, 1, ".raw.tmp"}
	if _, err := Run(context.Background(), o); !errors.Is(err, errDisk) {
		t.Errorf("error is %v", err)
	}
	if files := readFolder(t, o.SetAside); len(files) > 0 {
		t.Errorf("%d files were left", len(files))
	}
}

func TestStageFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "converted")
	folder, err := stage.Begin(durable.OS, dir, stage.Identity{Stage: "convert", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if _, err := Run(context.Background(), Options{Paths: []string{dir}}); !errors.Is(err, stage.ErrUnfinished) {
		t.Errorf("an unfinished folder: %v", err)
	}
	const name = "events/a b.ndjson.zst"
	w, err := eventfile.Create(durable.OS, folder.File(name), name, eventfile.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]byte(eventWith("user_id", `"abc"`) + "\n")); err != nil {
		t.Fatal(err)
	}
	info, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if err := folder.Finish(stage.Manifest{Files: []eventfile.Info{info}, Counts: []byte(`{}`)}, map[string]bool{name: true}); err != nil {
		t.Fatal(err)
	}
	aside := filepath.Join(t.TempDir(), "aside")
	s, _ := run(t, Options{Paths: []string{dir}, SetAside: aside})
	if s.Files != 1 || s.Invalid != 1 {
		t.Errorf("summary %+v", s)
	}
	if files := readFolder(t, aside); files["rejected/events/a b.ndjson"] == "" {
		t.Errorf("set aside %v", files)
	}
}

func TestFindingsOfInputs(t *testing.T) {
	path := writeFile(t, "cut.zip", "PK\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x05\x00\x00\x00\x06\x00\x00\x00a.json{\"a\":")
	s, found := run(t, Options{Paths: []string{path}})
	if s.Rules[ruleArchive] != 1 || len(found) == 0 || found[0].Rule != ruleArchive {
		t.Errorf("summary %+v, found %v", s, found)
	}
}

func TestStdin(t *testing.T) {
	text := strings.Repeat(eventWith()+"\n", 3000) + eventWith("user_id", `"abc"`)
	s, found := run(t, Options{Paths: []string{"-"}, Stdin: io.MultiReader(strings.NewReader(text[:7]), strings.NewReader(text[7:]))})
	if s.Read != 3001 || s.Valid != 3000 || len(found) != 1 || found[0].Place != (finding.Place{File: "-", Line: 3001}) {
		t.Errorf("summary %+v, found %v", s, found)
	}
	if _, err := Run(context.Background(), Options{Paths: []string{"-"}}); err == nil {
		t.Error("standard input that is not there was read")
	}
}

// waiting is a standard input that nobody writes to.
type waiting struct {
	asked, end chan struct{}
}

func (w waiting) Read([]byte) (int, error) {
	w.asked <- struct{}{}
	<-w.end
	return 0, io.EOF
}

func TestCancelWhileStdinWaits(t *testing.T) {
	w := waiting{make(chan struct{}), make(chan struct{})}
	defer close(w.end)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := Run(ctx, Options{Paths: []string{"-"}, Stdin: w})
		done <- err
	}()
	<-w.asked
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCancel(t *testing.T) {
	dir := manyInputs(t)
	for _, after := range []int64{0, 1, 500} {
		ctx, cancel := context.WithCancel(context.Background())
		if after == 0 {
			cancel()
		}
		told := int64(0)
		o := Options{Paths: []string{dir}, Jobs: 2, SetAside: filepath.Join(t.TempDir(), "aside"), Sink: func(finding.Finding) {
			if told++; told == after {
				cancel()
			}
		}}
		s, err := Run(ctx, o)
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after %d findings: %v", after, err)
		}
		if s.Errors+s.Warnings+s.Infos != told {
			t.Errorf("after %d findings: summary %+v, told %d", after, s, told)
		}
		for name := range readFolder(t, o.SetAside) {
			if durable.IsTemp(filepath.Base(name)) {
				t.Errorf("after %d findings: %s was left", after, name)
			}
		}
		if _, err := stage.Load(o.SetAside); !errors.Is(err, stage.ErrUnfinished) {
			t.Errorf("after %d findings: the folder is %v", after, err)
		}
	}
}

func TestMissingInput(t *testing.T) {
	_, err := Run(context.Background(), Options{Paths: []string{filepath.Join(t.TempDir(), "nosuch")}})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}
