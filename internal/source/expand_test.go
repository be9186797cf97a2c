package source

import (
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
	"export2batch/internal/stage"
	"export2batch/internal/testfile"
)

// names of the files of a set, below dir.
func named(t *testing.T, dir string, set *Set) (list []string) {
	t.Helper()
	for _, in := range set.Inputs {
		rel, err := filepath.Rel(dir, in.File)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, filepath.ToSlash(rel)+" "+in.Kind.String()+" as "+in.Name)
	}
	return list
}

func TestKindIsToldByContent(t *testing.T) {
	for _, tt := range []struct {
		data []byte
		want Kind
	}{
		{nil, Empty}, {[]byte("{}"), Text}, {[]byte("[1]"), Text}, {[]byte("\xef\xbb\xbf \r\n\t{"), Text}, {[]byte(" \n"), Text},
		{[]byte("hello"), Unknown}, {[]byte{0}, Unknown}, {testfile.Gzip(t, "x"), GzipData}, {zst(t, "x"), ZstdData},
		{[]byte("\x50\x2a\x4d\x18"), ZstdData}, {[]byte("\x5f\x2a\x4d\x18"), ZstdData}, {[]byte("\x60\x2a\x4d\x18"), Unknown},
		{[]byte("PK\x03\x04"), ZipArchive}, {[]byte("PK\x05\x06"), ZipArchive}, {[]byte("PK\x01\x02"), Unknown},
		{[]byte("PAR1"), ParquetFile}, {[]byte("PARE"), ParquetFile}, {[]byte("\x1f"), Unknown}, {[]byte("\x28\xb5\x2f"), Unknown},
	} {
		if got := KindOf(tt.data); got != tt.want {
			t.Errorf("%q is %s, want %s", tt.data, got, tt.want)
		}
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "p_2024-01-01_10#0.json.gz", testfile.Gzip(t, "{}\n"))
	put(t, dir, "p_2024-01-01_2#0.json.gz", []byte("{}\n")) // not gzip
	put(t, dir, "p_2024-01-01_2#10.json.gz", testfile.Gzip(t, "{}\n"))
	put(t, dir, "p_2024-01-01_2#9.json.gz", zst(t, "{}\n"))
	put(t, dir, "sub/a", []byte("{}"))
	put(t, dir, "sub/a.json", []byte("{}"))
	put(t, dir, "sub/A.JSON", []byte("hello"))
	put(t, dir, "empty.json", nil)
	put(t, dir, "broken.json.gz", nil)
	put(t, dir, "notes.txt", []byte("hello"))
	put(t, dir, "empty.txt", nil)
	put(t, dir, ".hidden/x.json", []byte("{}"))
	put(t, dir, "__MACOSX/x.json", []byte("{}"))
	put(t, dir, "sub/.x.json.gz", testfile.Gzip(t, "{}\n"))
	put(t, dir, "sub/.notes", []byte("{}"))
	put(t, dir, "sub/._a.json", []byte("{}"))
	set := expand(t, dir)
	mustEqual(t, "inputs", named(t, dir, set), []string{
		"empty.json text as empty",
		"p_2024-01-01_2#0.json.gz text as p_2024-01-01_2#0",
		"p_2024-01-01_2#9.json.gz zstd as p_2024-01-01_2#9",
		"p_2024-01-01_2#10.json.gz gzip as p_2024-01-01_2#10",
		"p_2024-01-01_10#0.json.gz gzip as p_2024-01-01_10#0",
		"sub/A.JSON text as sub/A",
		"sub/a text as sub/a~2",
		"sub/a.json text as sub/a~3",
	})
	if set.Ignored != 6 { // two of them are folders
		t.Errorf("%d ignored, want 6", set.Ignored)
	}
	if len(set.Findings) != 2 || set.Findings[1].Rule != "empty-file" || set.Findings[1].File != filepath.Join(dir, "broken.json.gz") ||
		set.Findings[0].Rule != "hidden-file" || set.Findings[0].File != filepath.Join(dir, "sub", ".x.json.gz") {
		t.Errorf("findings %v", set.Findings)
	}
}

func TestArgumentsKeepTheirOrder(t *testing.T) {
	dir := t.TempDir()
	a, b := put(t, dir, "a.json", []byte("{}")), put(t, dir, "x/b.json", []byte("{}"))
	mustEqual(t, "inputs", named(t, dir, expand(t, b, a, b)), []string{"x/b.json text as b", "a.json text as a", "x/b.json text as b~2"})
	put(t, dir, "h10.json", []byte("{}"))
	put(t, dir, "h9.json", []byte("{}"))
	mustEqual(t, "pattern", named(t, dir, expand(t, filepath.Join(dir, "h*.json"))), []string{"h9.json text as h9", "h10.json text as h10"})
	odd := put(t, dir, "[a]*.json", []byte("{}")) // a name, not a pattern
	mustEqual(t, "odd name", named(t, dir, expand(t, odd)), []string{"[a]*.json text as [a]*"})
}

func TestLinksAreFollowedToFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "data/a.json", []byte("{}"))
	if err := os.MkdirAll(filepath.Join(dir, "in"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "data", "a.json"), filepath.Join(dir, "in", "link.json")); err != nil {
		t.Skip(err)
	}
	mustEqual(t, "inputs", named(t, dir, expand(t, filepath.Join(dir, "in"))), []string{"in/link.json text as link"})
}

func TestLinkedFolders(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "data/a.json", []byte("{}"))
	put(t, dir, "in/b.json", []byte("{}"))
	if err := os.Symlink(filepath.Join(dir, "data"), filepath.Join(dir, "in", "linked")); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(filepath.Join(dir, "in"), filepath.Join(dir, "itself")); err != nil {
		t.Skip(err)
	}
	for _, root := range []string{"in", "itself"} {
		set := expand(t, filepath.Join(dir, root))
		mustEqual(t, "inputs", named(t, dir, set), []string{root + "/b.json text as b"})
		if len(set.Findings) != 1 || set.Findings[0].Rule != "linked-folder" || set.Findings[0].File != filepath.Join(dir, root, "linked") {
			t.Errorf("findings %v", set.Findings)
		}
	}
}

func TestExcept(t *testing.T) {
	for _, out := range []string{"out", ".out"} {
		dir := t.TempDir()
		put(t, dir, "a.json", []byte("{}"))
		put(t, dir, out+"/events/b.json", []byte("{}"))
		set, err := Expand([]string{dir}, Options{Except: filepath.Join(dir, out)})
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "inputs", named(t, dir, set), []string{"a.json text as a"})
		if set.Ignored != 0 {
			t.Errorf("%s: %d ignored", out, set.Ignored)
		}
	}
}

func TestExpandErrors(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o777); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "other/photo.jpg", []byte("\xff\xd8\xff"))
	put(t, dir, "other/notes.txt", []byte("hello"))
	for _, tt := range []struct {
		arg, want string
		is        error
	}{
		{arg: filepath.Join(dir, "missing.json"), is: fs.ErrNotExist, want: "missing.json"},
		{arg: filepath.Join(dir, "*.json"), want: "no file matches"},
		{arg: filepath.Join(dir, "[.json"), is: filepath.ErrBadPattern},
		{arg: empty, want: "nothing to read in " + empty},
		{arg: filepath.Join(dir, "other"), want: "(2 other files)"},
		{arg: "-", want: "standard input cannot be read here"},
	} {
		_, err := Expand([]string{tt.arg}, Options{})
		if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.arg, err, tt.want)
		}
	}
}

// Two readers of standard input would tear its lines.
func TestStandardInputTwice(t *testing.T) {
	path := put(t, t.TempDir(), "a.json", []byte("{}"))
	_, err := Expand([]string{"-", path, "-"}, Options{Stdin: strings.NewReader("{}\n")})
	if err == nil || !strings.Contains(err.Error(), "standard input is given twice") {
		t.Errorf("error %v", err)
	}
}

func TestNoPermission(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := t.TempDir()
	path := put(t, dir, "a.json", []byte("{}"))
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	for _, arg := range []string{path, dir} {
		if _, err := Expand([]string{arg}, Options{}); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v", err)
		}
	}
}

// TestUnreadableIsAnErrorNotDamage takes a file away between the two.
func TestUnreadableIsAnErrorNotDamage(t *testing.T) {
	path := put(t, t.TempDir(), "a.json", []byte("{}"))
	in := only(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Lines(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func stageFolder(t *testing.T, dir string, texts ...string) *stage.Folder {
	t.Helper()
	f, err := stage.Begin(durable.OS, dir, stage.Identity{Stage: "convert", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	m, keep := stage.Manifest{}, map[string]bool{"rejected/x.ndjson": true}
	put(t, dir, "rejected/x.ndjson", []byte("{}\n"))
	for i, text := range texts {
		name := fmt.Sprint("events/", 10-i, ".ndjson.zst")
		w, err := eventfile.Create(durable.OS, f.File(name), name, eventfile.Zstd)
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
		m.Files, keep[name] = append(m.Files, info), true
	}
	if len(texts) > 0 && texts[0] == "unfinished" {
		return f
	}
	if err := f.Finish(m, keep); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestStageFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	f := stageFolder(t, dir, "{}\n", "{\"a\":1}\n")
	set := expand(t, dir)
	// The order of the manifest, and only what it names.
	mustEqual(t, "inputs", named(t, dir, set), []string{"events/10.ndjson.zst zstd as events/10", "events/9.ndjson.zst zstd as events/9"})
	if set.Inputs[0].SHA256 == "" || set.Inputs[0].SHA256 == set.Inputs[1].SHA256 {
		t.Errorf("checksums %q", []string{set.Inputs[0].SHA256, set.Inputs[1].SHA256})
	}
	if _, err := Expand([]string{dir}, Options{Stages: []string{"partition"}}); err == nil || !strings.Contains(err.Error(), "is the result of convert") {
		t.Errorf("another stage's folder: %v", err)
	}
	put(t, dir, "events/9.ndjson.zst", []byte("changed"))
	if _, err := Expand([]string{dir}, Options{Stages: []string{"convert"}}); err == nil || !strings.Contains(err.Error(), "the folder was changed") {
		t.Errorf("a changed folder: %v", err)
	}
	if err := os.Remove(f.File("events/9.ndjson.zst")); err != nil {
		t.Fatal(err)
	}
	if _, err := Expand([]string{dir}, Options{Stages: []string{"convert"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder with a file gone: %v", err)
	}
	for _, text := range []string{"", "[]", `{"stage":"conv`} {
		put(t, dir, "manifest.json", []byte(text))
		if _, err := Expand([]string{dir}, Options{Stages: []string{"convert"}}); err == nil || !strings.Contains(err.Error(), "manifest.json is damaged") {
			t.Errorf("a manifest %q: %v", text, err)
		}
	}
	put(t, dir, "manifest.json", []byte(`{"name":"of somebody else"}`))
	if set := expand(t, dir); len(set.Inputs) != 3 { // as of any folder
		t.Errorf("%+v", set)
	}
}

func TestStageFolderWithoutEvents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	stageFolder(t, dir)
	if set := expand(t, dir); len(set.Inputs) > 0 || len(set.Findings) > 0 {
		t.Errorf("%+v", set)
	}
}

func TestUnfinishedStageFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	stageFolder(t, dir, "unfinished")
	if _, err := Expand([]string{dir}, Options{Stages: []string{"convert"}}); !errors.Is(err, stage.ErrUnfinished) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v", err)
	}
}

func TestManifestThatPointsOut(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "x", []byte("{}"))
	put(t, dir, "out/manifest.json", []byte(`{"stage":"convert","files":[{"name":"../x","bytes":2}]}`))
	if _, err := Expand([]string{filepath.Join(dir, "out")}, Options{Stages: []string{"convert"}}); err == nil || !strings.Contains(err.Error(), "outside the folder") {
		t.Errorf("error %v", err)
	}
}

func TestKeyChangesWithTheFile(t *testing.T) {
	dir := t.TempDir()
	path := put(t, dir, "a.json", []byte("{}"))
	before := only(t, path).Key()
	if again := only(t, path).Key(); again != before {
		t.Errorf("key %q, then %q", before, again)
	}
	put(t, dir, "a.json", []byte("{} "))
	if only(t, path).Key() == before {
		t.Error("the key of a changed file is the same")
	}
}

func TestNaturalOrder(t *testing.T) {
	want := []string{"", "a", "a_", "b1", "b01", "b1a", "b2", "b10", "b10#0", "b10#2", "b10#10", "b99999999999999999998", "b99999999999999999999", "c"}
	got := slices.Clone(want)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
	slices.SortFunc(got, naturalCompare)
	want = []string{"", "a", "a_", "b01", "b1", "b1a", "b2", "b10", "b10#0", "b10#2", "b10#10", "b99999999999999999998", "b99999999999999999999", "c"}
	mustEqual(t, "order", got, want)
	for _, a := range want {
		for _, b := range want {
			if c, d := naturalCompare(a, b), naturalCompare(b, a); (c < 0) != (d > 0) || (c == 0) != (a == b) {
				t.Errorf("%q and %q: %d and %d", a, b, c, d)
			}
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"../x", "/abs", `C:\x`, "a//b/./c", strings.Repeat("é", 300), strings.Repeat("a/", 3000), "\x00\xff", ".", "a.json.gz", ".json"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := names{}
		first, second := n.take("base", s), n.take("base", s)
		for _, got := range []string{first, second} {
			if !filepath.IsLocal(got) || filepath.Clean(got) != got || len(got) > maxName+30 || strings.ContainsAny(got, "\\:\n\x00") {
				t.Errorf("%q becomes %q", s, got)
			}
			for part := range strings.SplitSeq(got, "/") {
				if part[0] == '.' || len(part) > maxComponent+30 {
					t.Errorf("%q becomes %q", s, got)
				}
			}
		}
		if strings.EqualFold(first, second) {
			t.Errorf("%q is taken twice", first)
		}
	})
}
