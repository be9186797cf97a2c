package main

import (
	"bufio"
	"io"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"export2batch/internal/finding"
	"export2batch/internal/report"
	"export2batch/validate"
)

// reports are the result of validate: what is printed, and the files.
type reports struct {
	ui    *ui
	all   report.All
	out   *bufio.Writer
	files []*report.File
	err   error // of the first report that could not be written
}

// openReports starts what --format and --report ask for. Account prints the
// summary as text.
func openReports(ui *ui, c *cli.Context, account func(io.Writer)) (*reports, error) {
	format := report.Format(c.String("format"))
	if ui.json {
		if c.IsSet("format") && format != report.JSON {
			return nil, usagef("--json and --format %s contradict each other", format)
		}
		format = report.JSON
	}
	if n := c.Int("max-findings"); n < 0 {
		return nil, usagef("--max-findings must not be negative")
	}
	o := report.Options{Tool: "export2batch", Version: version, Now: time.Now(), Rules: reportRules(), Most: c.Int("max-findings"), Text: account}
	r := &reports{ui: ui, out: bufio.NewWriter(ui.stdout)}
	printed, err := report.New(format, r.out, o)
	if err != nil {
		return nil, errUsage{err}
	}
	r.all = append(r.all, printed)
	named := map[string]bool{}
	for _, path := range c.StringSlice("report") {
		if named[filepath.Clean(path)] {
			r.abort()
			return nil, usagef("--report %s is given twice", path)
		}
		named[filepath.Clean(path)] = true
		f, err := report.Create(path, o)
		if err != nil {
			r.abort()
			return nil, errUsage{err}
		}
		r.files = append(r.files, f)
		r.all = append(r.all, f)
	}
	return r, nil
}

// reportRules are the rules of validate as reports take them.
func reportRules() (rules []report.Rule) {
	for _, r := range validate.Rules() {
		rules = append(rules, report.Rule{ID: r.ID, Severity: r.Severity, Explain: r.Explain, Source: r.Source})
	}
	return rules
}

func (r *reports) find(f finding.Finding) {
	if r.err == nil {
		r.err = r.all.Add(f)
	}
}

// close ends all reports.
func (r *reports) close(s validate.Summary) error {
	if r.err != nil {
		return r.err
	}
	err := r.all.Close(report.Total{Files: s.Files, Events: s.Read, Errors: s.Errors, Warnings: s.Warnings, Infos: s.Infos,
		Summary: summaryLine{"summary", s}})
	if err != nil {
		return err
	}
	return r.out.Flush()
}

// flush prints what was found until an error.
func (r *reports) flush() { r.out.Flush() } // the error that is told anyway counts

// abort removes the files that are not whole.
func (r *reports) abort() {
	for _, f := range r.files {
		f.Abort()
	}
}

// summaryLine tells the last object of a stream from those before it.
type summaryLine struct {
	Type string `json:"type"`
	validate.Summary
}
