package rejected

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/durable/faultfs"
	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// TestRejected sets a line and a long line of one input aside.
func TestRejected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ndjson")
	long := strings.Repeat("x", source.MaxLine+1)
	if err := os.WriteFile(path, []byte("{bad\n"+long+"\n{}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	set, err := source.Expand([]string{path}, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := &set.Inputs[0]
	folder, err := stage.Begin(durable.OS, filepath.Join(t.TempDir(), "out"), stage.Identity{Stage: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	lines, err := in.Lines()
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	f := For(folder, in)
	defer f.Abort()
	bad, err := lines.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Line(in.Place(1), "rule", "reason", bad); err != nil {
		t.Fatal(err)
	}
	if _, err := lines.Next(); !errors.Is(err, source.ErrTooLong) {
		t.Fatal(err)
	}
	size, kept, err := CopyLong(folder, lines, in)
	if err != nil || size != int64(len(long)) || kept != "rejected/a.line-2.raw" {
		t.Fatal(size, kept, err)
	}
	if err := f.Raw(in.Place(2), "rule", "reason", kept); err != nil {
		t.Fatal(err)
	}
	name, err := f.Commit()
	if err != nil || name != "rejected/a.ndjson" {
		t.Fatal(name, err)
	}
	text, err := os.ReadFile(folder.File(name))
	if err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), `"text":"{bad"`) {
		t.Errorf("%s, %v", text, err)
	}
	if raw, err := os.ReadFile(folder.File(kept)); err != nil || string(raw) != long {
		t.Errorf("%d bytes kept, %v", len(raw), err)
	}
	if line, err := lines.Next(); string(line) != "{}" || err != nil {
		t.Errorf("the next line is %q, %v", line, err)
	}
}

// TestNothing sets nothing aside, so there is no file.
func TestNothing(t *testing.T) {
	folder, err := stage.Begin(durable.OS, filepath.Join(t.TempDir(), "out"), stage.Identity{Stage: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	f := For(folder, &source.Input{Name: "a"})
	if name, err := f.Commit(); name != "" || err != nil {
		t.Error(name, err)
	}
	if _, err := os.Stat(folder.File("rejected")); !os.IsNotExist(err) {
		t.Error("a folder without files was made")
	}
}

// TestManyLines are written together, and a disk that is full is told.
func TestManyLines(t *testing.T) {
	for _, full := range []bool{false, true} {
		root := t.TempDir()
		fsys, err := faultfs.New(root)
		if err != nil {
			t.Fatal(err)
		}
		folder, err := stage.Begin(fsys, filepath.Join(root, "out"), stage.Identity{Stage: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer folder.Close()
		f := Named(folder, "a.collisions")
		defer f.Abort()
		for i := range int64(100) {
			if err := f.Line(finding.Place{File: "a", Line: i}, "rule", "reason", []byte("{bad")); err != nil {
				t.Fatal(err)
			}
		}
		before := len(fsys.Operations())
		if full {
			fsys.FailAt(before+1, syscall.ENOSPC)
		}
		name, err := f.Commit()
		if full {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("full disk: %v", err)
			}
			continue
		}
		if err != nil || name != "rejected/a.collisions.ndjson" || !slices.Equal(f.Names(), []string{name}) {
			t.Fatal(name, f.Names(), err)
		}
		writes := 0
		for _, operation := range fsys.Operations() {
			if strings.HasPrefix(operation, "write out/rejected/") {
				writes++
			}
		}
		if text, err := os.ReadFile(folder.File(name)); writes != 1 || err != nil || strings.Count(string(text), "\n") != 100 {
			t.Errorf("%d writes: %.200s, %v", writes, text, err)
		}
	}
}
