package stage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/durable/faultfs"
	"export2batch/internal/eventfile"
	"export2batch/internal/stage"
	"export2batch/internal/testfile"
)

type options struct {
	By string `json:"by"`
}

var identity = stage.Identity{Stage: "convert", Version: "1.0", Options: options{"x"}}

func begin(t *testing.T, dir string) *stage.Folder {
	t.Helper()
	f, err := stage.Begin(durable.OS, dir, identity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	testfile.Write(t, filepath.Join(dir, filepath.FromSlash(name)), text)
}

// list names the files below dir.
func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestResumeGoesOnBehindWhatIsDone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "out")
	for round := range 4 {
		f := begin(t, dir)
		if f.Finished() != nil {
			t.Fatal("finished too early")
		}
		for part := range 4 {
			var done string
			ok, err := f.Done(fmt.Sprint("part\n", part), &done)
			if err != nil || ok != (part < round) || ok && done != fmt.Sprint("result ", part) {
				t.Errorf("round %d, part %d: %t %q %v", round, part, ok, done, err)
			}
		}
		if err := f.Record(fmt.Sprint("part\n", round), fmt.Sprint("result ", round)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConcurrentRecords(t *testing.T) {
	dir := t.TempDir()
	f := begin(t, dir)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := f.Record(fmt.Sprint(i), strings.Repeat("x", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f.Close()
	f = begin(t, dir)
	for i := range 20 {
		var done string
		if ok, err := f.Done(fmt.Sprint(i), &done); !ok || err != nil || len(done) != i {
			t.Errorf("%d: %t %q %v", i, ok, done, err)
		}
	}
}

func TestTornTailIsCutOff(t *testing.T) {
	for _, tail := range []string{`{"key":"b","do`, `{"key":"b","done":1}`, "\x00\x00\x00\x00"} {
		dir := t.TempDir()
		f := begin(t, dir)
		if err := f.Record("a", 1); err != nil {
			t.Fatal(err)
		}
		f.Close()
		log := filepath.Join(dir, ".unfinished")
		whole, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, ".unfinished", string(whole)+tail)
		f = begin(t, dir)
		var n int
		if ok, _ := f.Done("b", &n); ok {
			t.Errorf("%q counts as done", tail)
		}
		if ok, err := f.Done("a", &n); !ok || err != nil {
			t.Errorf("%q: the line before is lost: %v", tail, err)
		}
		if err := f.Record("c", 3); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(log); string(got) != string(whole)+`{"key":"c","done":3}`+"\n" {
			t.Errorf("behind %q: %q", tail, got)
		}
	}
}

func TestDamagedLogIsRefusedAndNotTouched(t *testing.T) {
	for _, text := range []string{"", "no newline", "someone else's\n", "{}\ngarbage\n{}\n"} {
		dir := t.TempDir()
		if text == "{}\ngarbage\n{}\n" {
			f := begin(t, dir)
			f.Close()
			head, _ := os.ReadFile(filepath.Join(dir, ".unfinished"))
			text = string(head) + "garbage\n"
		}
		put(t, dir, ".unfinished", text)
		if f, err := stage.Begin(durable.OS, dir, identity); err == nil {
			f.Close()
			t.Errorf("%q is taken", text)
		} else if !strings.Contains(err.Error(), dir) {
			t.Errorf("the error does not name the folder: %v", err)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, ".unfinished")); string(got) != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestOtherIdentityIsRefused(t *testing.T) {
	for _, finished := range []bool{false, true} {
		dir := t.TempDir()
		f := begin(t, dir)
		if finished {
			if err := f.Finish(stage.Manifest{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		before := list(t, dir)
		for name, id := range map[string]stage.Identity{
			"stage":   {Stage: "partition", Version: "1.0", Options: options{"x"}},
			"version": {Stage: "convert", Version: "1.1", Options: options{"x"}},
			"options": {Stage: "convert", Version: "1.0", Options: options{"y"}},
		} {
			if f, err := stage.Begin(durable.OS, dir, id); err == nil {
				f.Close()
				t.Errorf("finished %t: another %s is taken", finished, name)
			} else if !strings.Contains(err.Error(), "other options") {
				t.Errorf("error %v", err)
			}
		}
		if got := list(t, dir); !slices.Equal(got, before) {
			t.Errorf("the folder was changed: %q", got)
		}
		again := begin(t, dir)
		if (again.Finished() != nil) != finished {
			t.Errorf("finished is %t", !finished)
		}
		again.Close()
	}
}

func TestForeignFilesAreRefusedAndNotTouched(t *testing.T) {
	for _, name := range []string{"photo.jpg", "sub/thing", ".hidden", "manifest.json"} {
		dir := t.TempDir()
		put(t, dir, name, `{"name":"some web page"}`)
		if f, err := stage.Begin(durable.OS, dir, identity); err == nil {
			f.Close()
			t.Errorf("a folder with %s is taken", name)
		} else if !strings.Contains(err.Error(), "was not written by export2batch") {
			t.Errorf("error %v", err)
		}
		if got := list(t, dir); !slices.Equal(got, []string{name}) {
			t.Errorf("left %q", got)
		}
	}
}

func TestStartAfterAKillBeforeTheFirstLine(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "..unfinished.tmp", "torn")
	f := begin(t, dir)
	if err := f.Record("a", 1); err != nil {
		t.Fatal(err)
	}
}

func TestFolderIsLocked(t *testing.T) {
	dir := t.TempDir()
	first := begin(t, dir)
	if f, err := stage.Begin(durable.OS, dir, identity); err == nil {
		f.Close()
		t.Error("two commands work in one folder")
	} else if !strings.Contains(err.Error(), "in use") {
		t.Errorf("error %v", err)
	}
	first.Close()
	begin(t, dir)
}

func TestFinishSweepsAndKeeps(t *testing.T) {
	dir := t.TempDir()
	f := begin(t, dir)
	for _, name := range []string{
		"events/kept.ndjson", "events/deep/kept.ndjson", "events/stale.ndjson", "events/.kept.ndjson.tmp", "mine/notes.txt", "rejected/stale.ndjson", "rejected/kept.ndjson",
	} {
		put(t, dir, name, "x")
	}
	keep := map[string]bool{"events/kept.ndjson": true, "events/deep/kept.ndjson": true, "rejected/kept.ndjson": true}
	if err := f.Finish(stage.Manifest{Files: []eventfile.Info{{Name: "events/kept.ndjson", Events: 1, Bytes: 1}}}, keep); err != nil {
		t.Fatal(err)
	}
	want := []string{"events/deep/kept.ndjson", "events/kept.ndjson", "manifest.json", "mine/notes.txt", "rejected/kept.ndjson"}
	if got := list(t, dir); !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
	m, err := stage.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var o options
	if err := json.Unmarshal(m.Options, &o); err != nil || m.Stage != "convert" || m.Version != "1.0" || o.By != "x" || len(m.Files) != 1 {
		t.Errorf("manifest %+v (%v)", m, err)
	}
}

// scenario is a stage with three parts. It returns the parts it had to do, and
// how many of them Record confirmed.
func scenario(fsys durable.FS, dir string) (did []string, recorded int, err error) {
	f, err := stage.Begin(fsys, dir, identity)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.Finished() != nil {
		return nil, 0, nil
	}
	m, keep := stage.Manifest{}, map[string]bool{}
	for _, part := range []string{"a", "b", "c"} {
		var info eventfile.Info
		done, err := f.Done(part, &info)
		if err != nil {
			return did, recorded, err
		}
		if !done {
			did = append(did, part)
			name := "events/" + part + ".ndjson"
			w, err := eventfile.Create(fsys, f.File(name), name, eventfile.None)
			if err != nil {
				return did, recorded, err
			}
			defer w.Abort()
			if err := w.Write([]byte(strings.Repeat(part, 100) + "\n")); err != nil {
				return did, recorded, err
			}
			if info, err = w.Commit(); err != nil {
				return did, recorded, err
			}
			if err := f.Record(part, info); err != nil {
				return did, recorded, err
			}
			recorded++
		}
		m.Files, keep[info.Name] = append(m.Files, info), true
	}
	return did, recorded, f.Finish(m, keep)
}

// verify checks that the folder is finished and holds what it should.
func verify(t *testing.T, dir string) {
	t.Helper()
	m, err := stage.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range []string{"a", "b", "c"} {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(m.Files[i].Name)))
		if err != nil || string(data) != strings.Repeat(part, 100)+"\n" || m.Files[i].Bytes != int64(len(data)) {
			t.Errorf("%s: %q, %v", m.Files[i].Name, data, err)
		}
	}
	if got, want := list(t, dir), []string{"events/a.ndjson", "events/b.ndjson", "events/c.ndjson", "manifest.json"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

// TestEveryStopIsGoneOnFrom fails or kills one operation after the other, also
// with the power gone, and starts again.
func TestEveryStopIsGoneOnFrom(t *testing.T) {
	for _, mode := range []string{"fail", "kill", "power"} {
		t.Run(mode, func(t *testing.T) {
			for n := 1; ; n++ {
				dir := filepath.Join(t.TempDir(), "out")
				if err := os.Mkdir(dir, 0o777); err != nil {
					t.Fatal(err)
				}
				fsys, err := faultfs.New(dir)
				if err != nil {
					t.Fatal(err)
				}
				want := faultfs.ErrDead
				if mode == "fail" {
					want = syscall.ENOSPC
					fsys.FailAt(n, want)
				} else {
					fsys.DieAt(n)
				}
				_, recorded, err := scenario(fsys, dir)
				if !fsys.Failed() {
					if err != nil {
						t.Errorf("without a fault: %v", err)
					}
					verify(t, dir)
					break
				}
				if !errors.Is(err, want) {
					t.Errorf("fault %d (%s): error %v", n, last(fsys), err)
				}
				if mode == "power" {
					if err := fsys.Crash(); err != nil {
						t.Fatal(err)
					}
				}
				after, err := faultfs.New(dir)
				if err != nil {
					t.Fatal(err)
				}
				did, _, err := scenario(after, dir)
				if err != nil {
					t.Errorf("fault %d (%s): started again: %v", n, last(fsys), err)
					continue
				}
				if len(did) > 3-recorded { // what Record confirmed is never done again
					t.Errorf("fault %d (%s): %d parts were recorded, but %q are done again", n, last(fsys), recorded, did)
				}
				verify(t, dir)
			}
		})
	}
}

func last(f *faultfs.FS) string {
	ops := f.Operations()
	return ops[len(ops)-1]
}

func TestNothingFollowsATornRecord(t *testing.T) {
	dir := t.TempDir()
	fsys, err := faultfs.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := stage.Begin(fsys, dir, identity)
	if err != nil {
		t.Fatal(err)
	}
	fsys.FailAt(len(fsys.Operations())+1, syscall.ENOSPC)
	if err := f.Record("a", 1); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v", err)
	}
	if err := f.Record("b", 2); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a record behind a torn one: %v", err)
	}
	f.Close()
	var n int
	if ok, err := begin(t, dir).Done("a", &n); ok || err != nil {
		t.Errorf("the torn record counts: %v", err)
	}
}

// A recorded file that is gone or of another size is noticed.
func TestHolds(t *testing.T) {
	dir := t.TempDir()
	f := begin(t, dir)
	put(t, dir, "events/a", "1234")
	put(t, dir, "rejected/a", "1")
	a := eventfile.Info{Name: "events/a", Bytes: 4}
	for _, tt := range []struct {
		files []eventfile.Info
		names []string
		want  bool
	}{
		{nil, nil, true},
		{[]eventfile.Info{a}, []string{"rejected/a"}, true},
		{[]eventfile.Info{a, {Name: "events/b"}}, nil, false},
		{[]eventfile.Info{{Name: "events/a", Bytes: 5}}, nil, false},
		{[]eventfile.Info{a}, []string{"rejected/a", "rejected/b"}, false},
	} {
		if got := f.Holds(tt.files, tt.names...); got != tt.want {
			t.Errorf("%v %q: %t", tt.files, tt.names, got)
		}
	}
}
