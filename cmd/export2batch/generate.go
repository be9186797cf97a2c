package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"export2batch/generate"
	"export2batch/internal/progress"
)

func generateCommand(ui *ui) *cli.Command {
	d := generate.Defaults()
	return &cli.Command{
		Name:      "generate",
		Usage:     "a synthetic export, the same for the same options",
		UsageText: "export2batch generate -o FILE|DIR [options]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "what to write (`FILE|DIR`); it must not exist, or be an empty folder"},
			&cli.StringFlag{Name: "format", Value: d.Format, Usage: "`zip` (as the Export API answers), dir (as it lies in a bucket) or parquet (as a Snowflake copy)"},
			&cli.IntFlag{Name: "events", Value: d.Events, Usage: "lines (`N`); hours delivered twice come on top"},
			&cli.IntFlag{Name: "users", DefaultText: "a twentieth of --events", Usage: "people (`N`)"},
			&cli.IntFlag{Name: "days", Value: d.Days, Usage: "length of the window (`N`)"},
			&cli.TimestampFlag{Name: "start", Layout: "2006-01-02", DefaultText: d.Start.Format("2006-01-02"), Usage: "first day, UTC (`YYYY-MM-DD`)"},
			&cli.Uint64Flag{Name: "seed", Value: d.Seed, Usage: "another seed (`N`), another export"},
			&cli.IntFlag{Name: "project", Value: d.Project, Usage: "number of the project (`N`)"},
			&cli.IntFlag{Name: "properties", Value: d.Properties, Usage: "event properties on a line, on average (`N`)"},
			&cli.Float64Flag{Name: "duplicates", Value: d.Duplicates, Usage: "share of the hours delivered twice (`0..1`)"},
			&cli.Float64Flag{Name: "identify", Value: d.Identify, Usage: "share of $identify and $groupidentify lines (`0..1`)"},
			&cli.Float64Flag{Name: "missing-insert-id", Value: d.MissingInsertID, Usage: "share of lines whose $insert_id is null (`0..1`)"},
			&cli.Float64Flag{Name: "anonymous", Value: d.Anonymous, Usage: "share of people who start without a user id (`0..1`)"},
			&cli.Float64Flag{Name: "late-events", Value: d.LateEvents, Usage: "share of events uploaded days after they happened (`0..1`)"},
			&cli.IntFlag{Name: "shared-devices", Value: d.SharedDevices, Usage: "devices that several people use (`N`)"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "merged-ids", Usage: "add files of merged Amplitude IDs"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usagef("generate takes no arguments, only options: %q", c.Args().First())
			}
			o := d
			o.Output, o.Format = c.String("output"), c.String("format")
			o.Events, o.Users, o.Days = c.Int("events"), c.Int("users"), c.Int("days")
			if t := c.Timestamp("start"); t != nil {
				o.Start = *t
			}
			o.Seed, o.Project, o.Properties = c.Uint64("seed"), c.Int("project"), c.Int("properties")
			o.Duplicates, o.Identify, o.MissingInsertID = c.Float64("duplicates"), c.Float64("identify"), c.Float64("missing-insert-id")
			o.Anonymous, o.LateEvents = c.Float64("anonymous"), c.Float64("late-events")
			o.SharedDevices, o.MergedIDs = c.Int("shared-devices"), c.Bool("merged-ids")
			if err := o.Validate(); err != nil {
				return errUsage{err}
			}
			var s generate.Summary
			_, err := ui.stage("generate", func(*progress.Meter) (err error) {
				s, err = generate.Run(c.Context, o)
				return err
			})
			if err != nil {
				return err
			}
			return ui.result(s, func(w io.Writer) {
				fmt.Fprintf(w, "generate: %s lines and %s repeated, of %s users on %s devices, in %s (%s files)\n",
					progress.Thousands(s.Events), progress.Thousands(s.Repeated), progress.Thousands(s.Users),
					progress.Thousands(s.Devices), o.Output, progress.Thousands(s.Files))
			})
		},
	}
}
