package partition

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
	"export2batch/internal/stage"
	"export2batch/internal/testfile"
)

// setAside writes a folder such as validate --set-aside leaves of inputs, with
// lines of a rejected/ file.
func setAside(t *testing.T, inputs []stage.Input, lines ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "validated")
	folder, err := stage.Begin(durable.OS, dir, stage.Identity{Stage: "validate"})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	keep := map[string]bool{}
	if len(lines) > 0 {
		keep["rejected/a/00.ndjson"], keep["rejected/a/00.line-9.raw"] = true, true
		testfile.Write(t, filepath.Join(dir, "rejected", "a", "00.ndjson"), strings.Join(lines, ""))
		testfile.Write(t, filepath.Join(dir, "rejected", "a", "00.line-9.raw"), "no JSON")
	}
	if err := folder.Finish(stage.Manifest{Inputs: inputs, Counts: []byte("{}")}, keep); err != nil {
		t.Fatal(err)
	}
	return dir
}

// described is an input as a manifest has it.
func described(name, text string) stage.Input {
	sum := sha256.Sum256([]byte(text))
	return stage.Input{Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
}

// at is a line of a rejected/ file.
func at(file string, line int64) string {
	return string(finding.AppendRejected(nil, finding.Place{File: file, Line: line}, "r", "r", nil))
}

func TestExclude(t *testing.T) {
	samples := []sample{{user: "a", time: 1}, {user: "b", time: 2}, {user: "c", time: 3}, {user: "d", time: 4}}
	path := files(t, samples, 1)[0]
	in, other := described(path, join(samples)), described(filepath.Join(t.TempDir(), "other.ndjson"), "{}\n")
	o := options(t, path)
	o.Exclude = setAside(t, []stage.Input{other, in}, at(path, 3), at(path, 1), at(path, 3))
	s := mustRun(t, o)
	got := allLines(readPartitions(t, o.Out))
	if want := []string{samples[1].line(), samples[3].line()}; !slices.Equal(got, want) || s.DroppedBy["invalid"] != 2 {
		t.Errorf("%q, %+v", got, s)
	}

	// What is excluded belongs to what the folder was made of.
	o.Exclude = ""
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "other options") {
		t.Errorf("without the exclusion: %v", err)
	}

	for _, tt := range []struct{ dir, want string }{
		{setAside(t, []stage.Input{in, other}, at(other.Name, 3)), "is not among the inputs"},
		{setAside(t, []stage.Input{in}, at(other.Name, 3)), "does not name"},
		{setAside(t, []stage.Input{in}, "{\n"), "00.ndjson:1:"},
		{filepath.Join(t.TempDir(), "absent"), "absent"},
		{converted(t, nil, nil), "a folder of convert, not of validate"},
	} {
		o = options(t, path)
		o.Exclude = tt.dir
		if err := runError(t, o); !strings.Contains(err, tt.want) {
			t.Errorf("%s, want %s", err, tt.want)
		}
	}
	o = options(t, path)
	o.Exclude = setAside(t, []stage.Input{in}) // nothing was set aside
	if s := mustRun(t, o); s.Written != 4 {
		t.Errorf("%+v", s)
	}
}

// TestExcludeOfChangedInput is refused: the numbers are those of other lines
// now.
func TestExcludeOfChangedInput(t *testing.T) {
	text := join([]sample{{user: "a", time: 1}, {user: "b", time: 2}})
	escaped := strings.ReplaceAll(text, "user_id", `user\u005fid`) // read in both passes
	dir := converted(t, []string{text}, []string{`{"user_id":"a"}` + "\n" + `{"user_id":"b"}` + "\n"})
	loose := testfile.Write(t, filepath.Join(t.TempDir(), "a.ndjson"), text)
	both := testfile.Write(t, filepath.Join(t.TempDir(), "b.ndjson"), escaped)
	for name, tt := range map[string]struct{ arg, file, text string }{
		"file":           {loose, loose, text},
		"escaped keys":   {both, both, escaped},
		"stage folder":   {dir, filepath.Join(dir, "events", "00.ndjson"), text},
		"standard input": {"-", "-", text},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, tt.arg)
			o.Stdin = strings.NewReader(tt.text)
			o.Exclude = setAside(t, []stage.Input{described(tt.file, "\n"+tt.text)}, at(tt.file, 1))
			if err := runError(t, o); !strings.Contains(err, tt.file+" is not what it was") {
				t.Error(err)
			}
			o.Stdin = strings.NewReader(tt.text)
			o.Exclude = setAside(t, []stage.Input{described(tt.file, tt.text)}, at(tt.file, 1))
			o.Out = filepath.Join(t.TempDir(), "again")
			if s := mustRun(t, o); s.Written != 1 || s.DroppedBy["invalid"] != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}
