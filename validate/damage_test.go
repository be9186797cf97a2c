package validate

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/source"
	"export2batch/internal/testfile"
)

func TestDamagedInput(t *testing.T) {
	whole := testfile.Gzip(t, []byte(strings.Repeat(eventWith("insert_id", ``)+"\n", 5000)))
	path := writeFile(t, "cut.ndjson.gz", string(whole[:len(whole)-20]))
	aside := filepath.Join(t.TempDir(), "aside")
	s, found := run(t, Options{Paths: []string{path}, SetAside: aside})
	if s.Rules[ruleDamaged] != 1 || s.Errors != 1 || s.Read == 0 || s.Warnings != s.Read-s.Invalid {
		t.Errorf("summary %+v", s)
	}
	if last := found[len(found)-1]; last.Rule != ruleDamaged || !strings.Contains(last.Message, "were validated") {
		t.Errorf("the last finding is %v", last)
	}
	if s.Invalid == 1 {
		text := readFolder(t, aside)["rejected/cut.ndjson"]
		if !strings.Contains(text, fmt.Sprintf(`"line":%d,"rule":"damaged-input"`, s.Read)) {
			t.Errorf("the line that was cut off is not set aside: %q", text)
		}
	}
}

// TestCutLine has the damage in the middle of a line, and behind a whole one.
func TestCutLine(t *testing.T) {
	for _, tc := range []struct {
		text          string
		read, invalid int64
		line          int64 // of the damage
		message       string
	}{
		{eventWith() + "\n" + eventWith()[:20], 2, 1, 2, "the 1 line before it was validated"},
		{eventWith() + "\n" + eventWith(), 2, 0, 0, "the 2 lines before"},
		{eventWith() + "\n", 1, 0, 0, "the 1 line before it was validated"},
		{eventWith() + "\n  ", 1, 0, 0, "the 1 line before it was validated"},
		{"", 0, 0, 0, "the 0 lines before"},
	} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, tc.text); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil { // all text, but no end
			t.Fatal(err)
		}
		s, found := run(t, Options{Paths: []string{writeFile(t, "cut.gz", b.String())}})
		if s.Read != tc.read || s.Invalid != tc.invalid || len(found) != 1 || found[0].Line != tc.line || !strings.Contains(found[0].Message, tc.message) {
			t.Errorf("%q: %+v, %v", tc.text, s, found)
		}
	}
}

// TestLongLine has a line of 32 MiB, one of a byte more, and events around.
func TestLongLine(t *testing.T) {
	t.Parallel()
	pad := func(n int) string {
		line := eventWith("event_properties", `{"a":"%"}`)
		return strings.Replace(line, "%", strings.Repeat("x", n-len(line)+1), 1)
	}
	long := pad(source.MaxLine + 1)
	path := writeFile(t, "long.ndjson", eventWith()+"\n"+pad(source.MaxLine)+"\n"+long+"\n"+eventWith("user_id", `"abc"`)+"\n")
	aside := filepath.Join(t.TempDir(), "aside")
	s, found := run(t, Options{Paths: []string{path}, SetAside: aside, Rules: map[string]string{ruleEventSize: "warn"}})
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprint(f.Line, " ", f.Rule))
	}
	if want := []string{"2 event-size", "2 string-length", "3 line-too-long", "4 id-length"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if s.Read != 4 || s.Invalid != 2 {
		t.Errorf("summary %+v", s)
	}
	files := readFolder(t, aside)
	if files["rejected/long.line-3.raw"] != long {
		t.Error("the long line is not kept as it was")
	}
	if n := strings.Count(files["rejected/long.ndjson"], "\n"); n != 2 {
		t.Errorf("%d lines set aside, want 2", n)
	}
}
