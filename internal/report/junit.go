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

// junit writes testsuites as Jenkins, GitLab and others read them: a suite a
// file, in it a case for each rule that something was found by. Errors are
// failures; warnings and infos pass, with their findings in system-out. A file
// has its first maxJUnit findings of a rule.
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
	Name      string      `xml:"name,attr"`
	Class     string      `xml:"classname,attr"`
	Failure   *xmlFailure `xml:"failure,omitempty"`
	SystemOut string      `xml:"system-out,omitempty"`
}

type xmlSuite struct {
	XMLName  xml.Name  `xml:"testsuite"`
	Name     string    `xml:"name,attr"`
	Tests    int       `xml:"tests,attr"`
	Failures int       `xml:"failures,attr"`
	Errors   int       `xml:"errors,attr"`
	Cases    []xmlCase `xml:"testcase"`
}

type xmlSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Suites   []xmlSuite `xml:"testsuite"`
}

func (j *junit) Close(t Total) error {
	all := xmlSuites{Name: j.o.Tool}
	// The account passes always: a report without findings has a case too.
	account := xmlSuite{Name: "all inputs", Tests: 1, Cases: []xmlCase{{Name: "read", Class: j.o.Tool,
		SystemOut: fmt.Sprintf("%s events in %s files", progress.Thousands(t.Events), progress.Thousands(t.Files))}}}
	all.Suites = append(all.Suites, account)
	for _, file := range j.order {
		all.Suites = append(all.Suites, j.suite(file))
	}
	for _, s := range all.Suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
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
	s := xmlSuite{Name: clean(file.String())}
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
			c.SystemOut = text
		}
		s.Cases = append(s.Cases, c)
		s.Tests++
	}
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
