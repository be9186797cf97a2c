package convert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/stage"
	"export2batch/internal/testfile"
)

// lines joins lines as a file has them.
func lines(list ...string) string { return strings.Join(list, "\n") + "\n" }

// numbered makes n events with different insert ids.
func numbered(n int, members ...string) (list []string) {
	for i := range n {
		list = append(list, exportLine(append([]string{"$insert_id", fmt.Sprintf(`"i%d"`, i), "event_id", fmt.Sprint(i)}, members...)...))
	}
	return list
}

// events maps lines one by one, as the event file of an input must hold them.
func events(list ...string) string {
	var b strings.Builder
	m := newMapper(compiled(ruleSets[0]))
	for _, l := range list {
		out, _ := m.event(nil, []byte(l))
		b.Write(out)
	}
	return b.String()
}

func TestOneEventFileAnInput(t *testing.T) {
	in := t.TempDir()
	first, second := numbered(3), numbered(2, "user_id", `"u"`)
	testfile.Write(t, filepath.Join(in, "p", "p_2023-01-02_2#0.json.gz"), testfile.Gzip(t, lines(first...)))
	testfile.Write(t, filepath.Join(in, "p", "p_2023-01-02_10#0.json.gz"), testfile.Gzip(t, lines(second...)))
	testfile.Write(t, filepath.Join(in, "-1", "-1_2023-01-02_2.json"), []byte(lines(`{"merge_time":"x","amplitude_id":1,"merged_amplitude_id":2}`)))
	testfile.Write(t, filepath.Join(in, "README.txt"), []byte("hello"))
	testfile.Write(t, filepath.Join(in, "bad.json"), []byte("{]\n"+exportLine()+"\n"))

	r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{in}})
	const device = `{"device_id":"device1"}` + "\n"
	want := map[string]string{
		"events/-1/-1_2023-01-02_2.ndjson":      "",
		"events/bad.ndjson":                     events(exportLine()),
		"events/p/p_2023-01-02_2#0.ndjson":      events(first...),
		"events/p/p_2023-01-02_10#0.ndjson":     events(second...),
		"identities/-1/-1_2023-01-02_2.ndjson":  `{"amplitude_id":1,"merged_amplitude_id":2}` + "\n",
		"identities/bad.ndjson":                 device,
		"identities/p/p_2023-01-02_2#0.ndjson":  device,
		"identities/p/p_2023-01-02_10#0.ndjson": `{"user_id":"u","device_id":"device1"}` + "\n",
		"rejected/bad.ndjson": string(finding.AppendRejected(nil,
			finding.Place{File: filepath.Join(in, "bad.json"), Line: 1}, ruleInvalidJSON, "byte 2: a key is expected", []byte("{]"))),
	}
	var m stage.Manifest
	if err := json.Unmarshal([]byte(r.files["manifest.json"]), &m); err != nil {
		t.Fatal(err)
	}
	delete(r.files, "manifest.json")
	sameTree(t, r.files, want)

	var names []string
	for _, f := range m.Files {
		names = append(names, fmt.Sprintf("%s %d", f.Name, f.Events))
	}
	if want := []string{ // hour 2 before hour 10
		"events/-1/-1_2023-01-02_2.ndjson 0", "events/bad.ndjson 1",
		"events/p/p_2023-01-02_2#0.ndjson 3", "events/p/p_2023-01-02_10#0.ndjson 2",
	}; !slices.Equal(names, want) {
		t.Errorf("manifest names %q, want %q", names, want)
	}
	if len(m.Extra) != 4 || m.Extra[3].Events != 1 || m.Stage != StageName {
		t.Errorf("manifest %+v", m)
	}
	sameSummary(t, r.Summary, Summary{
		Counts: stage.Counts{Read: 7, Written: 6, Rejected: 1, RejectedBy: map[string]int64{ruleInvalidJSON: 1}},
		Files:  4, Ignored: 1, MergedIDFiles: 1, MergedIDLines: 1, InsertIDs: map[string]int64{"export": 6}, Lost: map[string]int64{},
	})
	if len(r.findings) != 1 || !strings.HasSuffix(r.findings[0], "bad.json:1: byte 2: a key is expected [invalid-json]") {
		t.Errorf("findings %q", r.findings)
	}
	var counts Summary
	if err := json.Unmarshal(m.Counts, &counts); err != nil || counts.Read != 7 {
		t.Errorf("counts of the manifest: %+v, %v", counts, err)
	}
}

// The manifest says what the files hold, for each compression.
func TestManifestDescribesFiles(t *testing.T) {
	in := testfile.Write(t, filepath.Join(t.TempDir(), "in.json"), []byte(lines(
		exportLine("event_time", `"1970-01-01 00:00:05"`), exportLine("event_time", `"1970-01-01 00:00:02"`), exportLine("event_time", `"1970-01-01 00:00:09"`))))
	for _, c := range []eventfile.Compression{eventfile.Zstd, eventfile.Gzip, eventfile.None} {
		r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{in}, Compress: c})
		var m stage.Manifest
		if err := json.Unmarshal([]byte(r.files["manifest.json"]), &m); err != nil {
			t.Fatal(err)
		}
		f := m.Files[0]
		if f.Name != "events/in"+c.Suffix() || f.Bytes != int64(len(r.files[f.Name])) || f.Events != 3 || *f.FirstTime != 2000 || *f.LastTime != 9000 {
			t.Errorf("%s: %+v", c, f)
		}
		if got := string(m.Options); !strings.Contains(got, `"compress": "`+string(c)+`"`) || !strings.Contains(got, `"user_properties": "skip"`) {
			t.Errorf("options %s", got)
		}
	}
}

func TestBlankLinesAndLineEnds(t *testing.T) {
	two := numbered(2)
	in := t.TempDir()
	for name, text := range map[string]string{
		"plain":    lines(two...),
		"crlf":     two[0] + "\r\n" + two[1] + "\r\n",
		"blank":    "\n \n" + two[0] + "\n\r\n\t\n" + two[1] + "\n\n",
		"no end":   two[0] + "\n" + two[1],
		"mark":     "\xef\xbb\xbf" + lines(two...),
		"mark too": "\xef\xbb\xbf\r\n" + lines(two...),
	} {
		r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{testfile.Write(t, filepath.Join(in, name+".json"), []byte(text))}})
		if got := r.files["events/"+name+".ndjson"]; got != events(two...) || r.Read != 2 || r.Written != 2 {
			t.Errorf("%s: %+v\n%s", name, r.Summary, got)
		}
	}
	// The number of a line counts the blank ones.
	r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{testfile.Write(t, filepath.Join(in, "b.json"), []byte("\n\r\nbad\n"))}})
	if len(r.findings) != 1 || !strings.Contains(r.findings[0], "b.json:3: ") {
		t.Errorf("findings %q", r.findings)
	}
}

// Inputs of the same name get files of their own.
func TestNameCollisions(t *testing.T) {
	in := t.TempDir()
	var paths []string
	for i, name := range []string{"a/x.json", "b/x.json.gz", "c/X.ndjson", "x~2.json"} {
		text := []byte(lines(numbered(i + 1)...))
		if strings.HasSuffix(name, ".gz") {
			text = testfile.Gzip(t, string(text))
		}
		paths = append(paths, testfile.Write(t, filepath.Join(in, name), text))
	}
	r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: paths})
	for name, n := range map[string]int{"x": 1, "x~2": 2, "X~3": 3, "x~2~2": 4} {
		if got := r.files["events/"+name+".ndjson"]; got != events(numbered(n)...) {
			t.Errorf("%s holds %d lines, want %d", name, strings.Count(got, "\n"), n)
		}
	}
	// The same file twice is converted twice: that is for partition to find.
	r = convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{paths[0], paths[0]}})
	if r.Written != 2 || r.files["events/x.ndjson"] != r.files["events/x~2.ndjson"] {
		t.Errorf("the same input twice: %+v", r.Summary)
	}
}

// A file and a folder (or an archive) can have names that meet in the output.
func TestFolderNamedLikeAFile(t *testing.T) {
	in := t.TempDir()
	testfile.Write(t, filepath.Join(in, "x.ndjson", "y.json"), []byte(lines(numbered(1)...)))
	testfile.Write(t, filepath.Join(in, "x.json"), []byte(lines(numbered(2)...)+"bad\n"))
	testfile.Write(t, filepath.Join(in, "z.ndjson"), []byte(lines(numbered(3)...)+"bad\n"))
	testfile.Write(t, filepath.Join(in, "z.ndjson.zip"), zipped(t, packed{"z.ndjson", []byte(lines(numbered(4)...) + "bad\n")}))
	r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{in}})
	if r.Written != 10 || r.Rejected != 3 || r.Files != 4 {
		t.Errorf("%+v", r.Summary)
	}
}

// The same bytes, whatever the number of inputs converted at once, and no
// other files.
func TestJobsDoNotChangeTheOutput(t *testing.T) {
	in, list := t.TempDir(), generated(t, 400)
	for i := range 12 {
		part := list[i*len(list)/12 : (i+1)*len(list)/12]
		testfile.Write(t, filepath.Join(in, fmt.Sprintf("f%d.json.gz", i)), testfile.Gzip(t, lines(append(slices.Clone(part), "bad", `{"event_type":1}`)...)))
	}
	for _, c := range []eventfile.Compression{eventfile.None, eventfile.Zstd, eventfile.Gzip} {
		var first result
		for jobs := 1; jobs <= 4; jobs++ {
			r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{in}, Jobs: jobs, Compress: c})
			slices.Sort(r.findings)
			if jobs == 1 {
				first = r
				if r.Read != int64(len(list)+24) || r.Rejected != 24 || len(r.files) != 12*3+1 || len(r.findings) != 24 {
					t.Errorf("%d files, %+v", len(r.files), r.Summary)
				}
				continue
			}
			sameTree(t, r.files, first.files)
			sameSummary(t, r.Summary, first.Summary)
			if !slices.Equal(r.findings, first.findings) {
				t.Errorf("%d jobs: findings %q", jobs, r.findings)
			}
		}
	}
}

func TestStandardInput(t *testing.T) {
	two := numbered(2)
	for name, text := range map[string]string{"text": lines(two...), "gzip": string(testfile.Gzip(t, lines(two...)))} {
		out := filepath.Join(t.TempDir(), "out")
		o := Options{Paths: []string{"-"}, Stdin: strings.NewReader(text)}
		r := convertTo(t, out, o)
		if r.files["events/stdin.ndjson"] != events(two...) {
			t.Errorf("%s: %q", name, r.files)
		}
		o.Stdin = strings.NewReader(text)
		if again := convertTo(t, out, o); !again.Finished {
			t.Errorf("%s: the same once more: %+v", name, again.Summary)
		}
		o.Stdin = strings.NewReader(text + text)
		if _, err := tryConvert(t, out, o); !errors.Is(err, errOtherInputs) {
			t.Errorf("%s: other text: %v", name, err)
		}
	}
	if _, err := tryConvert(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{"-"}}); err == nil {
		t.Error("without a standard input there is nothing to read")
	}
}

// A pipe that nobody writes to does not hold a conversion that is cancelled, and
// what it gave is not taken for an input that was cut short.
func TestCancelWhileStandardInputWaits(t *testing.T) {
	for _, text := range []string{"", lines(numbered(900)...)} {
		r, w := io.Pipe()
		defer w.Close()
		out := filepath.Join(t.TempDir(), "out")
		ctx, cancel := context.WithCancel(t.Context())
		o := Options{Paths: []string{"-"}, Stdin: r, Out: out, Sink: func(f finding.Finding) { t.Errorf("found %s", f) }}
		ended := make(chan error)
		go func() {
			_, err := Run(ctx, o)
			ended <- err
		}()
		io.WriteString(w, text)
		w.Write(nil) // until it is asked for more
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("behind %d bytes: %v", len(text), err)
		}
		if files := tree(t, out); len(files) > 0 {
			t.Errorf("left %q", slices.Collect(maps.Keys(files)))
		}
	}
}

// A conversion stops soon also where each line takes its time.
func TestCancelAmongLongLines(t *testing.T) {
	in := testfile.Write(t, filepath.Join(t.TempDir(), "a.json"), []byte(strings.Repeat(strings.Repeat("x", flushAt+1)+"\n", 9)))
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	o := Options{Paths: []string{in}, Out: filepath.Join(t.TempDir(), "out"), Version: "test", Compress: eventfile.None, Sink: func(finding.Finding) { n++; cancel() }}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%d lines were set aside: %v", n, err)
	}
}

// The output may lie in the folder that is read.
func TestOutputInsideTheInput(t *testing.T) {
	in := t.TempDir()
	testfile.Write(t, filepath.Join(in, "a.json"), []byte(lines(numbered(2)...)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := Options{Paths: []string{in}, Out: filepath.Join(in, "out"), Version: "test", Compress: eventfile.None}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for _, finished := range []bool{false, true} {
		if r := convertTo(t, o.Out, o); r.Read != 2 || r.Files != 1 || r.Finished != finished {
			t.Errorf("%+v", r.Summary)
		}
	}
}

func TestMixedInsertIDsAreRefused(t *testing.T) {
	in := t.TempDir()
	with := testfile.Write(t, filepath.Join(in, "with.json"), []byte(lines(append(numbered(1, "$insert_id", `null`), numbered(2)...)...)))
	nulls := testfile.Write(t, filepath.Join(in, "nulls.json"), []byte(lines(numbered(minToJudge, "$insert_id", "null", "uuid", `"u"`)...)))
	without := testfile.Write(t, filepath.Join(in, "without.json"), []byte(lines(numbered(minToJudge, "$insert_id", "", "uuid", `"u"`)...)))
	few := testfile.Write(t, filepath.Join(in, "few.json"), []byte(lines(numbered(minToJudge-1, "$insert_id", "", "uuid", `"u"`)...)))
	for _, tt := range []struct {
		paths   []string
		rule    string
		refused bool
	}{
		{[]string{with, without}, InsertIDAuto, true},
		{[]string{without, with}, InsertIDAuto, true},
		{[]string{nulls, without}, InsertIDAuto, true},
		{[]string{with, without}, InsertIDUUID, false},
		{[]string{with, nulls}, InsertIDAuto, false},
		{[]string{with, few}, InsertIDAuto, false},
		{[]string{without, few}, InsertIDAuto, false},
	} {
		for jobs := 1; jobs <= 2; jobs++ {
			out := filepath.Join(t.TempDir(), "out")
			o := Options{Paths: tt.paths, Rules: Rules{InsertID: tt.rule}, Jobs: jobs}
			r, err := tryConvert(t, out, o)
			if refused := errors.Is(err, ErrMixedInsertIDs); refused != tt.refused || (err != nil) != tt.refused {
				t.Errorf("%q %s: %v", tt.paths, tt.rule, err)
			}
			if _, ok := r.files["manifest.json"]; ok == tt.refused {
				t.Errorf("%q %s: manifest %v", tt.paths, tt.rule, ok)
			}
			if !tt.refused {
				continue
			}
			if !strings.Contains(err.Error(), "--insert-id uuid") || !strings.Contains(err.Error(), "without.json") {
				t.Errorf("the message is %q", err)
			}
			if _, err := tryConvert(t, out, o); !errors.Is(err, ErrMixedInsertIDs) {
				t.Errorf("%q once more: %v", tt.paths, err)
			}
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Paths: []string{"x"}, Out: "out"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for word, change := range map[string]func(*Options){
		"input":           func(o *Options) { o.Paths = nil },
		"-o DIR":          func(o *Options) { o.Out = "" },
		"jobs":            func(o *Options) { o.Jobs = -1 },
		"compression":     func(o *Options) { o.Compress = "rar" },
		"--insert-id":     func(o *Options) { o.Rules.InsertID = "x" },
		"--identify":      func(o *Options) { o.Rules.Identify = "x" },
		"user-properties": func(o *Options) { o.Rules.UserProperties = "x" },
	} {
		o := good
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%s: run all the same", word)
		}
	}
	if _, err := os.Stat("out"); err == nil {
		t.Error("a folder was made")
	}
}

func TestFinishedFolder(t *testing.T) {
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	a := testfile.Write(t, filepath.Join(in, "a.json"), []byte(lines(append(numbered(3), "bad")...)))
	b := testfile.Write(t, filepath.Join(in, "b.zip"), brokenCRC(t, packed{"b.json", []byte(lines(numbered(2)...))}))
	o := Options{Paths: []string{a, b}}
	first := convertTo(t, out, o)
	if first.Damaged != 1 || first.Written != 5 {
		t.Fatalf("%+v", first.Summary)
	}
	again := convertTo(t, out, o)
	if !again.Finished || first.Finished {
		t.Errorf("finished: first %v, again %v", first.Finished, again.Finished)
	}
	sameTree(t, again.files, first.files)
	sameSummary(t, again.Summary, first.Summary)

	for name, change := range map[string]func(*Options){
		"fewer inputs":    func(o *Options) { o.Paths = o.Paths[:1] },
		"more inputs":     func(o *Options) { o.Paths = append(slices.Clone(o.Paths), a) },
		"order":           func(o *Options) { o.Paths = []string{b, a} },
		"user properties": func(o *Options) { o.Rules.UserProperties = Sync },
		"insert id":       func(o *Options) { o.Rules.InsertID = InsertIDUUID },
		"identify":        func(o *Options) { o.Rules.Identify = Keep },
		"compression":     func(o *Options) { o.Compress = eventfile.Gzip },
		"a changed input": func(o *Options) { // of the same size
			testfile.Write(t, a, []byte(strings.Replace(lines(append(numbered(3), "bad")...), "device1", "device2", 1)))
		},
	} {
		o := o
		change(&o)
		r, err := tryConvert(t, out, o)
		if err == nil || !strings.Contains(err.Error(), out) {
			t.Errorf("%s: %v", name, err)
		}
		sameTree(t, r.files, first.files)
		testfile.Write(t, a, []byte(lines(append(numbered(3), "bad")...)))
	}
}

func TestFolderOfOthersIsNotTouched(t *testing.T) {
	in := testfile.Write(t, filepath.Join(t.TempDir(), "a.json"), []byte(lines(numbered(1)...)))
	for name, content := range map[string]string{
		"notes.txt": "mine", "manifest.json": `{"name":"a web app"}`, "events/x": "", "a.tmp": "",
	} {
		out := t.TempDir()
		testfile.Write(t, filepath.Join(out, name), []byte(content))
		r, err := tryConvert(t, out, Options{Paths: []string{in}})
		if err == nil || !strings.Contains(err.Error(), out) {
			t.Errorf("%s: %v", name, err)
		}
		if !maps.Equal(r.files, map[string]string{name: content}) {
			t.Errorf("%s: left %q", name, r.files)
		}
	}
}

// An input changes while the folder is unfinished: it is converted again.
func TestChangedInputIsConvertedAgain(t *testing.T) {
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	a := testfile.Write(t, filepath.Join(in, "a.json"), []byte(lines(append(numbered(2), "bad")...)))
	b := testfile.Write(t, filepath.Join(in, "b.json"), []byte(lines(numbered(1)...)))
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{Paths: []string{a, b}, Out: out, Version: "test", Compress: eventfile.None, Sink: func(finding.Finding) { cancel() }}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if files := tree(t, out); files["events/a.ndjson"] == "" || files["manifest.json"] != "" {
		t.Fatalf("after the stop: %q", slices.Collect(maps.Keys(files)))
	}
	testfile.Write(t, a, []byte(lines(numbered(5)...)))
	r := convertTo(t, out, o)
	want := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: o.Paths})
	if !reflect.DeepEqual(r.files, want.files) || r.Written != 6 {
		sameTree(t, r.files, want.files)
		t.Errorf("%+v", r.Summary)
	}
}
