package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"export2batch/internal/finding"
)

// sample has every kind of place, severity and awkward text.
func sample() []finding.Finding {
	at := func(file, member string, line int64) finding.Place {
		return finding.Place{File: file, Member: member, Line: line}
	}
	return []finding.Finding{
		{Place: at("a b/ü,:%.ndjson", "", 3), Pointer: "/user_id", Rule: "placeholder-id", Severity: finding.Error, Message: "is a placeholder, 100 %\nof them: <&>\x01"},
		{Place: at("a b/ü,:%.ndjson", "", 4), Rule: "insert-id-missing", Severity: finding.Warn, Message: "has no insert_id"},
		{Place: at("x.zip", "in/m.json", 7), Pointer: "/a", Rule: "placeholder-id", Severity: finding.Error, Message: "again"},
		{Place: at("/abs/\xff.json", "", 0), Rule: "time-old", Severity: finding.Info, Message: "old"},
		{Place: at("a b/ü,:%.ndjson", "", 5), Rule: "not-in-the-list", Severity: finding.Info, Message: "new"},
	}
}

func options() Options {
	return Options{Tool: "tool", Version: "1.2", Most: 2, Rules: []Rule{
		{"placeholder-id", finding.Error, "An id is a placeholder.", "somebody"},
		{"insert-id-missing", finding.Warn, "No insert id.", "somebody"},
		{"time-old", finding.Info, "Old.", "somebody"},
	}, Text: func(w io.Writer) { fmt.Fprintln(w, "the account") }}
}

var total = Total{Files: 3, Events: 9, Errors: 2, Warnings: 1, Infos: 2, Summary: map[string]any{"type": "summary", "read": 9}}

func write(t *testing.T, format Format, list []finding.Finding) string {
	t.Helper()
	var b bytes.Buffer
	r, err := New(format, &b, options())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if err := r.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(total); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSARIF holds the report against the schema that OASIS publishes.
func TestSARIF(t *testing.T) {
	text, err := os.ReadFile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.Draft = jsonschema.Draft4
	compiler.AssertFormat = true
	compiler.LoadURL = func(url string) (io.ReadCloser, error) { return nil, errors.New("nothing is fetched: " + url) }
	if err := compiler.AddResource("sarif.json", bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]finding.Finding{nil, sample()[:1], sample()} {
		var doc any
		out := write(t, SARIF, list)
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%d findings: %#v", len(list), err)
		}
	}
	var bad any
	if err := json.Unmarshal([]byte(strings.Replace(write(t, SARIF, sample()), `"level":"note"`, `"level":"info"`, 1)), &bad); err != nil {
		t.Fatal(err)
	}
	if schema.Validate(bad) == nil {
		t.Error("the schema takes anything")
	}
}

func TestSARIFContent(t *testing.T) {
	var doc struct {
		Runs []struct {
			Results []struct {
				RuleID    string `json:"ruleId"`
				RuleIndex *int   `json:"ruleIndex"`
				Level     string
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(write(t, SARIF, sample())), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range doc.Runs[0].Results {
		p := r.Locations[0].PhysicalLocation
		line, index := 0, -1
		if p.Region != nil {
			line = p.Region.StartLine
		}
		if r.RuleIndex != nil {
			index = *r.RuleIndex
		}
		got = append(got, fmt.Sprint(r.RuleID, " ", index, " ", r.Level, " ", p.ArtifactLocation.URI, " ", line))
	}
	want := []string{
		"placeholder-id 0 error a%20b/%C3%BC,:%25.ndjson 3", "insert-id-missing 1 warning a%20b/%C3%BC,:%25.ndjson 4",
		"placeholder-id 0 error x.zip 0", "time-old 2 note file:///abs/%EF%BF%BD.json 0", "not-in-the-list -1 note a%20b/%C3%BC,:%25.ndjson 5",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// junitForm is what the schema of JUnit reports that Jenkins publishes allows:
// the children and attributes of each element, the needed attributes with "!".
var junitForm = map[string][]string{
	"testsuites": {"<testsuite", "name", "time", "tests", "failures", "disabled", "errors"},
	"testsuite": {"<properties", "<testcase", "<system-out", "<system-err", "name!", "tests!", "failures", "errors", "time", "disabled",
		"skipped", "timestamp", "hostname", "id", "package"},
	"testcase":   {"<skipped", "<error", "<failure", "<system-out", "<system-err", "name!", "assertions", "time", "classname!", "status"},
	"failure":    {"type", "message"},
	"system-out": {},
}

// TestJUnit holds the report against the form above, and its counts.
func TestJUnit(t *testing.T) {
	for _, list := range [][]finding.Finding{nil, sample()} {
		out := write(t, JUnit, list)
		d := xml.NewDecoder(strings.NewReader(out))
		var path []string
		seen := map[string]int{}
		for {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			switch tok := tok.(type) {
			case xml.StartElement:
				name := tok.Name.Local
				seen[name]++
				form, ok := junitForm[name]
				if !ok || len(path) > 0 && !slices.Contains(junitForm[path[len(path)-1]], "<"+name) || len(path) == 0 && name != "testsuites" {
					t.Errorf("%s in %v", name, path)
				}
				have := map[string]bool{}
				for _, a := range tok.Attr {
					have[a.Name.Local] = true
					if !slices.Contains(form, a.Name.Local) && !slices.Contains(form, a.Name.Local+"!") {
						t.Errorf("%s has %s", name, a.Name.Local)
					}
				}
				for _, f := range form {
					if needed, ok := strings.CutSuffix(f, "!"); ok && !have[needed] {
						t.Errorf("%s has no %s", name, needed)
					}
				}
				path = append(path, name)
			case xml.EndElement:
				path = path[:len(path)-1]
			}
		}
		var all xmlSuites
		if err := xml.Unmarshal([]byte(out), &all); err != nil {
			t.Fatal(err)
		}
		if all.Tests != seen["testcase"] || all.Failures != seen["failure"] || len(all.Suites) != seen["testsuite"] {
			t.Errorf("%d tests, %d failures in %d suites are counted, the elements are %v", all.Tests, all.Failures, len(all.Suites), seen)
		}
		if want := map[bool]int{true: 0, false: 2}[list == nil]; all.Failures != want {
			t.Errorf("%d failures, want %d", all.Failures, want)
		}
	}
}

func TestGitHub(t *testing.T) {
	got := write(t, GitHub, append(sample(), sample()[0]))
	want := "::error file=a b/ü%2C%3A%25.ndjson,line=3,title=placeholder-id::/user_id: is a placeholder, 100 %25%0Aof them: <&>\x01\n" +
		"::warning file=a b/ü%2C%3A%25.ndjson,line=4,title=insert-id-missing::has no insert_id\n" +
		"::error file=x.zip,title=placeholder-id::x.zip!in/m.json:7: /a: again\n" +
		"::notice file=/abs/\xff.json,title=time-old::old\n" +
		"::notice file=a b/ü%2C%3A%25.ndjson,line=5,title=not-in-the-list::new\n" +
		"::notice title=placeholder-id::and 1 more findings of this rule\n" +
		"the account\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestText groups by rule, errors first, and stops at Most of each.
func TestText(t *testing.T) {
	list := sample()
	var many []finding.Finding
	for _, i := range []int{3, 1, 0, 1, 1, 0} {
		list[i].Message = "one line"
		many = append(many, list[i])
	}
	got := write(t, Text, many)
	var rules []string
	for line := range strings.Lines(got) {
		words := strings.Fields(line)
		rules = append(rules, words[len(words)-1])
	}
	want := []string{"[placeholder-id]", "[placeholder-id]", "[insert-id-missing]", "[insert-id-missing]", "[insert-id-missing]", "[time-old]", "account"}
	if !slices.Equal(rules, want) || !strings.Contains(got, "and 1 more [insert-id-missing]") {
		t.Errorf("got\n%s", got)
	}
}

func TestJSON(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(write(t, JSON, sample()), "\n"), "\n")
	if len(lines) != 6 || lines[5] != `{"read":9,"type":"summary"}` {
		t.Fatalf("%d lines, the last %s", len(lines), lines[len(lines)-1])
	}
	for _, l := range lines[:5] {
		if !strings.HasPrefix(l, `{"type":"finding","file":`) || !json.Valid([]byte(l)) {
			t.Errorf("line %s", l)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	if _, err := New("yaml", io.Discard, options()); err == nil {
		t.Error("no error")
	}
}

// TestFile writes reports whose format their names say, whole or not at all.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	for name, start := range map[string]string{"a.sarif": `{"$schema":`, "a.sarif.json": `{"$schema":`, "a.xml": "<?xml", "a.json": `{"type":"finding"`, "a.txt": "a b/"} {
		path := filepath.Join(dir, name)
		f, err := Create(path, options())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Abort()
		all := All{f}
		for range 5 {
			if err := all.Add(sample()[0]); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is there before it is whole", name)
		}
		if err := all.Close(total); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(text), start) {
			t.Errorf("%s: %.40s, %v", name, text, err)
		}
		if name == "a.txt" && strings.Count(string(text), "[placeholder-id]") != 5 {
			t.Error("a file has all findings")
		}
	}
	f, err := Create(filepath.Join(dir, "b.sarif"), options())
	if err != nil {
		t.Fatal(err)
	}
	f.Abort()
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 5 {
		t.Errorf("%d files, %v", len(names), err)
	}
}

// failing is a full disk.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

// TestFailingWriter sees that no format passes over an error.
func TestFailingWriter(t *testing.T) {
	o := options()
	o.Most, o.Text = 0, nil
	for _, format := range []Format{Text, JSON, SARIF, JUnit, GitHub} {
		length := len(write(t, format, sample()))
		for _, left := range []int{0, length / 2} {
			w := &failing{left}
			r, err := New(format, w, o)
			for _, f := range sample() {
				if err == nil {
					err = r.Add(f)
				}
			}
			if err == nil {
				err = r.Close(total)
			}
			if err == nil {
				t.Errorf("%s: no error with room for %d of %d bytes", format, left, length)
			}
		}
	}
}
