package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/durable/faultfs"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "(absent)"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func newFaulty(t *testing.T, dir string) *faultfs.FS {
	t.Helper()
	f, err := faultfs.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWriteFileOnTheRealFileSystem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folders", "name")
	for _, text := range []string{"first", "second, which replaces it"} {
		if err := durable.WriteFile(durable.OS, path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != text {
			t.Errorf("read %q, want %q", got, text)
		}
	}
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(names) != 1 {
		t.Errorf("left beside it: %v, %v", names, err)
	}
}

func TestOrderOfOperations(t *testing.T) {
	dir := t.TempDir()
	f := newFaulty(t, dir)
	if err := durable.WriteFile(f, filepath.Join(dir, "a"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	want := []string{"mkdir .", "open .a.tmp", "write .a.tmp", "sync .a.tmp", "close .a.tmp", "rename .a.tmp a", "syncdir ."}
	if got := f.Operations(); !slices.Equal(got, want) {
		t.Errorf("operations %q, want %q", got, want)
	}
}

// TestEveryFaultLeavesTheOldFile fails one operation after the other.
func TestEveryFaultLeavesTheOldFile(t *testing.T) {
	for _, old := range []string{"(absent)", "old"} {
		for n := 1; ; n++ {
			dir := t.TempDir()
			path := filepath.Join(dir, "name")
			if old != "(absent)" {
				if err := os.WriteFile(path, []byte(old), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			f := newFaulty(t, dir)
			f.FailAt(n, syscall.ENOSPC)
			err := durable.WriteFile(f, path, []byte("the new content"))
			if !f.Failed() {
				if err != nil || read(t, path) != "the new content" {
					t.Errorf("without a fault: %v, %q", err, read(t, path))
				}
				if n != 8 {
					t.Errorf("%d operations were made to fail, want 7", n-1)
				}
				break
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("fault %d: error %v", n, err)
			}
			want := old
			if ops := f.Operations(); strings.HasPrefix(ops[n-1], "syncdir") {
				want = "the new content" // whole, as Commit's comment says
			}
			if got := read(t, path); got != want {
				t.Errorf("fault %d: %q stands under the name, want %q", n, got, want)
			}
			if got := read(t, filepath.Join(dir, ".name.tmp")); got != "(absent)" {
				t.Errorf("fault %d: the temporary file is left: %q", n, got)
			}
		}
	}
}

// TestEveryPowerFailureLeavesOldOrNew stops at one operation after the other
// and forgets what was not synced.
func TestEveryPowerFailureLeavesOldOrNew(t *testing.T) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "name")
		if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
			t.Fatal(err)
		}
		f := newFaulty(t, dir)
		f.DieAt(n)
		err := durable.WriteFile(f, path, []byte("new"))
		if crash := f.Crash(); crash != nil {
			t.Fatal(crash)
		}
		want := "old"
		if err == nil {
			want = "new"
		}
		if got := read(t, path); got != want {
			t.Errorf("death at %d (error %v): %q, want %q", n, err, got, want)
		}
		// The next process is not hindered by what was left.
		if err := durable.WriteFile(newFaulty(t, dir), path, []byte("next")); err != nil || read(t, path) != "next" {
			t.Errorf("after death at %d: %v, %q", n, err, read(t, path))
		}
		if !f.Failed() {
			break
		}
	}
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	f, err := durable.Create(durable.OS, filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "unwanted")
	f.Abort()
	f.Abort()
	if names, _ := os.ReadDir(dir); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
	if err := f.Commit(); err == nil {
		t.Error("an aborted file is committed")
	}
}

func TestAbortAfterCommitDoesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	f, err := durable.Create(durable.OS, path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "kept")
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	f.Abort()
	if got := read(t, path); got != "kept" {
		t.Errorf("read %q", got)
	}
	if err := f.Commit(); err == nil {
		t.Error("a second commit succeeds")
	}
}

func TestOpenFileFailsWithANilHandle(t *testing.T) {
	h, err := durable.OS.OpenFile(filepath.Join(t.TempDir(), "missing"), os.O_RDONLY, 0)
	if err == nil || h != nil {
		t.Errorf("handle %v, error %v", h, err)
	}
}

func TestMkdirAllRefusesAFileInTheWay(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := durable.OS.MkdirAll(filepath.Join(dir, "file", "below"), 0o777); err == nil {
		t.Error("a folder was made below a file")
	}
	if err := durable.OS.MkdirAll(filepath.Join(dir, "file"), 0o777); err == nil {
		t.Error("a file was taken for a folder")
	}
}

func TestIsTemp(t *testing.T) {
	for name, want := range map[string]bool{".a.tmp": true, "a.tmp": false, ".a": false, ".unfinished": false} {
		if got := durable.IsTemp(name); got != want {
			t.Errorf("IsTemp(%q) is %t", name, got)
		}
	}
}
