package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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
	return Options{Tool: "tool", Version: "1.2", Now: time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC), Most: 2, Rules: []Rule{
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

// junitForm is what both published schemas allow, Ant's JUnit.xsd and Jenkins'
// jenkins-junit.xsd: the children of an element in their order, how often each
// may be there, and its attributes, all of which one of the schemas asks for.
var junitForm = map[string]struct {
	children   string // a regular expression over their names
	attributes []string
}{
	"testsuites": {`^(testsuite )*$`, nil},
	"testsuite": {`^properties (testcase )*system-out system-err $`,
		[]string{"id", "package", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"}},
	"properties": {`^(property )+$`, nil},
	"property":   {`^$`, []string{"name", "value"}},
	"testcase":   {`^(failure )?$`, []string{"name", "classname", "time"}},
	"failure":    {`^$`, []string{"message", "type"}},
	"system-out": {`^$`, nil},
	"system-err": {`^$`, nil},
}

// junitValues are the types of attributes that are not any text.
var junitValues = map[string]string{
	"id": `^\d+$`, "tests": `^\d+$`, "failures": `^\d+$`, "errors": `^\d+$`, "time": `^\d+(\.\d+)?$`,
	"timestamp": `^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$`, "hostname": `\S`, "name": `\S`,
}

// TestJUnit holds the report against the form above, and its counts.
func TestJUnit(t *testing.T) {
	for _, list := range [][]finding.Finding{nil, sample()} {
		out := write(t, JUnit, list)
		seen := map[string]int{}
		d := xml.NewDecoder(strings.NewReader(out))
		var element func(start xml.StartElement)
		element = func(start xml.StartElement) {
			name := start.Name.Local
			seen[name]++
			form, ok := junitForm[name]
			if !ok {
				t.Errorf("there is no %s", name)
			}
			var attributes []string
			for _, a := range start.Attr {
				attributes = append(attributes, a.Name.Local)
				if want := junitValues[a.Name.Local]; !regexp.MustCompile(want).MatchString(a.Value) {
					t.Errorf("%s: %s=%q, want %s", name, a.Name.Local, a.Value, want)
				}
			}
			if !slices.Equal(attributes, form.attributes) {
				t.Errorf("%s has the attributes %q, want %q", name, attributes, form.attributes)
			}
			children := ""
			for {
				tok, err := d.Token()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				switch tok := tok.(type) {
				case xml.StartElement:
					children += tok.Name.Local + " "
					element(tok)
				case xml.CharData:
					if name != "failure" && name != "system-out" && len(bytes.TrimSpace(tok)) > 0 {
						t.Errorf("%s has text: %q", name, tok)
					}
				case xml.EndElement:
					if !regexp.MustCompile(form.children).MatchString(children) {
						t.Errorf("%s has the children %s, want %s", name, children, form.children)
					}
					return
				}
			}
		}
		for {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if start, ok := tok.(xml.StartElement); ok {
				element(start)
			}
		}
		var all xmlSuites
		if err := xml.Unmarshal([]byte(out), &all); err != nil {
			t.Fatal(err)
		}
		tests, failures := 0, 0
		for i, s := range all.Suites {
			tests += s.Tests
			failures += s.Failures
			if s.ID != i {
				t.Errorf("suite %d has the id %d", i, s.ID)
			}
		}
		if tests != seen["testcase"] || failures != seen["failure"] || len(all.Suites) != seen["testsuite"] || seen["testsuites"] != 1 {
			t.Errorf("%d tests, %d failures in %d suites are counted, the elements are %v", tests, failures, len(all.Suites), seen)
		}
		if want := map[bool]int{true: 0, false: 2}[list == nil]; failures != want {
			t.Errorf("%d failures, want %d", failures, want)
		}
		if list != nil && !strings.Contains(all.Suites[1].Out, "has no insert_id") {
			t.Errorf("a warning is missing: %s", out)
		}
		checkXSD(t, out)
	}
}

// checkXSD holds a report against the schemas that JUNIT_XSD names, with colons
// between, if it is set: they are not part of this project, and no library for
// Go reads them.
//
//	github.com/windyroad/JUnit-Schema, JUnit.xsd
//	github.com/junit-team/junit-framework, jenkins-junit.xsd
func checkXSD(t *testing.T, report string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.xml")
	if err := os.WriteFile(path, []byte(report), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, schema := range filepath.SplitList(os.Getenv("JUNIT_XSD")) {
		if out, err := exec.Command("xmllint", "--noout", "--schema", schema, path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", schema, err, out)
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
