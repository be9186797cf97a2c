package diff

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/progress"
	"export2batch/internal/stage"
)

// outcome is all that a comparison says.
type outcome struct {
	sum         Summary
	differences []Difference
	findings    []finding.Finding
}

// texts is the text form of everything, without the folder of the test.
func (o outcome) texts(dir string) []string {
	var list []string
	for _, f := range o.findings {
		list = append(list, f.String())
	}
	for _, d := range o.differences {
		list = append(list, d.String())
	}
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], dir+string(filepath.Separator), "")
	}
	return list
}

func compare(t *testing.T, o Options) outcome {
	t.Helper()
	var out outcome
	o.Sink = func(d Difference) { out.differences = append(out.differences, d) }
	o.Findings = func(f finding.Finding) { out.findings = append(out.findings, f) }
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	var err error
	if out.sum, err = Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if !out.sum.Balanced() {
		t.Errorf("not balanced: %+v", out.sum)
	}
	if left, _ := os.ReadDir(o.TempDir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return out
}

// write makes the files a and b of lines and returns options to compare them.
func write(t *testing.T, dir, a, b string) Options {
	t.Helper()
	o := Options{A: []string{filepath.Join(dir, "a.ndjson")}, B: []string{filepath.Join(dir, "b.ndjson")}}
	for name, text := range map[string]string{o.A[0]: a, o.B[0]: b} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b string
		o    Options
		want []string
		sum  Summary
	}{
		{
			name: "same, other order of lines and keys",
			a:    `{"insert_id":"1","device_id":"d","event_properties":{"x":1,"y":[1,2]}}` + "\n" + `{"insert_id":"2"}` + "\n",
			b:    `{"insert_id":"2"}` + "\r\n\r\n" + ` {"event_properties":{"y":[1.0,2e0],"\u0078":1},"insert_id":"\u0031", "device_id":"d"}`,
			sum:  Summary{A: 2, B: 2, Equal: 2},
		},
		{
			name: "changed, missing, extra",
			a:    `{"insert_id":"1","time":1,"event_properties":{"x":1,"gone":2}}` + "\n" + `{"insert_id":"2"}` + "\n",
			b:    `{"insert_id":"3"}` + "\n" + `{"insert_id":"1","time":2,"event_properties":{"x":"1"}}` + "\n",
			want: []string{
				"a.ndjson:1: changed against b.ndjson:2: /event_properties/gone, /event_properties/x, /time",
				`a.ndjson:2: missing: "2"`,
				`b.ndjson:1: extra: "3"`,
			},
			sum: Summary{A: 2, B: 2, Changed: 1, Missing: 1, Extra: 1},
		},
		{
			name: "values only when asked for",
			a:    `{"insert_id":"1","a/b":{"~":[1,{"k":"old"}]},"n":null}` + "\n",
			b:    `{"insert_id":"1","a/b":{"~":[1,{"k":"new"},3]}}` + "\n",
			o:    Options{ShowValues: true},
			want: []string{`a.ndjson:1: changed against b.ndjson:1: /a~1b/~0/1/k ("old" → "new"), /a~1b/~0/2 (absent → 3), /n (null → absent)`},
			sum:  Summary{A: 1, B: 1, Changed: 1},
		},
		{
			name: "one id on two devices is two events",
			a:    `{"insert_id":"1","device_id":"d"}` + "\n",
			b:    `{"insert_id":"1","device_id":"e"}` + "\n",
			want: []string{`a.ndjson:1: missing: "1"`, `b.ndjson:1: extra: "1"`},
			sum:  Summary{A: 1, B: 1, Missing: 1, Extra: 1},
		},
		{
			name: "an ignored device is no part of the key",
			a:    `{"insert_id":"1","device_id":"d"}` + "\n",
			b:    `{"insert_id":"1","device_id":"e"}` + "\n",
			o:    Options{Ignore: []string{"device_id"}},
			sum:  Summary{A: 1, B: 1, Equal: 1},
		},
		{
			name: "ignored keys and pointers",
			a:    `{"insert_id":"1","library":"x","event_properties":{"a":1,"b":2},"l":[1,2]}` + "\n",
			b:    `{"insert_id":"1","event_properties":{"a":9,"b":3},"l":[1]}` + "\n",
			o:    Options{Ignore: []string{"library", "/event_properties/a", "/l/1"}},
			want: []string{"a.ndjson:1: changed against b.ndjson:1: /event_properties/b"},
			sum:  Summary{A: 1, B: 1, Changed: 1},
		},
		{
			name: "equal content is matched first, then input order",
			a:    `{"insert_id":"1","v":1}` + "\n" + `{"insert_id":"1","v":2}` + "\n" + `{"insert_id":"1","v":3}` + "\n",
			b:    `{"insert_id":"1","v":3}` + "\n" + `{"insert_id":"1","v":4}` + "\n",
			want: []string{"a.ndjson:1: changed against b.ndjson:2: /v", `a.ndjson:2: missing: "1"`},
			sum:  Summary{A: 3, B: 2, Equal: 1, Changed: 1, Missing: 1, Duplicates: 3},
		},
		{
			name: "the same event more often",
			a:    strings.Repeat(`{"insert_id":"1","v":1}`+"\n", 2),
			b:    strings.Repeat(`{"v":1,"insert_id":"1"}`+"\n", 4),
			want: []string{`b.ndjson:3: extra: "1"`, `b.ndjson:4: extra: "1"`},
			sum:  Summary{A: 2, B: 4, Equal: 2, Extra: 2, Duplicates: 4},
		},
		{
			name: "another key",
			a:    `{"uuid":7,"v":1}` + "\n" + `{"uuid":8}` + "\n",
			b:    `{"uuid":7.0,"v":2}` + "\n",
			o:    Options{Key: "uuid"},
			want: []string{"a.ndjson:1: changed against b.ndjson:1: /v", "a.ndjson:2: missing"},
			sum:  Summary{A: 2, B: 1, Changed: 1, Missing: 1},
		},
		{
			name: "lines that are no events",
			a:    "{\"insert_id\":\"1\"}\nnot json\n[1]\n{\"insert_id\":null}\n{\"insert_id\":\"\"}\n{\"insert_id\":\"2\",\"insert_id\":\"2\"}\n",
			b:    "{\"insert_id\":\"1\"}\n{\"v\":\"\xff\"}\n",
			want: []string{
				"a.ndjson:2: byte 1: not an object [invalid-json]",
				"a.ndjson:3: byte 1: not an object [invalid-json]",
				"a.ndjson:4: no insert_id to match the event by [no-key]",
				"a.ndjson:5: no insert_id to match the event by [no-key]",
				"a.ndjson:6: byte 19: a key occurs twice [invalid-json]",
				"b.ndjson:2: byte 7: not UTF-8 [invalid-json]",
			},
			sum: Summary{A: 6, B: 2, Equal: 1, WithoutKey: Sides{5, 1}},
		},
		{
			name: "the exact value of numbers",
			a:    numbered("1.0", "1e2", "9007199254740993", "-0", "0.10", "1e400", "12e-1"),
			b:    numbered("1", "100", "9007199254740992", "0", "1E-1", "10e399", "1.20"),
			want: []string{"a.ndjson:3: changed against b.ndjson:3: /n"},
			sum:  Summary{A: 7, B: 7, Equal: 6, Changed: 1},
		},
		{
			name: "pointers and texts with control characters stay on one line",
			a:    `{"insert_id":"a\nb","p\nq":1}` + "\n" + `{"insert_id":"\u001b[2J"}` + "\n",
			b:    `{"insert_id":"a\nb","p\nq":2}` + "\n",
			want: []string{`a.ndjson:1: changed against b.ndjson:1: /p\nq`, `a.ndjson:2: missing: "\x1b[2J"`},
			sum:  Summary{A: 2, B: 1, Changed: 1, Missing: 1},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			o := write(t, dir, tt.a, tt.b)
			o.Key, o.Ignore, o.ShowValues = tt.o.Key, tt.o.Ignore, tt.o.ShowValues
			got := compare(t, o)
			if got.sum != tt.sum {
				t.Errorf("summary %+v, want %+v", got.sum, tt.sum)
			}
			if texts := got.texts(dir); !slices.Equal(texts, tt.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(texts, "\n     "), strings.Join(tt.want, "\n     "))
			}
			if same := len(tt.want) == 0; got.sum.Same() != same {
				t.Errorf("Same is %t", !same)
			}
		})
	}
}

func numbered(numbers ...string) string {
	var b strings.Builder
	for i, n := range numbers {
		fmt.Fprintf(&b, "{\"insert_id\":\"i%d\",\"n\":%s}\n", i, n)
	}
	return b.String()
}

func TestJSONForm(t *testing.T) {
	dir := t.TempDir()
	o := write(t, dir, `{"insert_id":"1","v":"secret"}`+"\n", `{"insert_id":"1","v":2}`+"\n")
	for _, tt := range []struct {
		show bool
		want string
	}{
		{false, `{"type":"difference","kind":"changed","insert_id":"1","a":{"file":"a.ndjson","line":1},"b":{"file":"b.ndjson","line":1},"pointers":["/v"]}`},
		{true, `{"type":"difference","kind":"changed","insert_id":"1","a":{"file":"a.ndjson","line":1},"b":{"file":"b.ndjson","line":1},"pointers":["/v"],"values":[{"a":"secret","b":2}]}`},
	} {
		o.ShowValues = tt.show
		out := compare(t, o)
		data, err := json.Marshal(out.differences[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(string(data), dir+"/", ""); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
		data, err = json.Marshal(out.sum)
		if want := `{"a":1,"b":1,"equal":0,"changed":1,"missing":0,"extra":0,"duplicates":0}`; err != nil || string(data) != want {
			t.Errorf("summary %s (%v), want %s", data, err, want)
		}
	}
}

func TestOtherKeyIsShownOnlyWhenAskedFor(t *testing.T) {
	o := write(t, t.TempDir(), `{"user_id":"someone"}`+"\n", `{"user_id":"else"}`+"\n")
	o.Key = "user_id"
	if got := compare(t, o).differences[0].Key; got != nil {
		t.Errorf("the key is shown: %s", got)
	}
	o.ShowValues = true
	if got := string(compare(t, o).differences[0].Key); got != `"someone"` {
		t.Errorf("the key is %s", got)
	}
}

func TestManyDifferencesAreCountedBeyondTheLimit(t *testing.T) {
	var a, b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&a, "{\"insert_id\":\"a%d\"}\n", i)
		fmt.Fprintf(&b, "{\"insert_id\":\"b%d\"}\n", i)
	}
	dir := t.TempDir()
	o := write(t, dir, a.String(), b.String())
	o.MaxDifferences = 3
	got := compare(t, o)
	if want := (Summary{A: 100, B: 100, Missing: 100, Extra: 100, Omitted: 197}); got.sum != want {
		t.Errorf("summary %+v, want %+v", got.sum, want)
	}
	if want := []string{`a.ndjson:1: missing: "a0"`, `a.ndjson:2: missing: "a1"`, `a.ndjson:3: missing: "a2"`}; !slices.Equal(got.texts(dir), want) {
		t.Errorf("got %q, want %q", got.texts(dir), want)
	}
}

func TestManyPointersAreCut(t *testing.T) {
	o := write(t, t.TempDir(), `{"insert_id":"1","l":[`+strings.Repeat("1,", 149)+`1]}`, `{"insert_id":"1","l":[`+strings.Repeat("2,", 149)+`2]}`)
	d := compare(t, o).differences[0]
	if len(d.Pointers) != 100 || d.More != 50 || !strings.HasSuffix(d.String(), "/l/99, 50 more") {
		t.Errorf("%d pointers and %d more: %s", len(d.Pointers), d.More, d)
	}
}

func TestDamagedInput(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.ndjson.gz")
	w, err := eventfile.Create(durable.OS, path, "a", eventfile.Gzip)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]byte(`{"insert_id":"1"}` + "\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	o := write(t, dir, "", `{"insert_id":"1"}`+"\n")
	o.A = []string{path}
	if err := os.WriteFile(path, data[:len(data)-4], 0o666); err != nil {
		t.Fatal(err)
	}
	got := compare(t, o)
	if want := (Summary{A: 1, B: 1, Equal: 1, Damaged: 1}); got.sum != want || got.sum.Same() {
		t.Errorf("summary %+v, want %+v", got.sum, want)
	}
	if want := []string{"a.ndjson.gz: the data is cut short [damaged-input]"}; !slices.Equal(got.texts(dir), want) {
		t.Errorf("got %q, want %q", got.texts(dir), want)
	}
}

func TestStageFolderAgainstFiles(t *testing.T) {
	dir := t.TempDir()
	folder, err := stage.Begin(durable.OS, filepath.Join(dir, "stage"), stage.Identity{Stage: "convert", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	w, err := eventfile.Create(durable.OS, folder.File("events/x.ndjson.zst"), "events/x.ndjson.zst", eventfile.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(`{"insert_id":"1","time":1}` + "\n"))
	info, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	o := write(t, dir, "", `{"insert_id":"1","time":2}`+"\n")
	o.A = []string{folder.Path}
	if _, err := Run(context.Background(), o); !errors.Is(err, stage.ErrUnfinished) {
		t.Errorf("an unfinished folder gives %v", err)
	}
	if err := folder.Finish(stage.Manifest{Files: []eventfile.Info{info}}, map[string]bool{info.Name: true}); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.FromSlash("stage/events/x.ndjson.zst:1: changed against b.ndjson:1: /time")}
	if got := compare(t, o).texts(dir); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestErrors(t *testing.T) {
	o := write(t, t.TempDir(), `{"insert_id":"1"}`, `{"insert_id":"1"}`)
	with := func(change func(*Options)) Options { c := o; change(&c); return c }
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		o    Options
		want string
		is   error
	}{
		{name: "one set", o: with(func(o *Options) { o.B = nil }), want: "two sets"},
		{name: "standard input", o: with(func(o *Options) { o.A = []string{"-"} }), want: "standard input"},
		{name: "no such file", o: with(func(o *Options) { o.A = []string{"nowhere"} }), is: fs.ErrNotExist},
		{name: "pointer", o: with(func(o *Options) { o.Ignore = []string{"/a~2"} }), want: "not a JSON pointer"},
		{name: "empty name", o: with(func(o *Options) { o.Ignore = []string{""} }), want: "name of a key"},
		{name: "negative", o: with(func(o *Options) { o.Workers = -1 }), want: "negative"},
		{name: "interrupted", ctx: canceled, o: o, is: context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := tt.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			_, err := Run(ctx, tt.o)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q %v", err, tt.want, tt.is)
			}
		})
	}
}

// Lines that have no key do not keep a comparison from ending.
func TestCancelAmongLinesWithoutKey(t *testing.T) {
	o := write(t, t.TempDir(), strings.Repeat("{}\n", 9000), "")
	o.Meter = &progress.Meter{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) || o.Meter.Events() > 1024 {
		t.Errorf("after %d lines: %v", o.Meter.Events(), err)
	}
}

func TestSecondReadSeesAChange(t *testing.T) {
	dir := t.TempDir()
	o := write(t, dir, `{"insert_id":"1","v":1}`+"\nbad\n", `{"insert_id":"1","v":2}`+"\n")
	// The finding comes between the two readings.
	o.Findings = func(finding.Finding) {
		write(t, dir, `{"insert_id":"1","v":3}`+"\nbad\n", `{"insert_id":"1","v":2}`+"\n")
	}
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "a.ndjson:1 was changed while it was compared") {
		t.Errorf("error %v", err)
	}
}

func TestMeter(t *testing.T) {
	o := write(t, t.TempDir(), `{"insert_id":"1"}`+"\n", `{"insert_id":"1"}`+"\n")
	o.Meter = &progress.Meter{}
	compare(t, o)
	var want progress.Meter
	want.SetTotal(36)
	want.Add(2, 36)
	if !reflect.DeepEqual(o.Meter, &want) {
		t.Errorf("meter %+v, want %+v", o.Meter, &want)
	}
}
