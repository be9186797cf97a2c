package convert

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/finding"
	"export2batch/internal/testfile"
)

// memberFile is a file of n gzip members of per lines each, and where they begin.
func memberFile(t *testing.T, list []string, per int) (data []byte, starts []int) {
	t.Helper()
	for part := range slices.Chunk(list, per) {
		starts = append(starts, len(data))
		data = append(data, testfile.Gzip(t, lines(part...))...)
	}
	return data, starts
}

// Whatever byte of a gzip member is damaged, the events of all other members
// are converted, each once, in their order.
func TestDamagedMember(t *testing.T) {
	list := numbered(40, "city", `"München"`)
	data, starts := memberFile(t, list, 8)
	want := events(list...)
	in := t.TempDir()
	for at := starts[1]; at < starts[2]; at += 7 {
		for how, change := range map[string]func([]byte) []byte{
			"flipped": func(b []byte) []byte { b[at] ^= 0x5a; return b },
			"zeroed":  func(b []byte) []byte { clear(b[at:min(at+16, starts[2])]); return b },
			"cut out": func(b []byte) []byte { return slices.Delete(b, at, starts[2]) },
			"garbage": func(b []byte) []byte { return slices.Insert(b, at, []byte("garbage\x1f\x8b\x08 in between")...) },
		} {
			damaged := change(slices.Clone(data))
			path := testfile.Write(t, filepath.Join(in, "a.json.gz"), damaged)
			r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{path}})
			got := r.files["events/a.ndjson"]
			for i, event := range strings.SplitAfter(want, "\n")[:40] {
				if other := i < 8 || i >= 16; other && strings.Count(got, event) != 1 {
					t.Fatalf("byte %d %s: event %d is there %d times\n%v", at-starts[1], how, i, strings.Count(got, event), r.findings)
				}
			}
			if !inOrder(got, want) {
				t.Fatalf("byte %d %s: the events are in another order", at-starts[1], how)
			}
			harmless := at-starts[1] >= 3 && at-starts[1] < 10 || // flags, time and system of the header
				how == "cut out" && at == starts[1] || slices.Equal(damaged, data)
			if r.Damaged != 1 && !harmless {
				t.Errorf("byte %d %s: %+v", at-starts[1], how, r.Summary)
			}
		}
	}
}

// inOrder tells whether the lines of got that are among want have its order.
func inOrder(got, want string) bool {
	at := 0
	for line := range strings.Lines(got) {
		i := strings.Index(want, line)
		if i < 0 {
			continue // of the damaged member
		}
		if i < at {
			return false
		}
		at = i
	}
	return true
}

// Behind a wrong checksum, garbage and the end of an upload that was begun
// anew, reading goes on; the account counts one damaged input.
func TestGoOnBehindDamage(t *testing.T) {
	list := numbered(6)
	member := func(i int) []byte { return testfile.Gzip(t, lines(list[i])) }
	wrong := member(1)
	wrong[len(wrong)-8] ^= 1
	half := member(3)
	data := slices.Concat(member(0), wrong, member(2), half[:len(half)/2], []byte("garbage"), member(4), []byte("\x00\x00"), member(5), []byte("end"))
	for name, o := range map[string]Options{
		"a":     {Paths: []string{testfile.Write(t, filepath.Join(t.TempDir(), "a.json.gz"), data)}},
		"a/p/a": {Paths: []string{testfile.Write(t, filepath.Join(t.TempDir(), "a.zip"), zipped(t, packed{"p/a.json.gz", data}))}},
		"stdin": {Paths: []string{"-"}, Stdin: strings.NewReader(string(data))},
	} {
		r := convertTo(t, filepath.Join(t.TempDir(), "out"), o)
		got := r.files["events/"+name+".ndjson"]
		want := events(list[0], list[1], list[2], list[4], list[5])
		if name == "stdin" { // it cannot be read twice: what was taken for the half member is gone
			if !strings.HasPrefix(got, events(list[0], list[1], list[2])) {
				t.Errorf("stdin: %s", got)
			}
			continue
		}
		if got != want {
			t.Errorf("%s: %s\nwant %s\n%q", name, got, want, r.findings)
		}
		if r.Damaged != 1 || len(r.findings) < 4 || !strings.Contains(r.findings[0], "the checksum does not match") ||
			!strings.Contains(r.findings[0], fmt.Sprintf("what follows from byte %d of", len(member(0))+len(wrong))) {
			t.Errorf("%s: %+v %q", name, r.Summary, r.findings)
		}
	}
}

// A line that goes on from a damaged member into the next is set aside in two
// parts, and those around it are fine.
func TestMemberInsideALine(t *testing.T) {
	text := lines(numbered(6)...)
	first, second := testfile.Gzip(t, text[:len(text)/2]), testfile.Gzip(t, text[len(text)/2:])
	first[len(first)-8] ^= 1
	path := testfile.Write(t, filepath.Join(t.TempDir(), "a.json.gz"), slices.Concat(first, second))
	r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{path}})
	if r.Read < 6 || r.Written < 5 || r.Damaged != 1 {
		t.Errorf("%+v", r.Summary)
	}
}

// A file that grows while it is read is read to the end it has then; what comes
// later makes it another input.
func TestInputGrows(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	a := testfile.Write(t, filepath.Join(in, "a.json"), []byte("bad\n"))
	b := testfile.Write(t, filepath.Join(in, "b.json"), []byte(lines(numbered(3)...)))
	o := Options{Paths: []string{a, b}}
	grow := func(text string) {
		f, err := os.OpenFile(b, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}
	run := o
	run.Out, run.Version, run.Compress = out, "test", "none"
	run.Sink = func(finding.Finding) { grow(lines(numbered(5)[3:]...)) }
	if s, err := Run(t.Context(), run); err != nil || s.Written != 5 {
		t.Errorf("%+v, %v", s, err)
	}
	if r := convertTo(t, out, o); !r.Finished {
		t.Error("converted again, though nothing has changed since")
	}
	grow(lines(numbered(6)[5:]...))
	if _, err := tryConvert(t, out, o); err == nil || !strings.Contains(err.Error(), "other inputs") {
		t.Errorf("grown behind the end: %v", err)
	}
}
