// Package report writes findings in the forms that people and other programs
// read: text, JSON lines, SARIF 2.1.0, JUnit XML and annotations of GitHub
// Actions. A report is complete only when Close has returned nil.
package report

import (
	"fmt"
	"io"
	"time"

	"export2batch/internal/finding"
)

// Format names a form, as the --format option does.
type Format string

// The forms.
const (
	Text   Format = "text"
	JSON   Format = "json"   // a finding a line, then the summary
	SARIF  Format = "sarif"  // OASIS SARIF 2.1.0
	JUnit  Format = "junit"  // testsuites as CI servers read them
	GitHub Format = "github" // workflow commands, ::error file=…
)

// Rule is a rule as reports show it.
type Rule struct {
	ID       string
	Severity finding.Severity
	Explain  string // one sentence
	Source   string // who says so
}

// Options say what all reports need to know.
type Options struct {
	Tool, Version string
	Now           time.Time // when the report was made
	Rules         []Rule    // that findings can have
	// Most is how many findings of a rule text and GitHub show; 0: all, in the
	// order they come.
	Most int
	// Text prints the account at the end of a text report.
	Text func(w io.Writer)
}

// Total is what a report says at its end.
type Total struct {
	Files, Events, Errors, Warnings, Infos int64
	Summary                                any // the object that ends a JSON report; marshalled as it is
}

// Reporter writes one report. It is not safe for concurrent use.
type Reporter interface {
	Add(f finding.Finding) error
	Close(t Total) error
}

// New starts a report in a format.
func New(format Format, w io.Writer, o Options) (Reporter, error) {
	switch format {
	case Text:
		return newText(w, o), nil
	case JSON:
		return &jsonReport{w: w}, nil
	case SARIF:
		return newSARIF(w, o)
	case JUnit:
		return newJUnit(w, o), nil
	case GitHub:
		return newGitHub(w, o), nil
	}
	return nil, fmt.Errorf("unknown format %q: text, json, sarif, junit or github", string(format))
}
