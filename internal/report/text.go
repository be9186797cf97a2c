package report

import (
	"fmt"
	"io"
	"slices"

	"export2batch/internal/finding"
	"export2batch/internal/progress"
)

// text shows the first findings of each rule, rule by rule: errors first, then
// in the order the rules were met.
type text struct {
	w      io.Writer
	o      Options
	groups []*group
	byRule map[string]*group
}

type group struct {
	rule     string
	findings []finding.Finding
	n        int64
}

// rank orders rules by the severity that their first finding has.
func (g *group) rank() int {
	return slices.Index([]finding.Severity{finding.Error, finding.Warn, finding.Info}, g.findings[0].Severity)
}

func newText(w io.Writer, o Options) *text {
	return &text{w: w, o: o, byRule: map[string]*group{}}
}

func (t *text) Add(f finding.Finding) error {
	if t.o.Most == 0 {
		_, err := fmt.Fprintln(t.w, f)
		return err
	}
	g := t.byRule[f.Rule]
	if g == nil {
		g = &group{rule: f.Rule}
		t.byRule[f.Rule] = g
		t.groups = append(t.groups, g)
	}
	if g.n++; len(g.findings) < t.o.Most {
		g.findings = append(g.findings, f)
	}
	return nil
}

func (t *text) Close(Total) error {
	slices.SortStableFunc(t.groups, func(a, b *group) int { return a.rank() - b.rank() })
	for _, g := range t.groups {
		for _, f := range g.findings {
			if _, err := fmt.Fprintln(t.w, f); err != nil {
				return err
			}
		}
		if more := g.n - int64(len(g.findings)); more > 0 {
			if _, err := fmt.Fprintf(t.w, "  and %s more [%s]\n", progress.Thousands(more), g.rule); err != nil {
				return err
			}
		}
	}
	if t.o.Text != nil {
		t.o.Text(t.w)
	}
	return nil
}
