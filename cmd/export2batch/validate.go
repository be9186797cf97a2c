package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"export2batch/internal/finding"
	"export2batch/internal/progress"
	"export2batch/validate"
)

func validateCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "validate",
		Usage:     "check event files against the schema and Amplitude's limits",
		ArgsUsage: "PATH…",
		UsageText: "export2batch validate [options] PATH…",
		Description: "Takes folders written by convert or partition, event files, folders, patterns and -. Prints each\n" +
			"finding as FILE:LINE: /json/pointer: message [rule], with --json as one object a line, and last a\n" +
			"summary. Exit code 3: there are findings of severity error.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "set-aside", Usage: "write the events with errors into `DIR`, for partition --exclude"},
			&cli.IntFlag{Name: "max-findings", Value: 100, Usage: "print at most `N` findings as text, 0: all; they are always counted"},
			jobsFlag("goroutines that check events"),
		}, validateFlags()...),
		Action: func(c *cli.Context) error {
			o, err := validateOptions(ui, c)
			if err != nil {
				return err
			}
			p := &findingPrinter{ui: ui, most: c.Int("max-findings")}
			o.Paths, o.SetAside, o.Sink = c.Args().Slice(), c.String("set-aside"), p.print
			if err := o.Validate(); err != nil {
				return errUsage{err}
			}
			var s validate.Summary
			took, err := ui.stage("validate", func(m *progress.Meter) (err error) {
				o.Meter = m
				s, err = validate.Run(c.Context, o)
				return err
			})
			if err != nil {
				return err
			}
			s.EventsPerSecond = perSecond(s.Read, took)
			if more := p.n - p.most; p.most > 0 && more > 0 && !ui.json {
				fmt.Fprintf(ui.stdout, "%s more findings, see --max-findings\n", progress.Thousands(int64(more)))
			}
			if err := ui.result(summaryLine{"summary", s}, func(w io.Writer) { printValidate(w, s) }); err != nil {
				return err
			}
			return validateVerdict(s)
		},
	}
}

// summaryLine tells the last object of a stream from those before it.
type summaryLine struct {
	Type string `json:"type"`
	validate.Summary
}

// findingPrinter prints findings as the result of the command.
type findingPrinter struct {
	ui      *ui
	most, n int
}

func (p *findingPrinter) print(f finding.Finding) {
	p.n++
	p.ui.mu.Lock()
	defer p.ui.mu.Unlock()
	switch {
	case p.ui.json:
		line, err := json.Marshal(f)
		if err != nil {
			panic(err) // strings and numbers only
		}
		p.ui.stdout.Write(append(line, '\n')) // a closed pipe ends the process
	case p.most == 0 || p.n <= p.most:
		fmt.Fprintln(p.ui.stdout, f)
	}
}

// validateFlags are the options that run shares with validate.
func validateFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "min-id-length", Value: validate.DefaultMinIDLength, Usage: "shortest user_id and device_id, in characters (`N`)"},
		&cli.StringSliceFlag{Name: "rule", Usage: "change what a rule is worth: `ID=off|info|warn|error`, may be repeated"},
	}
}

func validateOptions(ui *ui, c *cli.Context) (validate.Options, error) {
	o := validate.Options{Stdin: ui.stdin, Jobs: c.Int("jobs"), Version: version, Now: time.Now(), MinIDLength: c.Int("min-id-length")}
	for _, r := range c.StringSlice("rule") {
		id, severity, ok := strings.Cut(r, "=")
		if !ok {
			return o, usagef("--rule %q is not ID=off|info|warn|error", r)
		}
		if o.Rules == nil {
			o.Rules = map[string]string{}
		}
		o.Rules[id] = severity
	}
	return o, nil
}

func validateVerdict(s validate.Summary) error {
	if s.Errors > 0 {
		return errFound
	}
	return nil
}

func printValidate(w io.Writer, s validate.Summary) {
	fmt.Fprintf(w, "validate: %s read = %s + %s, %s, %s, %s, %s events/s\n",
		progress.Thousands(s.Read), count(s.Valid, "valid", nil), count(s.Invalid, "invalid", nil),
		count(s.Errors, "errors", nil), count(s.Warnings, "warnings", nil), count(s.Infos, "infos", nil), progress.Thousands(int64(s.EventsPerSecond)))
	if len(s.Rules) > 0 {
		fmt.Fprintf(w, "  findings%s\n", strings.TrimPrefix(count(0, "", s.Rules), "0 "))
	}
}
