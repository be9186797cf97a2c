package validate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/testfile"
)

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
			name, data = name+".gz", testfile.Gzip(t, data)
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

func TestOrderIsIndependentOfJobs(t *testing.T) {
	t.Parallel()
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

// tenFindings is an event with ten keys that are not known.
func tenFindings() string {
	var members []string
	for _, name := range numbered(10, "%") {
		members = append(members, name, "1")
	}
	return eventWith(members...)
}

// TestManyFindings has more findings waiting than may, in inputs behind the
// first, which is slow.
func TestManyFindings(t *testing.T) {
	t.Parallel()
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

// TestWaitingResultsAreBounded delivers nothing until everything else stands
// still, then all of it.
func TestWaitingResultsAreBounded(t *testing.T) {
	clean := `{"api_key":"k","events":[{"user_id":"abcdef","event_type":"x","time":1700000000000,"insert_id":"a"}]}` + "\n" // a block of its own
	for _, test := range []struct {
		name   string
		text   string
		copies int // of the input
		most   int // see pipeline.most
		heavy  int // the weight of a result, at most
		found  int64
	}{
		{"findings", strings.Repeat(tenFindings()+"\n", 6*maxWeight/10), 1, maxWeight, 2 * 10 * blockLines, 6 * maxWeight},
		{"no findings", strings.Repeat(clean, 2000), 1, 400, emptyWeight + 1, 0},
		{"many inputs", strings.Repeat(clean, 10), 100, 400, emptyWeight + 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := writeFile(t, "events.json", test.text)
			synctest.Test(t, func(t *testing.T) {
				o := Options{Paths: []string{path}, Jobs: 2, Memory: 2 * blockSize}
				o.setDefaults()
				settings, err := newSettings(&o)
				if err != nil {
					t.Fatal(err)
				}
				set, err := source.Expand(o.Paths, source.Options{})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				inputs := slices.Repeat(set.Inputs, test.copies)
				all := &acrossInputs{repeats: repeats{most: o.Memory}}
				defer all.repeats.close()
				p := newPipeline(&o, settings, inputs, nil, all)
				p.most = test.most
				defer p.start(ctx)(cancel)
				synctest.Wait()
				p.mu.Lock()
				// The blocks that were on their way when the weight was reached come on top.
				weight, bound := p.weight, min(test.copies, o.Jobs)*test.most+test.heavy*(3*o.Jobs+1)
				p.mu.Unlock()
				if weight < test.most || weight > bound {
					t.Errorf("results of weight %d wait, not between %d and %d", weight, test.most, bound)
				}
				all.repeats.mu.Lock()
				held := all.repeats.held
				all.repeats.mu.Unlock()
				if held > o.Memory {
					t.Errorf("%d bytes of insert ids are held, more than %d", held, o.Memory)
				}
				s := Summary{Rules: map[string]int64{}}
				var told int64
				for i := range inputs {
					if err := p.deliver(ctx, i, &s, func(finding.Finding) { told++ }, nil); err != nil {
						t.Fatal(err)
					}
				}
				lines := int64(strings.Count(test.text, "\n") * test.copies)
				if s.Read != lines || told != test.found {
					t.Errorf("%d events read and %d findings told, want %d and %d", s.Read, told, lines, test.found)
				}
				if p.weight != 0 {
					t.Errorf("a weight of %d is left", p.weight)
				}
			})
		})
	}
}
