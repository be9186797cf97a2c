package generate

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// small is an output that takes some ten milliseconds.
func small(output string) Options {
	o := Defaults()
	o.Output = output
	o.Events = 1000
	o.Duplicates = 0
	return o
}

func run(t *testing.T, o Options) Summary {
	t.Helper()
	s, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// digest is the sha256 of a file, or of the names and contents in a folder.
func digest(t *testing.T, path string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if p != path {
			fmt.Fprintf(h, "%s\n", strings.TrimPrefix(p, path))
		}
		h.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// readZip returns the entries of a zip in their order, and the lines of each.
func readZip(t *testing.T, path string) (names []string, lines map[string][]string) {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines = map[string][]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		g, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Name)
		s := bufio.NewScanner(g)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			lines[f.Name] = append(lines[f.Name], s.Text())
		}
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
	}
	return names, lines
}

func TestSameBytes(t *testing.T) {
	for _, format := range []string{FormatZip, FormatDir, FormatParquet} {
		t.Run(format, func(t *testing.T) {
			var digests []string
			for i, procs := range []int{1, 2, 2} {
				o := small(filepath.Join(t.TempDir(), "out"))
				o.Format = format
				o.MergedIDs = format == FormatDir
				o.Duplicates = 0.05
				if i == 2 {
					o.Seed++
				}
				old := runtime.GOMAXPROCS(procs)
				run(t, o)
				runtime.GOMAXPROCS(old)
				digests = append(digests, digest(t, o.Output))
			}
			if digests[0] != digests[1] {
				t.Error("the output depends on the number of processors")
			}
			if digests[0] == digests[2] {
				t.Error("the output does not depend on the seed")
			}
		})
	}
}

// The text stays the same from machine to machine and version to version, or
// the change is meant: then this and the committed fixtures change.
func TestTextIsKnown(t *testing.T) {
	o := small(filepath.Join(t.TempDir(), "out.zip"))
	o.Events = 400
	run(t, o)
	names, lines := readZip(t, o.Output)
	h := sha256.New()
	for _, name := range names {
		for _, l := range lines[name] {
			io.WriteString(h, l+"\n")
		}
	}
	const want = "48923c61a313e89c1926951d003dfb9d58c7ca3874dfb8952d7ca06f2b011eb1"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("sha256 of the text is %s, want %s", got, want)
	}
}

func TestCounts(t *testing.T) {
	for _, o := range []Options{
		{Events: 1, Users: 1, Days: 1},
		{Events: 50, Users: 50, Days: 2},
		{Events: 700, Users: 1, Days: 1, LateEvents: 1},
		{Events: 900, Users: 40, Days: 9, Start: time.Date(2024, 2, 28, 17, 0, 0, 0, time.UTC), SharedDevices: 9, Identify: 1},
		{Events: 800, Properties: 30, Anonymous: 1, MissingInsertID: 1, Duplicates: 1},
	} {
		o.Output = filepath.Join(t.TempDir(), "out.zip")
		s := run(t, o)
		names, lines := readZip(t, o.Output)
		var n, size int
		for _, ls := range lines {
			n += len(ls)
			for _, l := range ls {
				size += len(l) + 1
			}
		}
		if s.Events != int64(o.Events) || int64(n) != s.Events+s.Repeated {
			t.Errorf("%+v: %d lines, summary %+v", o, n, s)
		}
		if int64(size) != s.Bytes || int64(len(names)) != s.Files {
			t.Errorf("%+v: %d bytes in %d files, summary %+v", o, size, len(names), s)
		}
		if info, err := os.Stat(o.Output); err != nil || info.Size() != s.WrittenBytes {
			t.Errorf("%+v: size %v %v, summary %+v", o, info.Size(), err, s)
		}
		if o.Duplicates == 1 && (s.Repeated != s.Events || s.Identify != 0 || s.MissingInsertID != s.Events) {
			t.Errorf("all twice, no insert id: %+v", s)
		}
		if o.Identify == 1 && s.Identify != s.Events {
			t.Errorf("all $identify: %+v", s)
		}
	}
}

func TestRepeatedHours(t *testing.T) {
	o := small(filepath.Join(t.TempDir(), "out.zip"))
	o.Duplicates = 0.1
	s := run(t, o)
	if s.RepeatedHours < 6 || s.RepeatedHours > 7 {
		t.Errorf("%d of at most 72 hours repeated, want a tenth", s.RepeatedHours)
	}
	names, lines := readZip(t, o.Output)
	var twice, n int
	for _, name := range names {
		first, again := strings.CutSuffix(name, "#1.json.gz")
		if again {
			twice++
			n += len(lines[name])
			if !slices.Equal(lines[name], lines[first+"#0.json.gz"]) {
				t.Errorf("%s is not a repetition", name)
			}
		}
	}
	if int64(twice) != s.RepeatedHours || int64(n) != s.Repeated {
		t.Errorf("%d hours with %d lines repeated, summary %+v", twice, n, s)
	}
}

func TestArchiveLayout(t *testing.T) {
	o := small(filepath.Join(t.TempDir(), "out.zip"))
	o.Days = 1
	run(t, o)
	b, err := os.ReadFile(o.Output)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 24 {
		t.Fatalf("%d entries", len(z.File))
	}
	for i, f := range z.File {
		if f.Method != zip.Store || f.Flags&8 == 0 || f.CompressedSize64 == 0 || f.CompressedSize64 != f.UncompressedSize64 {
			t.Errorf("%s: %+v", f.Name, f.FileHeader)
		}
		if i > 0 && f.Modified != z.File[0].Modified {
			t.Errorf("%s: modified %s", f.Name, f.Modified)
		}
		// Local header: flags at 6, method at 8, CRC and both sizes from 14 to 26, name at 30.
		at := bytes.Index(b, []byte(f.Name)) - 30
		if local := b[at : at+30]; local[6]&8 == 0 || local[8] != 0 || !bytes.Equal(local[14:26], make([]byte, 12)) {
			t.Errorf("%s: local header % x", f.Name, local)
		}
	}
	if name := z.File[1].Name; name != "328567/328567_2023-01-02_1#0.json.gz" {
		t.Errorf("second entry is %s", name)
	}
}

func TestFolderIsTheArchiveUnzipped(t *testing.T) {
	o := small(filepath.Join(t.TempDir(), "out.zip"))
	o.MergedIDs = true
	s := run(t, o)
	if s.MergedIDs == 0 || s.MergedFiles == 0 {
		t.Fatalf("no merged ids: %+v", s)
	}
	d := o
	d.Format, d.Output = FormatDir, t.TempDir()
	ds := run(t, d)
	z, err := zip.OpenReader(o.Output)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var size int64
	for _, f := range z.File {
		want, err := fs.ReadFile(z, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(d.Output, f.Name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs: %v", f.Name, err)
		}
		size += int64(len(got))
	}
	if size != ds.WrittenBytes || int64(len(z.File)) != ds.Files+ds.MergedFiles {
		t.Errorf("%d bytes in %d files, summary %+v", size, len(z.File), ds)
	}
	_, lines := readZip(t, o.Output)
	for name, ls := range lines {
		if !strings.HasPrefix(name, "-204331/-204331_2023-01-0") {
			continue
		}
		for _, l := range ls {
			var m struct {
				Scope             int
				MergeTime         string `json:"merge_time"`
				MergeServerTime   string `json:"merge_server_time"`
				AmplitudeID       int64  `json:"amplitude_id"`
				MergedAmplitudeID int64  `json:"merged_amplitude_id"`
			}
			d := json.NewDecoder(strings.NewReader(l))
			d.DisallowUnknownFields()
			if err := d.Decode(&m); err != nil || m.AmplitudeID == m.MergedAmplitudeID || m.Scope != 328567 || m.MergeServerTime < m.MergeTime {
				t.Errorf("%s: %v", l, err)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	if err := (Options{Output: "x"}).Validate(); err != nil {
		t.Errorf("nothing but an output: %v", err)
	}
	for want, change := range map[string]func(*Options){
		"no output":          func(o *Options) { o.Output = "" },
		"unknown format":     func(o *Options) { o.Format = "tar" },
		"events must":        func(o *Options) { o.Events = -1 },
		"users must":         func(o *Options) { o.Users = o.Events + 1 },
		"days must":          func(o *Options) { o.Days = 4000 },
		"full hour":          func(o *Options) { o.Start = o.Start.Add(time.Minute) },
		"from 2014-11-12":    func(o *Options) { o.Start = time.Date(2014, 11, 11, 0, 0, 0, 0, time.UTC) },
		"project must":       func(o *Options) { o.Project = -5 },
		"properties must":    func(o *Options) { o.Properties = 201 },
		"shared devices":     func(o *Options) { o.SharedDevices = -1 },
		"duplicates must":    func(o *Options) { o.Duplicates = 1.01 },
		"identify must":      func(o *Options) { o.Identify = -0.1 },
		"missing insert ids": func(o *Options) { o.MissingInsertID = 2 },
		"anonymous must":     func(o *Options) { o.Anonymous = 2 },
		"late events must":   func(o *Options) { o.LateEvents = 2 },
		"merged ids":         func(o *Options) { o.MergedIDs, o.Format = true, FormatParquet },
	} {
		o := small("x")
		change(&o)
		err := o.Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", want, err)
		}
		if _, runErr := Run(t.Context(), o); runErr == nil {
			t.Errorf("%s: Run accepts it", want)
		}
	}
}

func TestOutputIsNeverOverwritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "taken")
	if err := os.WriteFile(file, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{
		{Output: file}, {Output: file, Format: FormatDir}, {Output: file, Format: FormatParquet},
		{Output: dir, Format: FormatDir}, {Output: dir, Format: FormatParquet},
		{Output: t.TempDir(), Format: FormatZip},
	} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "mine" {
		t.Errorf("the file is now %q, %v", b, err)
	}
}

// stopping cancels the context at its third file.
type stopping struct {
	*folder
	cancel func()
	fail   error
	added  int
}

func (s *stopping) add(name string, data []byte) error {
	if s.added++; s.added == 3 {
		s.cancel()
		return s.fail
	}
	return s.folder.add(name, data)
}

func TestStopLeavesNothing(t *testing.T) {
	full := errors.New("disk full")
	for _, fail := range []error{nil, full} {
		o := small(t.TempDir()).complete()
		p, err := newPlan(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		to := &stopping{folder: newFolder(o.Output), cancel: cancel, fail: fail}
		if fail != nil {
			to.cancel = func() {}
		}
		err = p.writeExport(ctx, to, new(Summary))
		if want := cmpErr(fail, context.Canceled); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
		if entries, _ := os.ReadDir(o.Output); len(entries) > 0 || to.added < 3 {
			t.Errorf("%d added, left %v", to.added, entries)
		}
	}
	for _, format := range []string{FormatZip, FormatDir, FormatParquet} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		dir := t.TempDir()
		o := small(filepath.Join(dir, "out"))
		o.Format = format
		if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", format, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%s: left %v", format, entries)
		}
	}
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func BenchmarkText(b *testing.B) {
	p, err := newPlan(b.Context(), small("x").complete())
	if err != nil {
		b.Fatal(err)
	}
	var events []event
	for part := range p.parts(b.Context(), linesPerFile) {
		events = append(events, part.events...)
	}
	c := p.newComposer()
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		size := 0
		for _, e := range events {
			text = appendLine(text[:0], c.compose(e))
			size += len(text)
		}
		b.SetBytes(int64(size))
	}
}
