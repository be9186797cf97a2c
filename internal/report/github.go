package report

import (
	"fmt"
	"io"
	"strings"

	"export2batch/internal/finding"
	"export2batch/internal/progress"
)

// github writes workflow commands, which GitHub shows beside the lines of the
// files. GitHub itself shows ten of a kind a step.
type github struct {
	w      io.Writer
	o      Options
	counts map[string]int64
	order  []string
}

func newGitHub(w io.Writer, o Options) *github {
	return &github{w: w, o: o, counts: map[string]int64{}}
}

func (g *github) Add(f finding.Finding) error {
	if g.counts[f.Rule]++; g.counts[f.Rule] == 1 {
		g.order = append(g.order, f.Rule)
	}
	if g.o.Most > 0 && g.counts[f.Rule] > int64(g.o.Most) {
		return nil
	}
	command := map[finding.Severity]string{finding.Error: "error", finding.Warn: "warning", finding.Info: "notice"}[f.Severity]
	place := "file=" + property(f.File)
	if f.Line > 0 && f.Member == "" {
		place += fmt.Sprintf(",line=%d", f.Line)
	}
	message := f.Message
	if f.Pointer != "" {
		message = f.Pointer + ": " + message
	}
	if f.Member != "" {
		message = f.Place.String() + ": " + message
	}
	_, err := fmt.Fprintf(g.w, "::%s %s,title=%s::%s\n", command, place, property(f.Rule), data(message))
	return err
}

func (g *github) Close(t Total) error {
	for _, rule := range g.order {
		if more := g.counts[rule] - int64(g.o.Most); g.o.Most > 0 && more > 0 {
			if _, err := fmt.Fprintf(g.w, "::notice title=%s::and %s more findings of this rule\n", property(rule), progress.Thousands(more)); err != nil {
				return err
			}
		}
	}
	if g.o.Text != nil {
		g.o.Text(g.w)
	}
	return nil
}

// data escapes the message of a workflow command.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// property escapes a property of a workflow command.
func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
