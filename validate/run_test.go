package validate

import (
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
	"export2batch/internal/stage"
	"export2batch/internal/testfile"
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

// TestLinesOfAllLengths has lines as long as blocks among short ones, so that
// memory which has grown for some is used for others.
func TestLinesOfAllLengths(t *testing.T) {
	var text strings.Builder
	n := 0
	for range 4 {
		for _, length := range []int{400_000, 150_000, 700_000} {
			for _, long := range []int{length, 300} {
				for range 1 + 300_000/long {
					fmt.Fprintln(&text, eventWith("insert_id", fmt.Sprintf(`"i%d"`, n), "event_properties", `{"p":"`+strings.Repeat("x", long)+`"}`))
					n++
				}
			}
		}
	}
	compressed := string(testfile.Gzip(t, text.String()))
	for _, path := range []string{writeFile(t, "a.ndjson", text.String()), writeFile(t, "a.ndjson.gz", compressed)} {
		for _, jobs := range []int{1, 2} {
			if s, _ := run(t, Options{Paths: []string{path}, Jobs: jobs}); s.Read != int64(n) || s.Invalid != 0 {
				t.Errorf("%s, %d jobs: %d of %d events, %d invalid", path, jobs, s.Read, n, s.Invalid)
			}
		}
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

// TestRefusedInputs sees that what is not read is told, and fails but for what
// is hidden.
func TestRefusedInputs(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.json.gz": "", "b.parquet": "PAR1xxxxPAR1", "c.ndjson": eventWith() + "\n", ".e.ndjson": "{}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "d")); err != nil {
		t.Skip(err)
	}
	s, found := run(t, Options{Paths: []string{dir}})
	var rules []string
	for _, f := range found {
		rules = append(rules, f.Rule)
		if (f.Severity == finding.Error) != (f.Rule != ruleHiddenFile) || !isRule(f.Rule) {
			t.Errorf("found %v", f)
		}
	}
	slices.Sort(rules)
	if want := []string{ruleEmptyFile, ruleHiddenFile, ruleLinkedFolder, ruleParquet}; !slices.Equal(rules, want) || s.Read != 1 {
		t.Errorf("found %q, want %q", rules, want)
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
	t.Parallel()
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
