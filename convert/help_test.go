package convert

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"export2batch/generate"
	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/testfile"
)

// exportLine makes a line that becomes an event, but for the members given as
// key and JSON text; an empty text takes the member out.
func exportLine(members ...string) string {
	all := []string{
		"event_type", `"a"`, "device_id", `"device1"`, "event_time", `"2023-01-02 03:04:05.678901"`, "$insert_id", `"i1"`,
	}
	for i := 0; i < len(members); i += 2 {
		at := -1
		for j := 0; j < len(all); j += 2 {
			if all[j] == members[i] {
				at = j
			}
		}
		if at < 0 {
			all = append(all, members[i], members[i+1])
		} else {
			all[at+1] = members[i+1]
		}
	}
	var parts []string
	for i := 0; i < len(all); i += 2 {
		if all[i+1] != "" {
			parts = append(parts, `"`+all[i]+`":`+all[i+1])
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// mapLine maps one line with a mapper of its own.
func mapLine(rules Rules, line string) (event string, v verdict, m *mapper) {
	rules.setDefaults()
	m = newMapper(compiled(rules))
	out, v := m.event(nil, []byte(line))
	return strings.TrimSuffix(string(out), "\n"), v, m
}

// eventKeys maps a line that must become an event, and returns its members.
func eventKeys(t *testing.T, rules Rules, line string) map[string]string {
	t.Helper()
	event, v, _ := mapLine(rules, line)
	if v.kind != written {
		t.Fatalf("not written: %s: %s (%s)", line, v.rule, v.reason)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(event), &members); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	texts := map[string]string{}
	for k, v := range members {
		texts[k] = string(v)
	}
	return texts
}

// generated returns the lines of a synthetic export.
func generated(t testing.TB, events int) []string {
	t.Helper()
	o := generate.Defaults()
	o.Output, o.Format = filepath.Join(t.TempDir(), "export"), generate.FormatDir
	o.Events, o.Users, o.Days = events, max(1, events/10), 1
	o.Identify, o.MissingInsertID = 0.05, 0.05
	if _, err := generate.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	var lines []string
	err := filepath.WalkDir(o.Output, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		gz, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(gz)
		lines = append(lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// tree reads all files below dir but those that start with a dot, by path.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := testfile.Tree(t, dir)
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasPrefix(path.Base(name), ".") })
	return files
}

// sameTree compares what tree returned, naming files but not their content.
func sameTree(t testing.TB, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		} else if got[name] != want[name] {
			t.Errorf("%s differs:\n%.500s\nwant\n%.500s", name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s should not be there", name)
		}
	}
}

// result is all that a run gives.
type result struct {
	Summary
	files    map[string]string
	findings []string
}

// convertTo runs a conversion that must come to its end, uncompressed.
func convertTo(t testing.TB, out string, o Options) result {
	t.Helper()
	r, err := tryConvert(t, out, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Balanced() {
		t.Errorf("read %d, written %d, rejected %d, dropped %d", r.Read, r.Written, r.Rejected, r.Dropped)
	}
	return r
}

// hasty is the operating system without waiting for the disk.
type hasty struct{ durable.FS }

type hastyFile struct{ durable.Handle }

func (hasty) MkdirAll(path string, perm os.FileMode) error { return os.MkdirAll(path, perm) }
func (hasty) SyncDir(string) error                         { return nil }
func (hastyFile) Sync() error                              { return nil }

func (h hasty) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	f, err := h.FS.OpenFile(path, flag, perm)
	return hastyFile{f}, err
}

func tryConvert(t testing.TB, out string, o Options) (r result, err error) {
	t.Helper()
	o.Out, o.Version = out, "test"
	if o.FS == nil {
		o.FS = hasty{durable.OS}
	}
	if o.Compress == "" {
		o.Compress = eventfile.None
	}
	o.Sink = func(f finding.Finding) { r.findings = append(r.findings, f.String()) }
	r.Summary, err = Run(context.Background(), o)
	r.files = tree(t, out)
	return r, err
}

// sameSummary compares two accounts as they are printed.
func sameSummary(t testing.TB, got, want Summary) {
	t.Helper()
	g, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g, w) {
		t.Errorf("account\n%s\nwant\n%s", g, w)
	}
}

// compiled works out rules that must make sense.
func compiled(rules Rules) *program {
	p, err := compile(rules)
	if err != nil {
		panic(err)
	}
	return p
}
