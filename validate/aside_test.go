package validate

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
	"export2batch/internal/testfile"
)

// TestSetAsideLongLines keeps lines over source.LongLine as they are, one that
// is no JSON too, and leaves a folder that is finished as it is.
func TestSetAsideLongLines(t *testing.T) {
	line := func(n int) string {
		head := eventWith("user_id", `"abc"`, "event_properties", `{"a":"%"}`)
		return strings.Replace(head, "%", strings.Repeat("x", n-len(head)+1), 1)
	}
	quoted, long := line(source.LongLine), line(source.LongLine+1)
	path := testfile.Write(t, filepath.Join(t.TempDir(), "a.ndjson"), lines(quoted, long, eventWith())+"["+long)
	o := Options{Paths: []string{path}, SetAside: filepath.Join(t.TempDir(), "aside")}
	s, _ := run(t, o)
	files := readFolder(t, o.SetAside)
	if s.Invalid != 3 || files["rejected/a.line-2.raw"] != long || files["rejected/a.line-4.raw"] != "["+long {
		t.Errorf("%d invalid, kept %v", s.Invalid, slices.Collect(maps.Keys(files)))
	}
	told := strings.Split(files["rejected/a.ndjson"], "\n")
	if len(told) != 4 || len(told[0]) < source.LongLine || !strings.HasSuffix(told[1], `: the line is kept in rejected/a.line-2.raw","raw":"rejected/a.line-2.raw"}`) {
		t.Errorf("%d lines set aside", len(told)-1)
	}
	if again, _ := run(t, o); !reflect.DeepEqual(again, s) || !reflect.DeepEqual(readFolder(t, o.SetAside), files) {
		t.Error("a second run tells or leaves something else")
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
	if _, err := Run(context.Background(), quiet(other)); err == nil {
		t.Error("a folder that is finished with other options was taken")
	}
	changed := strings.Replace(good, "user1", "user2", 1)
	if err := os.WriteFile(path, []byte(changed+"\n"+bad+"\n"+eventWith("insert_id", ``)+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), quiet(o)); err == nil || !strings.Contains(err.Error(), "other inputs") {
		t.Errorf("an input of other content: %v", err)
	}
	if err := os.WriteFile(path, []byte(good+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), quiet(o)); err == nil || !strings.Contains(err.Error(), "other inputs") {
		t.Errorf("an input of another size: %v", err)
	}
}

// readFolder returns the files in the folders of dir.
func readFolder(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := testfile.Tree(t, dir)
	maps.DeleteFunc(files, func(name, _ string) bool { return !strings.Contains(name, "/") })
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
		_, err := Run(context.Background(), quiet(o))
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
	t.Parallel()
	path := writeFile(t, "a.ndjson", strings.Repeat(" ", source.MaxLine+1)+"\n")
	o := Options{Paths: []string{path}, SetAside: filepath.Join(t.TempDir(), "aside")}
	o.FS = &failing{durable.OS, 1, ".raw.tmp"}
	if _, err := Run(context.Background(), quiet(o)); !errors.Is(err, errDisk) {
		t.Errorf("error is %v", err)
	}
	if files := readFolder(t, o.SetAside); len(files) > 0 {
		t.Errorf("%d files were left", len(files))
	}
}
