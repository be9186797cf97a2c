package partition

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
	"export2batch/internal/testfile"
)

// TestConvertedFolderAndItsFilesGiveTheSame reads the same events with the
// checksums and identities of a manifest, and without.
func TestConvertedFolderAndItsFilesGiveTheSame(t *testing.T) {
	samples := randomSamples(rand.New(rand.NewPCG(5, 5)), 500)
	var identities strings.Builder
	for _, s := range samples {
		fmt.Fprintf(&identities, `{"user_id":%q,"device_id":%q}`+"\n", s.user, s.device)
	}
	dir := converted(t, []string{join(samples[:200]), join(samples[200:])}, []string{identities.String()})
	a := options(t, dir)
	a.Jobs = 2
	mustRun(t, a)
	b := options(t, filepath.Join(dir, "events"))
	mustRun(t, b)
	got, want := testfile.Tree(t, a.Out), testfile.Tree(t, b.Out)
	delete(got, "manifest.json") // counts joined devices, some of which are only in the identity files
	delete(want, "manifest.json")
	for name := range got {
		if strings.HasPrefix(name, "identities/") { // named by who was read
			delete(got, name)
		}
	}
	for name := range want {
		if strings.HasPrefix(name, "identities/") {
			delete(want, name)
		}
	}
	sameTree(t, got, want)
}

func TestStandardInput(t *testing.T) {
	samples := randomSamples(rand.New(rand.NewPCG(5, 6)), 300)
	text := join(samples) + "not an event\n"
	o := options(t, "-")
	o.Stdin = strings.NewReader(text)
	var found []finding.Finding
	o.Sink = collect(&found)
	s := mustRun(t, o)
	file := options(t, testfile.Write(t, filepath.Join(t.TempDir(), "x.ndjson"), text))
	mustRun(t, file)
	if got, want := allLines(readPartitions(t, o.Out)), allLines(readPartitions(t, file.Out)); !slices.Equal(got, want) {
		t.Errorf("%d events from standard input, %d from a file", len(got), len(want))
	}
	if len(found) != 1 || found[0].File != "-" || found[0].Line != 301 || s.Rejected != 1 {
		t.Errorf("findings %v, %+v", found, s)
	}
	m, err := stage.Load(o.Out)
	if err != nil || len(m.Inputs) != 1 || m.Inputs[0].Name != "-" || m.Inputs[0].SHA256 == "" {
		t.Errorf("inputs of the manifest: %+v, %v", m, err)
	}

	// Finished, it is compared by content.
	o.Stdin = strings.NewReader(text)
	if s, err := Run(context.Background(), o); err != nil || !s.Finished {
		t.Errorf("the same again: %+v, %v", s, err)
	}
	o.Stdin = strings.NewReader(strings.Replace(text, "user-1", "user-2", 1))
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "other inputs") {
		t.Errorf("other text: %v", err)
	}
	o.Stdin = nil
	if _, err := Run(context.Background(), o); err == nil {
		t.Error("no standard input")
	}
	o.Paths, o.Stdin = []string{"-", "-"}, strings.NewReader(text)
	if _, err := Run(context.Background(), o); err == nil {
		t.Error("standard input twice")
	}
	if _, err := os.Stat(filepath.Join(o.Out, ".work")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf(".work is left: %v", err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestStandardInputThatFails(t *testing.T) {
	o := options(t, "-")
	o.Stdin = io.MultiReader(strings.NewReader(join([]sample{{user: "u", time: 1}})), brokenReader{})
	if err := runError(t, o); !strings.Contains(err, io.ErrClosedPipe.Error()) {
		t.Error(err)
	}
}

// A pipe that nobody writes to does not hold a command that is cancelled.
func TestCancelWhileStandardInputWaits(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	o := options(t, "-")
	o.Stdin = r
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := Run(ctx, o)
		ended <- err
	}()
	io.WriteString(w, sample{user: "u", time: 1}.line())
	w.Write(nil) // until it is asked for more
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestRejectedLines(t *testing.T) {
	text := "   \n" + sample{user: "u", time: 1}.line() + "\r\n\t\r\n" + `{"user_id":"u"}` + "\n{\n" + sample{user: "u", time: 2}.line()
	paths := []string{testfile.Write(t, filepath.Join(t.TempDir(), "a.ndjson"), text), testfile.Write(t, filepath.Join(t.TempDir(), "b.ndjson"), "{\"user_id\":\"\xff\"}\n")}
	for jobs := 1; jobs <= 2; jobs++ {
		o := options(t, paths...)
		o.Jobs = jobs
		var found []finding.Finding
		o.Sink = collect(&found)
		s := mustRun(t, o)
		if s.Read != 5 || s.Written != 2 || s.RejectedBy["missing-time"] != 1 || s.RejectedBy["invalid-json"] != 2 {
			t.Errorf("%+v", s)
		}
		files := testfile.Tree(t, o.Out)
		want := `{"file":"` + paths[0] + `","line":4,"rule":"missing-time","reason":"no time, so the event has no place in the order","text":"{\"user_id\":\"u\"}"}` + "\n"
		if got := files["rejected/input-0000.ndjson"]; !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 2 {
			t.Errorf("set aside: %s", got)
		}
		if got := files["rejected/input-0001.ndjson"]; !strings.Contains(got, `"text_base64"`) {
			t.Errorf("set aside: %s", got)
		}
		if got := rules(found); !slices.Equal(got, []string{"invalid-json", "invalid-json", "missing-time"}) {
			t.Errorf("findings %v", got)
		}
	}
}

// TestLongRejectedLine is kept as it is, in a file of its own.
func TestLongRejectedLine(t *testing.T) {
	line := `{"user_id":"u","x":"` + strings.Repeat("x", source.LongLine) + `"}`
	o := options(t, testfile.Write(t, filepath.Join(t.TempDir(), "a.ndjson"), "{}\n"+line+"\n"))
	if s := mustRun(t, o); s.Rejected != 2 {
		t.Errorf("%+v", s)
	}
	got := testfile.Tree(t, o.Out)
	if got["rejected/input-0000.line-2.raw"] != line || !strings.Contains(got["rejected/input-0000.ndjson"], `input-0000.line-2.raw"`) {
		t.Errorf("%d bytes kept of %d, %.300s", len(got["rejected/input-0000.line-2.raw"]), len(line), got["rejected/input-0000.ndjson"])
	}
}

func TestDamagedInput(t *testing.T) {
	samples := randomSamples(rand.New(rand.NewPCG(9, 9)), 400)
	packed := testfile.Gzip(t, join(samples))
	o := options(t, testfile.Write(t, filepath.Join(t.TempDir(), "cut.ndjson.gz"), packed[:len(packed)/2]))
	var found []finding.Finding
	o.Sink = collect(&found)
	s := mustRun(t, o)
	if s.Damaged != 1 || s.Written < 50 || s.Rejected > 1 || len(found) != 1 || found[0].Rule != "damaged-input" || found[0].Line == 0 {
		t.Errorf("%+v, findings %v", s, found)
	}
}

func TestTooLongLine(t *testing.T) {
	path := testfile.Write(t, filepath.Join(t.TempDir(), "long.ndjson"), `{"user_id":"`+strings.Repeat("x", 33<<20)+"\"}\n")
	if err := runError(t, options(t, path)); !strings.Contains(err, "long.ndjson:1: the line has") {
		t.Error(err)
	}
}

// TestLongLines go through buffers made for shorter ones.
func TestLongLines(t *testing.T) {
	t.Parallel()
	var samples []sample
	for i := range 6 {
		samples = append(samples, sample{user: "u", time: int64(9 - i), insert: fmt.Sprint(i % 5), text: strings.Repeat("x", 150_000*(i%2))})
	}
	want := oracle(samples, Rules{By: ByIdentity, Collisions: Suffix, SharedDeviceUsers: 20})
	for name, l := range memories {
		t.Run(name, func(t *testing.T) {
			o := options(t, files(t, samples, 1)...)
			o.limits = l
			mustRun(t, o)
			want.holds(t, readPartitions(t, o.Out))
		})
	}
}

// TestChecksumsOfTheManifest holds for the checksum of the lines, and for the
// SHA-256 where an older version wrote the manifest.
// Ctrl-C is heeded soon also where each line takes its time.
func TestCancelAmongLongLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ndjson")
	if err := os.WriteFile(path, []byte(strings.Repeat(strings.Repeat("x", longLine+1)+"\n", 9)), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	o := options(t, path)
	o.Jobs, o.Sink = 1, func(finding.Finding) { n++; cancel() }
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%d lines were set aside: %v", n, err)
	}
}

func TestChecksumsOfTheManifest(t *testing.T) {
	one, two := sample{user: "u", time: 1, text: "abc"}.line()+"\n", sample{user: "u", time: 2, text: "abd"}.line()+"\n"
	for _, withLines := range []bool{true, false} {
		for text, want := range map[string]string{
			one + two:       "",
			two + one:       "events/00.ndjson is not the file its manifest.json describes",
			one + one:       "events/00.ndjson is not the file its manifest.json describes",
			one + two + one: "the folder was changed",
		} {
			dir := converted(t, []string{one + two}, []string{`{"user_id":"u"}` + "\n"})
			m, err := stage.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if m.Files[0].Lines == 0 {
				t.Error("the manifest has no checksum of the lines")
			}
			if sum := m.Files[0]; !withLines {
				m.Files[0].Lines = 0
				data, _ := json.Marshal(m)
				testfile.Write(t, filepath.Join(dir, "manifest.json"), string(data))
				m.Files[0] = sum
			}
			testfile.Write(t, filepath.Join(dir, "events/00.ndjson"), text)
			o := options(t, dir)
			if want != "" {
				if err := runError(t, o); !strings.Contains(err, want) {
					t.Errorf("%q: %s", text, err)
				}
				continue
			}
			mustRun(t, o)
			made, err := stage.Load(o.Out)
			if err != nil {
				t.Fatal(err)
			}
			if in := made.Inputs[0]; in.SHA256 != m.Files[0].SHA256 || in.Size != m.Files[0].Bytes {
				t.Errorf("the manifest names %+v of %+v", in, m.Files[0])
			}
			if got := made.Files[0]; got.Lines != m.Files[0].Lines || got.SHA256 != m.Files[0].SHA256 {
				t.Errorf("the same lines have the checksums %+v and %+v", got, m.Files[0])
			}
		}
	}
}

// TestInputThatChangesBetweenThePasses is told by the checksum of its lines,
// also where some of them are no events, or the ids are new.
func TestInputThatChangesBetweenThePasses(t *testing.T) {
	line := func(user, text string) string { return sample{user: user, time: 1, text: text}.line() + "\n" }
	for _, texts := range [][2]string{
		{line("u", "abc"), line("u", "abd")}, // which the second pass does not validate
		{"{broken\n" + line("u", "abc"), "{broken\n" + line("u", "abd")},
		{"{broken\n" + line("u", "abc") + line("u", "d"), "{broken\n" + line("u", "abc")},
		{line("u", "abc"), line("v", "abc")},
	} {
		path := testfile.Write(t, filepath.Join(t.TempDir(), "a.ndjson"), texts[0])
		o := options(t, path)
		o.limits.free = func(string) (int64, error) { // is asked between them
			testfile.Write(t, path, texts[1])
			return -1, nil
		}
		if err := runError(t, o); !strings.Contains(err, "a.ndjson was changed while it was read") {
			t.Errorf("%q: %v", texts, err)
		}
		o.limits.free = nil
		mustRun(t, o)
	}
}

// TestEscapedKeys are read in both passes.
func TestEscapedKeys(t *testing.T) {
	var lines strings.Builder
	for i := range 50 {
		fmt.Fprintf(&lines, `{"user_id":"u%d","device_id":"a%d","event_type":"e","time":1,"insert_id":"i","event_id":1}`+"\n", i, i)
		fmt.Fprintf(&lines, `{"device_id":"b%d","event_type":"e","time":1,"insert_id":"i","event_id":1,"user\u005fid":"u%d","groups":{}}`+"\n", i, i)
	}
	o := options(t, testfile.Write(t, filepath.Join(t.TempDir(), "a.ndjson"), lines.String()))
	o.Rules.By = ByUser
	mustRun(t, o)
	for name, text := range testfile.Tree(t, o.Out) {
		if !strings.HasPrefix(name, "partitions/") {
			continue
		}
		for i := range 50 {
			if n := strings.Count(text, fmt.Sprintf(`:"u%d",`, i)); n != 0 && n != 2 {
				t.Errorf("%s has %d of the 2 events of a user", name, n)
			}
		}
	}
}

func TestFinishedForeignAndUnfinishedFolders(t *testing.T) {
	samples := randomSamples(rand.New(rand.NewPCG(2, 2)), 100)
	paths := files(t, samples, 2)
	o := options(t, paths...)
	first := mustRun(t, o)
	before := testfile.Tree(t, o.Out)

	again, err := Run(context.Background(), o)
	if err != nil || !again.Finished || again.Written != first.Written || again.Hashes != first.Hashes {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	other := o
	other.Paths = paths[:1]
	if _, err := Run(context.Background(), other); err == nil || !strings.Contains(err.Error(), "other inputs") {
		t.Errorf("other inputs: %v", err)
	}
	other = o
	other.Rules.Partitions = 9
	if _, err := Run(context.Background(), other); err == nil || !strings.Contains(err.Error(), "other options") {
		t.Errorf("other options: %v", err)
	}
	sameTree(t, testfile.Tree(t, o.Out), before)

	foreign := options(t, paths...)
	testfile.Write(t, filepath.Join(foreign.Out, "mine.txt"), "keep")
	runError(t, foreign)
	sameTree(t, testfile.Tree(t, foreign.Out), map[string]string{"mine.txt": "keep"})

	// The input is not what this command reads.
	for _, path := range []string{o.Out, filepath.Join(t.TempDir(), "absent"), testfile.Write(t, filepath.Join(t.TempDir(), "x.txt"), "text")} {
		runError(t, options(t, path))
	}
	unfinished := t.TempDir()
	folder, err := stage.Begin(durable.OS, unfinished, stage.Identity{Stage: "convert"})
	if err != nil {
		t.Fatal(err)
	}
	folder.Close()
	if err := runError(t, options(t, unfinished)); !strings.Contains(err, "has not finished") {
		t.Error(err)
	}
}

// TestFinishedFolderOfEditedInputs is refused also where the sizes, and the
// times, are those of before.
func TestFinishedFolderOfEditedInputs(t *testing.T) {
	text := join([]sample{{user: "a", time: 1}, {user: "b", time: 2}})
	packed := string(testfile.Gzip(t, text))
	long := strings.Repeat(sample{user: "a", time: 1, text: strings.Repeat("x", source.MaxLine/16)}.line()+"\n", 17)
	for name, tt := range map[string]struct{ was, now string }{
		"checksum of lines": {text, strings.Replace(text, `"b"`, `"c"`, 1)},
		"another order":     {text, join([]sample{{user: "b", time: 2}, {user: "a", time: 1}})},
		"SHA-256":           {text + `{"user\u005fid":"d"}` + "\n", text + `{"user\u005fid":"e"}` + "\n"},
		"damaged":           {packed[:len(packed)-9], packed[:len(packed)-10] + "x"},
		"a line too long":   {long, strings.ReplaceAll(long, "\n", " ")},
	} {
		t.Run(name, func(t *testing.T) {
			path := testfile.Write(t, filepath.Join(t.TempDir(), "a.ndjson"), tt.was)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			o := options(t, path)
			mustRun(t, o)
			before := testfile.Tree(t, o.Out)
			if s, err := Run(t.Context(), o); err != nil || !s.Finished {
				t.Errorf("the same again: %+v, %v", s, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			testfile.Write(t, path, tt.now)
			if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
			if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "holds the finished result of other inputs") {
				t.Errorf("edited: %v", err)
			}
			sameTree(t, testfile.Tree(t, o.Out), before)
		})
	}
}

func TestEmptyConvertedFolder(t *testing.T) {
	o := options(t, converted(t, nil, nil))
	if s := mustRun(t, o); s.Read != 0 || s.Partitions != 0 {
		t.Errorf("%+v", s)
	}
	if s, err := Check(context.Background(), CheckOptions{Dir: o.Out}); err != nil || s.Findings != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestValidate(t *testing.T) {
	good := Options{Paths: []string{"x"}, Out: "o"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no input":   func(o *Options) { o.Paths = nil },
		"no output":  func(o *Options) { o.Out = "" },
		"jobs":       func(o *Options) { o.Jobs = -1 },
		"partitions": func(o *Options) { o.Rules.Partitions = maxPartitions + 1 },
		"by":         func(o *Options) { o.Rules.By = "name" },
		"shared":     func(o *Options) { o.Rules.SharedDeviceUsers = -1 },
		"hot":        func(o *Options) { o.Rules.Hot = -1 },
		"memory":     func(o *Options) { o.Memory = MinMemory - 1 },
		"collisions": func(o *Options) { o.Rules.Collisions = "x" },
		"compress":   func(o *Options) { o.Rules.Compress = "x" },
	} {
		o := good
		change(&o)
		if o.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := Run(context.Background(), o); err == nil {
			t.Errorf("%s: runs", name)
		}
	}
}
