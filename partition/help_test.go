package partition

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// sample is an event as the tests think of it.
type sample struct {
	user, device, insert string
	time, eventID        int64
	text                 string // what else makes it different
}

func (s sample) line() string {
	var b strings.Builder
	b.WriteByte('{')
	for _, f := range [][2]string{{"user_id", s.user}, {"device_id", s.device}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%q:%q,", f[0], f[1])
		}
	}
	fmt.Fprintf(&b, `"event_type":"e","time":%d,`, s.time)
	if s.insert != "" {
		fmt.Fprintf(&b, `"insert_id":%q,`, s.insert)
	}
	if s.eventID != 0 {
		fmt.Fprintf(&b, `"event_id":%d,`, s.eventID)
	}
	fmt.Fprintf(&b, `"event_properties":{"text":%q}}`, s.text)
	return b.String()
}

func join(samples []sample) string {
	var b strings.Builder
	for _, s := range samples {
		b.WriteString(s.line())
		b.WriteByte('\n')
	}
	return b.String()
}

// randomSamples makes events of people with several devices, of which some are
// shared, with equal times, repeated events and reused insert ids.
func randomSamples(rnd *rand.Rand, n int) []sample {
	list := make([]sample, 0, n)
	for i := range n {
		person := rnd.IntN(n/10 + 1)
		s := sample{
			device: fmt.Sprintf("device-%d-%d", person, rnd.IntN(2)),
			insert: fmt.Sprintf("insert-%d", i),
			time:   1_700_000_000_000 + int64(rnd.IntN(50)),
			text:   strings.Repeat("x", rnd.IntN(200)),
		}
		if rnd.IntN(3) > 0 {
			s.user = fmt.Sprintf("user-%d", person)
		}
		if rnd.IntN(2) == 0 {
			s.eventID = int64(rnd.IntN(4))
		}
		switch rnd.IntN(20) {
		case 0: // on a kiosk
			s.device = fmt.Sprintf("kiosk-%d", rnd.IntN(2))
		case 1:
			s.device, s.user = "", fmt.Sprintf("user-%d", person)
		case 2:
			s.insert = ""
		}
		if len(list) > 0 {
			before := list[rnd.IntN(len(list))]
			switch rnd.IntN(8) {
			case 0: // delivered twice
				s = before
			case 1: // another event with its insert id
				s.user, s.device, s.insert = before.user, before.device, before.insert
			}
		}
		list = append(list, s)
	}
	return list
}

// converted writes a folder such as convert leaves: the files of events, and
// for each the lines of its identity file.
func converted(t *testing.T, events, identities []string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "converted")
	folder, err := stage.Begin(durable.OS, dir, stage.Identity{Stage: "convert", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	write := func(kind string, i int, text string) eventfile.Info {
		name := fmt.Sprintf("%s/%02d.ndjson", kind, i)
		w, err := eventfile.Create(durable.OS, folder.File(name), name, eventfile.None)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		info, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	m := stage.Manifest{Counts: json.RawMessage("{}")}
	keep := map[string]bool{}
	for i := range events {
		m.Files = append(m.Files, write("events", i, events[i]))
		keep[m.Files[i].Name] = true
	}
	for i := range identities {
		m.Extra = append(m.Extra, write("identities", i, identities[i]))
		keep[m.Extra[i].Name] = true
	}
	if err := folder.Finish(m, keep); err != nil {
		t.Fatal(err)
	}
	return dir
}

// quickFS is the real file system without waiting for the disk.
type quickFS struct{ durable.FS }

func (quickFS) SyncDir(string) error { return nil }

func (quickFS) MkdirAll(path string, perm os.FileMode) error { return os.MkdirAll(path, perm) }

func (f quickFS) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	h, err := f.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return quickHandle{h}, nil
}

type quickHandle struct{ durable.Handle }

func (quickHandle) Sync() error { return nil }

// options are for small data: eight partitions, in files as they are.
func options(t *testing.T, paths ...string) Options {
	t.Helper()
	return Options{
		FS: quickFS{durable.OS}, Paths: paths, Out: filepath.Join(t.TempDir(), "out"), Version: "test", Memory: 256 << 20,
		Rules: Rules{Partitions: 8, Compress: eventfile.None},
	}
}

func mustRun(t *testing.T, o Options) Summary {
	t.Helper()
	s, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Balanced() || !s.Hashes.Balanced() {
		t.Errorf("the account does not balance: %+v", s)
	}
	if _, err := os.Stat(filepath.Join(o.Out, ".work")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf(".work is left: %v", err)
	}
	return s
}

// readPartitions returns the lines of every partition, by the file's name.
func readPartitions(t *testing.T, dir string) map[string][]string {
	t.Helper()
	m, err := stage.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]string{}
	for _, f := range m.Files {
		set, err := source.Expand([]string{filepath.Join(dir, f.Name)}, source.Options{})
		if err != nil {
			t.Fatal(err)
		}
		lines, err := set.Inputs[0].Lines()
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(filepath.Base(f.Name), ".")
		for {
			line, err := lines.Next()
			if err != nil {
				break
			}
			parts[name] = append(parts[name], string(line))
		}
		lines.Close()
		if int64(len(parts[name])) != f.Events {
			t.Errorf("%s has %d events where the manifest says %d", f.Name, len(parts[name]), f.Events)
		}
	}
	return parts
}

func allLines(parts map[string][]string) (all []string) {
	for _, lines := range parts {
		all = append(all, lines...)
	}
	slices.Sort(all)
	return all
}

// sameTree compares two folders file by file.
func sameTree(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs: %d bytes, want %d\n%.300s\nwant\n%.300s", name, len(got[name]), len(want[name]), got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is there, which it should not be", name)
		}
	}
}

func collect(into *[]finding.Finding) finding.Sink {
	return func(f finding.Finding) { *into = append(*into, f) }
}

func rules(findings []finding.Finding) (rules []string) {
	for _, f := range findings {
		rules = append(rules, f.Rule)
	}
	slices.Sort(rules)
	return rules
}

// field reads a key of a line.
func field(t *testing.T, line, key string) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(line)))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m[key]
}

// runError is the text of the error that Run must end with.
func runError(t *testing.T, o Options) string {
	t.Helper()
	s, err := Run(context.Background(), o)
	if err == nil {
		t.Fatalf("no error: %+v", s)
	}
	if _, err := os.Stat(filepath.Join(o.Out, "manifest.json")); err == nil {
		t.Error("a failed command left a manifest")
	}
	if _, err := os.Stat(filepath.Join(o.Out, ".work")); err == nil {
		t.Error("a failed command left .work")
	}
	return err.Error()
}
