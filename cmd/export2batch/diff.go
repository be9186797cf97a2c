package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"export2batch/diff"
	"export2batch/internal/progress"
)

func diffCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "compare two sets of events: missing, extra and changed ones",
		ArgsUsage: "A B",
		UsageText: "export2batch diff [options] A B",
		Description: "A and B are event files, folders, or folders written by convert or partition; - is not taken. Events\n" +
			"are matched by insert_id and device_id and compared by meaning. Prints a line for each difference,\n" +
			"with --json an object, and last a summary. Exit code 3: they differ.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "key", Value: "insert_id", Usage: "match events by this top-level `FIELD`; insert_id together with device_id"},
			&cli.StringSliceFlag{Name: "ignore", Usage: "do not compare this top-level key or JSON pointer (`FIELD,…`), may be repeated"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "show-values", Usage: "print the values that differ: they may be personal data"},
			&cli.IntFlag{Name: "max-differences", Value: 1000, Usage: "print the first `N` differences; all are counted"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return usagef("diff takes two sets of events, A and B")
			}
			o := diff.Options{
				A: []string{c.Args().Get(0)}, B: []string{c.Args().Get(1)}, Key: c.String("key"), Ignore: splitCommas(c.StringSlice("ignore")),
				ShowValues: c.Bool("show-values"), MaxDifferences: c.Int("max-differences"), Findings: ui.find,
				Sink: func(d diff.Difference) { ui.difference(d) },
			}
			if err := o.Validate(); err != nil {
				return errUsage{err}
			}
			var s diff.Summary
			_, err := ui.stage("diff", func(m *progress.Meter) (err error) {
				o.Meter = m
				s, err = diff.Run(c.Context, o)
				return err
			})
			if err != nil {
				return err
			}
			ui.endFindings("")
			line := struct {
				Type string `json:"type"`
				diff.Summary
			}{"summary", s}
			if err := ui.result(line, func(w io.Writer) { fmt.Fprintln(w, "diff: "+s.String()) }); err != nil {
				return err
			}
			if !s.Same() {
				return errFound
			}
			return nil
		},
	}
}

// difference prints one difference as part of the result.
func (ui *ui) difference(d diff.Difference) {
	ui.mu.Lock()
	defer ui.mu.Unlock()
	if !ui.json {
		fmt.Fprintln(ui.stdout, d)
		return
	}
	line, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings and numbers only
	}
	ui.stdout.Write(append(line, '\n')) // a closed pipe ends the process
}
