package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"export2batch/validate"
)

func explainCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:        "explain",
		Usage:       "say what a rule of validate is about, with an event that breaks it",
		ArgsUsage:   "[RULE…]",
		UsageText:   "export2batch explain [RULE…]",
		Description: "Without a rule lists them all. docs/rules.md has the same.",
		Action: func(c *cli.Context) error {
			rules := validate.Rules()
			if c.NArg() == 0 {
				return ui.result(rules, func(w io.Writer) {
					for _, r := range rules {
						fmt.Fprintf(w, "%-26s %-5s  %s\n", r.ID, r.Severity, r.Explain)
					}
				})
			}
			var chosen []explanation
			for _, id := range c.Args().Slice() {
				i := slices.IndexFunc(rules, func(r validate.Rule) bool { return r.ID == id })
				if i < 0 {
					return usagef("there is no rule %q: export2batch explain lists them", id)
				}
				e := explanation{Rule: rules[i]}
				if x, ok := validate.ExampleOf(id); ok {
					e.Breaks, e.Edge = validate.Abbreviate(x.Breaks), validate.Abbreviate(x.Edge)
				}
				chosen = append(chosen, e)
			}
			return ui.result(chosen, func(w io.Writer) {
				for i, e := range chosen {
					if i > 0 {
						fmt.Fprintln(w)
					}
					e.print(w)
				}
			})
		},
	}
}

// explanation is a rule with its example.
type explanation struct {
	validate.Rule
	Breaks string `json:"breaks,omitempty"`
	Edge   string `json:"does_not_break,omitempty"`
}

func (e *explanation) print(w io.Writer) {
	fmt.Fprintf(w, "%s (%s)\n  %s\n  Source: %s.\n", e.ID, e.Severity, e.Explain, e.Source)
	if e.Breaks != "" {
		fmt.Fprintf(w, "  Breaks it:     %s\n  Does not:      %s\n", e.Breaks, e.Edge)
	}
	if e.Fixed {
		fmt.Fprintln(w, "  It cannot be switched off: there is no event to let through.")
		return
	}
	fmt.Fprintf(w, "  Change it with --rule %s=off|info|warn|error\n", e.ID)
}
