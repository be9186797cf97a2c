package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"export2batch/internal/finding"
	"export2batch/internal/progress"
)

// junit writes testsuites that meet both published schemas, that of Ant
// (JUnit.xsd of Windy Road) and that of Jenkins (jenkins-junit.xsd): a suite a
// file, in it a case for each rule that something was found by. Errors are
// failures; warnings and infos pass, with their findings in the system-out of
// the suite. A file has its first maxJUnit findings of a rule.
type junit struct {
	w      io.Writer
	o      Options
	suites map[finding.Place]*junitSuite
	order  []finding.Place
}

const maxJUnit = 10

type junitSuite struct {
	rules map[string]*group
}

func newJUnit(w io.Writer, o Options) *junit {
	return &junit{w: w, o: o, suites: map[finding.Place]*junitSuite{}}
}

func (j *junit) Add(f finding.Finding) error {
	file := finding.Place{File: f.File, Member: f.Member}
	s := j.suites[file]
	if s == nil {
		s = &junitSuite{rules: map[string]*group{}}
		j.suites[file] = s
		j.order = append(j.order, file)
	}
	g := s.rules[f.Rule]
	if g == nil {
		g = &group{rule: f.Rule}
		s.rules[f.Rule] = g
	}
	if g.n++; len(g.findings) < maxJUnit {
		g.findings = append(g.findings, f)
	}
	return nil
}

type xmlFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type xmlCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	Seconds int         `xml:"time,attr"` // not known
	Failure *xmlFailure `xml:"failure,omitempty"`
}

type xmlProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type xmlSuite struct {
	XMLName    xml.Name      `xml:"testsuite"`
	ID         int           `xml:"id,attr"`
	Package    string        `xml:"package,attr"`
	Name       string        `xml:"name,attr"`
	Timestamp  string        `xml:"timestamp,attr"`
	Host       string        `xml:"hostname,attr"`
	Tests      int           `xml:"tests,attr"`
	Failures   int           `xml:"failures,attr"`
	Errors     int           `xml:"errors,attr"`
	Seconds    int           `xml:"time,attr"`
	Properties []xmlProperty `xml:"properties>property"`
	Cases      []xmlCase     `xml:"testcase"`
	Out        string        `xml:"system-out"`
	Err        string        `xml:"system-err"`
}

type xmlSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Suites  []xmlSuite `xml:"testsuite"`
}

// newSuite starts a suite. Who ran it and where is nobody's business.
func (j *junit) newSuite(name string) xmlSuite {
	return xmlSuite{Name: name, Package: j.o.Tool, Timestamp: j.o.Now.UTC().Format("2006-01-02T15:04:05"), Host: "localhost",
		Properties: []xmlProperty{{"version", j.o.Version}}}
}

func (j *junit) Close(t Total) error {
	// The account passes always: a report without findings has a case too.
	account := j.newSuite("all inputs")
	account.Tests, account.Cases = 1, []xmlCase{{Name: "read", Class: j.o.Tool}}
	account.Out = fmt.Sprintf("%s events in %s files", progress.Thousands(t.Events), progress.Thousands(t.Files))
	all := xmlSuites{Suites: []xmlSuite{account}}
	for _, file := range j.order {
		s := j.suite(file)
		s.ID = len(all.Suites)
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(j.w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(j.w)
	enc.Indent("", " ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(j.w, "\n")
	return err
}

func (j *junit) suite(file finding.Place) xmlSuite {
	s := j.newSuite(clean(file.String()))
	var passed []string
	groups := make([]*group, 0, len(j.suites[file].rules))
	for _, g := range j.suites[file].rules {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *group) int { return cmp.Compare(a.rule, b.rule) })
	for _, g := range groups {
		c := xmlCase{Name: g.rule, Class: s.Name}
		var lines []string
		failed := false
		for _, f := range g.findings {
			lines = append(lines, clean(f.String()))
			failed = failed || f.Severity == finding.Error
		}
		if more := g.n - int64(len(g.findings)); more > 0 {
			lines = append(lines, "and "+progress.Thousands(more)+" more")
		}
		text := strings.Join(lines, "\n")
		if failed {
			c.Failure = &xmlFailure{Message: progress.Thousands(g.n) + " findings: " + clean(j.explain(g.rule)), Type: g.rule, Text: text}
			s.Failures++
		} else {
			passed = append(passed, text)
		}
		s.Cases = append(s.Cases, c)
		s.Tests++
	}
	s.Out = strings.Join(passed, "\n")
	return s
}

func (j *junit) explain(rule string) string {
	for _, r := range j.o.Rules {
		if r.ID == rule {
			return r.Explain
		}
	}
	return rule
}

// clean takes out what XML cannot hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r >= ' ' && r <= 0xd7ff, r >= 0xe000 && r <= 0xfffd && r != utf8.RuneError, r >= 0x10000:
			return r
		}
		return '?'
	}, s)
}
