package validate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/stage"
	"export2batch/internal/testfile"
)

func TestRepairs(t *testing.T) {
	c := newTestChecker(t, Options{})
	long := strings.Repeat("ä", 1025)
	cut := strings.Repeat("ä", 1024)
	for _, tc := range []struct{ event, want string }{
		{eventWith("time", `1600000000`), eventWith("time", `1600000000000`)},
		{eventWith("time", `1600000000123456`), eventWith("time", `1600000000123`)},
		{eventWith("time", `1600000000123456789`), eventWith("time", `1600000000123`)},
		{eventWith("user_id", `"unknown"`, "device_id", `"device1"`), eventWith("user_id", ``, "device_id", `"device1"`)},
		{eventWith("device_id", `"N\u0041"`), eventWith()},
		{eventWith("platform", `null`, "event_properties", `{"a":null}`), eventWith("event_properties", `{"a":null}`)},
		{eventWith("platform", `"`+long+`"`), eventWith("platform", `"`+cut+`"`)},
		{eventWith("event_properties", `{"a" : [ "`+long+`" , 1,"\"`+long+`"], "`+long+`":2 }`), eventWith("event_properties", `{"a" : [ "`+cut+`" , 1,"\"`+cut[:2*1023]+`"], "`+long+`":2 }`)},
		{eventWith("groups", `{"a":"`+long+`"}`), eventWith("groups", `{"a":"`+cut+`"}`)},

		{eventWith("user_id", `"unknown"`), ""},
		{eventWith("user_id", `"unknown"`, "device_id", `"abc"`), ""},
		{eventWith("user_id", `"`+long+`"`, "insert_id", `"`+long+`"`), ""},
		{eventWith("time", `1600000000.5`), ""},
		{eventWith("time", `99999999999999999999`), ""},
		{eventWith("time", `946684799`), ""},
		{eventWith("time", `-1600000000`), ""},
		{eventWith("uuid", `null`), ""},
		{eventWith("time", `null`), ""},
		{eventWith("time", `null`, "platform", `null`), eventWith("time", `null`)},
		{eventWith(), ""},
		{`nonsense`, ""},
	} {
		mustCheck(t, c, tc.event)
		got, ok := c.repair(nil)
		if ok != (tc.want != "") || ok && string(got) != tc.want {
			t.Errorf("%s: %t, %s, want %s", Abbreviate(tc.event), ok, Abbreviate(string(got)), Abbreviate(tc.want))
		}
	}
}

// TestFix writes a copy, which then has no errors.
func TestFix(t *testing.T) {
	text := lines(eventWith(), eventWith("time", `1600000000`), eventWith("user_id", `"abc"`, "platform", `null`), eventWith("ip", `null`, "time", ``), "nonsense") +
		eventWith("insert_id", ``)
	path := writeFile(t, "a.ndjson", text)
	dir := filepath.Join(t.TempDir(), "fixed")
	o := Options{Paths: []string{path}, Fix: dir, Compress: eventfile.None}
	s, found := run(t, o)
	want := []string{"2 /time time-unit", "3 /platform type", "3 /user_id id-length", "4  time-missing", "4 /ip type", "5  invalid-json", "6  insert-id-missing"}
	if got := places(found); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	for i, severity := range []finding.Severity{finding.Info, finding.Error, finding.Error, finding.Warn, finding.Info, finding.Error, finding.Warn} {
		if found[i].Severity != severity || strings.HasSuffix(found[i].Message, "; repaired") != (severity == finding.Info) {
			t.Errorf("finding %d: %v", i, found[i])
		}
	}
	if s.Valid != 4 || s.Invalid != 2 || s.Repaired != 2 || s.Errors != 3 {
		t.Errorf("summary %+v", s)
	}
	files := readFolder(t, dir)
	if want := lines(eventWith(), eventWith("time", `1600000000000`), eventWith("time", ``), eventWith("insert_id", ``)); files["events/a.ndjson"] != want {
		t.Errorf("copy %q, want %q", files["events/a.ndjson"], want)
	}
	if n := strings.Count(files["rejected/a.ndjson"], "\n"); n != 2 || !strings.Contains(files["rejected/a.ndjson"], `\"platform\":null`) {
		t.Errorf("set aside %q", files["rejected/a.ndjson"])
	}
	m, err := stage.Load(dir)
	if err != nil || len(m.Files) != 1 || m.Files[0].Events != 4 || *m.Files[0].FirstTime != 1600000000000 {
		t.Errorf("manifest %+v, %v", m, err)
	}
	again, found := run(t, Options{Paths: []string{dir}})
	if again.Read != 4 || again.Invalid != 0 || again.Errors != 0 {
		t.Errorf("the copy: %+v, %v", again, found)
	}
	same, _ := run(t, o)
	if same.Errors != s.Errors {
		t.Errorf("a second run: %+v", same)
	}
}

// TestFixLeavesNullTime sets aside an event whose time is null, rather than have
// it dated at its upload.
func TestFixLeavesNullTime(t *testing.T) {
	path := writeFile(t, "a.ndjson", lines(eventWith("time", `null`, "platform", `null`)))
	dir := filepath.Join(t.TempDir(), "fixed")
	s, found := run(t, Options{Paths: []string{path}, Fix: dir, Compress: eventfile.None})
	if got, want := places(found), []string{"1 /platform type", "1 /time type"}; !slices.Equal(got, want) || s.Invalid != 1 || s.Repaired != 0 {
		t.Errorf("%+v, found %q, want %q", s, got, want)
	}
	if !strings.Contains(readFolder(t, dir)["rejected/a.ndjson"], `\"time\":null`) {
		t.Error("the event is not set aside as it was")
	}
}

// TestFixTalliesOnce counts an event that is repaired, and one that cannot be,
// as it is in the end.
func TestFixTalliesOnce(t *testing.T) {
	path := writeFile(t, "a.ndjson", lines(
		eventWith("event_type", `"$a"`, "insert_id", `"1"`, "platform", `null`),
		eventWith("event_type", `"$a"`, "insert_id", `"2"`, "platform", `null`, "user_id", `"abc"`),
		eventWith("insert_id", `"3"`, "time", `1600000000`)))
	s, found := runAll(t, Options{Paths: []string{path}, Fix: filepath.Join(t.TempDir(), "fixed")})
	var got []string
	for _, f := range found {
		if f.Line == 0 {
			got = append(got, strings.Fields(f.Message)[0]+" "+f.Rule)
		}
	}
	if want := []string{"3 time-old", "2 reserved-name"}; !slices.Equal(got, want) || s.Repaired != 2 || s.Invalid != 1 {
		t.Errorf("told %q, want %q: %+v", got, want, s)
	}
}

// TestFixDocument writes the events of an array line by line.
func TestFixDocument(t *testing.T) {
	path := writeFile(t, "a.json", "[\n "+eventWith("time", ` 1600000000 `)+",\n{ \"event_type\" : \"a b\",\n \"user_id\":\"user1\" ,\"insert_id\":\"j\",\"time\":1600000000000}]")
	dir := filepath.Join(t.TempDir(), "fixed")
	s, _ := run(t, Options{Paths: []string{path}, Fix: dir, Compress: eventfile.None})
	want := lines(eventWith("time", `1600000000000`), eventWith("event_type", `"a b"`, "insert_id", `"j"`))
	if files := readFolder(t, dir); files["events/a.ndjson"] != want || s.Valid != 2 {
		t.Errorf("copy %q, want %q", files["events/a.ndjson"], want)
	}
}

func TestFixOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"with set-aside": {Paths: []string{"x"}, Fix: "a", SetAside: "b"},
		"of exports":     {Paths: []string{"x"}, Fix: "a", Schemas: []string{SchemaExport}},
		"compression":    {Paths: []string{"x"}, Fix: "a", Compress: "lzma"},
	} {
		if o.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzRepair sees that a repair keeps an event an event and is done at once.
func FuzzRepair(f *testing.F) {
	for _, tc := range Examples() {
		if len(tc.Breaks) < 1<<16 {
			f.Add([]byte(tc.Breaks))
		}
	}
	c := newTestChecker(f, Options{})
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, err := c.check(line); err != nil {
			t.Fatal(err)
		}
		once, ok := c.repair(nil)
		if !ok {
			return
		}
		if _, err := c.check(once); err != nil {
			t.Fatal(err)
		}
		if len(c.found) == 1 && c.found[0].Rule == ruleInvalidJSON {
			t.Fatalf("%q became %q", line, once)
		}
		if twice, ok := c.repair(nil); ok {
			t.Errorf("%q became %q, then %q", line, once, twice)
		}
	})
}

// finished makes a stage folder with one event file.
func finished(t *testing.T, counts string, events ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "converted")
	folder, err := stage.Begin(osFS(), dir, stage.Identity{Stage: "convert", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	const name = "events/a.ndjson"
	w, err := eventfile.Create(osFS(), folder.File(name), name, eventfile.None)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]byte(lines(events...))); err != nil {
		t.Fatal(err)
	}
	for range events {
		w.Count(1600000000000)
	}
	info, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if err := folder.Finish(stage.Manifest{Files: []eventfile.Info{info}, Counts: []byte(counts)}, map[string]bool{name: true}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestManifest compares a stage folder with its manifest.
func TestManifest(t *testing.T) {
	const right = `{"read":3,"written":2,"rejected":1,"dropped":0}`
	first, second := eventWith(), eventWith("insert_id", `"j"`)
	for name, tc := range map[string]struct {
		counts string
		spoil  func(dir string) error
		want   []string
	}{
		"right":          {right, nil, nil},
		"no account":     {`{}`, nil, nil},
		"not balanced":   {`{"read":4,"written":2,"rejected":1,"dropped":0}`, nil, []string{"0 /counts manifest-count"}},
		"other number":   {`{"read":3,"written":3,"rejected":0,"dropped":0}`, nil, []string{"0 /counts/written manifest-count"}},
		"negative count": {`{"read":-1}`, nil, []string{"0  manifest"}},
		"changed file": {right, func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "events/a.ndjson"), []byte(lines(first, strings.Replace(second, "user1", "user2", 1))), 0o666)
		}, []string{"0  manifest-checksum"}},
		"a line less": {right, func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "events/a.ndjson"), []byte(first+strings.Repeat(" ", len(second)+1)+"\n"), 0o666)
		}, []string{"0  manifest-checksum", "0  manifest-count"}},
	} {
		dir := finished(t, tc.counts, first, second)
		if tc.spoil != nil {
			if err := tc.spoil(dir); err != nil {
				t.Fatal(err)
			}
		}
		_, found := run(t, Options{Paths: []string{dir}})
		if got := places(found); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %q", name, found, tc.want)
		}
	}
}

// TestChangedFolder has stage folders whose manifest is damaged, or does not
// fit the files: each is told, and the events are checked all the same.
func TestChangedFolder(t *testing.T) {
	const foreign = `{"name":"tracking plan"}`
	bad := lines(strings.Replace(eventWith(), "user1", "u", 1))
	idLength := "events/a.ndjson 1 /user_id id-length"
	damaged := []string{"manifest.json 0  manifest", idLength}
	for name, tc := range map[string]struct {
		files map[string]string // written over those of the folder; "": removed
		want  []string
	}{
		"right":                {nil, []string{idLength}},
		"empty":                {map[string]string{"manifest.json": " "}, damaged},
		"array":                {map[string]string{"manifest.json": "[]"}, damaged},
		"object":               {map[string]string{"manifest.json": "{}"}, damaged},
		"cut off":              {map[string]string{"manifest.json": `{"stage":"convert","ver`}, damaged},
		"no stage":             {map[string]string{"manifest.json": `{"stage":"","files":[]}`}, damaged},
		"no files":             {map[string]string{"manifest.json": `{"stage":"convert","version":"1","options":null,"inputs":null,"files":null,"counts":{}}`}, []string{"events/a.ndjson 0  manifest"}},
		"damaged, partitions":  {map[string]string{"manifest.json": "[]", "events/a.ndjson": "", "partitions/p.ndjson": bad}, []string{"manifest.json 0  manifest", "partitions/p.ndjson 1 /user_id id-length"}},
		"damaged, other files": {map[string]string{"manifest.json": "[]", "identities/a.ndjson": "{}\n", "rejected/a.ndjson": "{}\n"}, damaged},
		"somebody else's":      {map[string]string{"manifest.json": foreign}, []string{idLength, "manifest.json 1  id-required", "manifest.json 1  insert-id-missing", "manifest.json 1  required", "manifest.json 1  time-missing", "manifest.json 1 /name unknown-key"}},
		"more files":           {map[string]string{"events/b.ndjson": bad, "events/c/d": "x", "events/.DS_Store": "x", "partitions/p": "x", "notes/n": "x"}, []string{"events/b.ndjson 0  manifest", "events/c/d 0  manifest", "partitions/p 0  manifest", idLength}},
		"a file less":          {map[string]string{"events/a.ndjson": ""}, []string{"events/a.ndjson 0  manifest"}},
		"another size":         {map[string]string{"events/a.ndjson": bad + bad}, []string{idLength, "events/a.ndjson 2 /user_id id-length", "events/a.ndjson 0  manifest-checksum", "events/a.ndjson 0  manifest-count"}},
		"nothing in the file":  {map[string]string{"events/a.ndjson": "\n"}, []string{"events/a.ndjson 0  manifest-checksum", "events/a.ndjson 0  manifest-count"}},
		"Parquet in its place": {map[string]string{"events/a.ndjson": "PAR1\n"}, []string{"events/a.ndjson 0  damaged-input", "events/a.ndjson 0  manifest-checksum", "events/a.ndjson 0  manifest-count"}},
	} {
		dir := finished(t, `{}`, strings.TrimSpace(bad))
		for file, text := range tc.files {
			path := filepath.Join(dir, file)
			if text != "" {
				testfile.Write(t, path, text)
			} else if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		_, found := run(t, Options{Paths: []string{dir}})
		var got []string
		for i, place := range places(found) {
			rel, err := filepath.Rel(dir, found[i].File)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, filepath.ToSlash(rel)+" "+place)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: found %q, want %q", name, got, tc.want)
		}
	}
}
