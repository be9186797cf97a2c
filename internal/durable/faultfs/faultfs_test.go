package faultfs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"export2batch/internal/durable"
)

func start(t *testing.T) (*FS, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

// script writes files as careful or careless code would.
func script(t *testing.T, f *FS, dir string, steps ...string) {
	t.Helper()
	handles := map[string]durable.Handle{}
	for _, step := range steps {
		words := strings.Fields(step)
		path := filepath.Join(dir, words[1])
		var err error
		switch words[0] {
		case "create":
			handles[words[1]], err = f.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
		case "write":
			_, err = handles[words[1]].Write([]byte(words[2]))
		case "sync":
			err = handles[words[1]].Sync()
		case "close":
			err = handles[words[1]].Close()
		case "rename":
			err = f.Rename(path, filepath.Join(dir, words[2]))
		case "remove":
			err = f.Remove(path)
		case "mkdir":
			err = f.MkdirAll(path, 0o777)
		case "syncdir":
			err = f.SyncDir(path)
		default:
			t.Fatalf("unknown step %q", step)
		}
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
}

func TestCrashForgetsWhatIsNotSynced(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []string
		want  []string // NAME=CONTENT
	}{
		{"nothing synced", []string{"create a", "write a x", "close a"}, []string{"old=before"}},
		{"name without content", []string{"create a", "write a x", "close a", "syncdir ."}, []string{"a=", "old=before"}},
		{"content without name", []string{"create a", "write a x", "sync a", "close a"}, []string{"old=before"}},
		{"both", []string{"create a", "write a x", "sync a", "close a", "syncdir ."}, []string{"a=x", "old=before"}},
		{"written on", []string{"create a", "write a x", "sync a", "syncdir .", "write a y", "close a"}, []string{"a=x", "old=before"}},
		{"rename not synced", []string{"create t", "write t x", "sync t", "close t", "syncdir .", "rename t a"}, []string{"old=before", "t=x"}},
		{"renamed over another", []string{"create t", "write t x", "sync t", "close t", "rename t old"}, []string{"old=before"}},
		{"renamed over another, synced", []string{"create t", "write t x", "sync t", "close t", "rename t old", "syncdir ."}, []string{"old=x"}},
		{"renamed without a sync before", []string{"create t", "write t x", "close t", "rename t old", "syncdir ."}, []string{"old="}},
		{"synced under its new name", []string{"create t", "write t x", "rename t a", "sync t", "close t", "syncdir ."}, []string{"a=x", "old=before"}},
		{"emptied and not synced", []string{"create old", "close old"}, []string{"old=before"}},
		{"remove not synced", []string{"remove old"}, []string{"old=before"}},
		{"remove synced", []string{"remove old", "syncdir ."}, nil},
		{"another folder's sync", []string{"mkdir d", "create d/a", "write d/a x", "sync d/a", "close d/a", "syncdir ."}, []string{"old=before"}},
		{"folders survive", []string{"mkdir d/e", "create d/e/a", "write d/e/a x", "sync d/e/a", "close d/e/a", "syncdir d/e"}, []string{"d/e/a=x", "old=before"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "old"), []byte("before"), 0o666); err != nil {
				t.Fatal(err)
			}
			f, err := New(dir)
			if err != nil {
				t.Fatal(err)
			}
			script(t, f, dir, tt.steps...)
			if err := f.Crash(); err != nil {
				t.Fatal(err)
			}
			if got := files(t, dir); !slices.Equal(got, tt.want) {
				t.Errorf("left %q, want %q", got, tt.want)
			}
			if _, err := f.OpenFile(filepath.Join(dir, "x"), os.O_CREATE, 0o666); !errors.Is(err, ErrDead) {
				t.Errorf("the dead open files: %v", err)
			}
		})
	}
}

func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		list = append(list, filepath.ToSlash(rel)+"="+string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestFailAtFailsOneOperation(t *testing.T) {
	f, dir := start(t)
	f.FailAt(2, syscall.ENOSPC)
	h, err := f.OpenFile(filepath.Join(dir, "a"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil || f.Failed() {
		t.Fatal(err, f.Failed())
	}
	if n, err := h.Write([]byte("123456")); n != 3 || !errors.Is(err, syscall.ENOSPC) || !f.Failed() {
		t.Errorf("wrote %d: %v", n, err)
	}
	if _, err := h.Write([]byte("789")); err != nil {
		t.Error(err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if want := []string{"a=123789"}; !slices.Equal(files(t, dir), want) {
		t.Errorf("left %q, want %q", files(t, dir), want)
	}
	if want := []string{"open a", "write a", "write a", "close a"}; !slices.Equal(f.Operations(), want) {
		t.Errorf("operations %q, want %q", f.Operations(), want)
	}
}

func TestDieAtFailsAllThatFollows(t *testing.T) {
	f, dir := start(t)
	f.DieAt(3)
	h, err := f.OpenFile(filepath.Join(dir, "a"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Write([]byte("12")); err != nil {
		t.Fatal(err)
	}
	if n, err := h.Write([]byte("3456")); n != 2 || !errors.Is(err, ErrDead) {
		t.Errorf("the last write: %d, %v", n, err)
	}
	for name, err := range map[string]error{
		"sync": h.Sync(), "truncate": h.Truncate(0), "close": h.Close(), "remove": f.Remove(filepath.Join(dir, "a")),
		"rename": f.Rename(dir, dir+"2"), "mkdir": f.MkdirAll(dir, 0o777), "syncdir": f.SyncDir(dir),
	} {
		if !errors.Is(err, ErrDead) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if want := []string{"a=1234"}; !slices.Equal(files(t, dir), want) {
		t.Errorf("left %q, want %q", files(t, dir), want)
	}
}
