package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/urfave/cli/v2"

	"export2batch/convert"
	"export2batch/internal/eventfile"
	"export2batch/internal/progress"
)

func convertCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "convert",
		Usage:     "exports (zip, folder, .json, .json.gz, .json.zst, -) to event files",
		ArgsUsage: "INPUT…",
		UsageText: "export2batch convert -o DIR [options] INPUT…",
		Description: "Writes one event file for each input file or archive member into DIR/events, lines that cannot\n" +
			"become events into DIR/rejected with place and reason, and DIR/manifest.json last. Started again\n" +
			"with the same options it goes on where it was stopped. Exit code 3: something was set aside.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "stage folder to write, new or begun by the same command (`DIR`)"},
			jobsFlag("inputs converted at once"),
		}, convertFlags()...),
		Action: func(c *cli.Context) error {
			o := convertOptions(ui, c)
			o.Paths, o.Out = c.Args().Slice(), c.String("output")
			if err := o.Validate(); err != nil {
				return errUsage{err}
			}
			var s convert.Summary
			took, err := ui.stage("convert", func(m *progress.Meter) (err error) {
				o.Meter = m
				s, err = convert.Run(c.Context, o)
				return err
			})
			if err != nil {
				return err
			}
			s.EventsPerSecond = perSecond(s.Read, took)
			ui.endFindings(", see " + filepath.Join(o.Out, "rejected"))
			if err := ui.result(s, func(w io.Writer) { printConvert(w, s, o.Out) }); err != nil {
				return err
			}
			return convertVerdict(s)
		},
	}
}

// convertFlags are the options that run shares with convert.
func convertFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "insert-id", Value: convert.InsertIDAuto, Usage: "where insert ids come from: `auto` ($insert_id, else uuid, else a hash) or uuid"},
		&cli.StringFlag{Name: "user-properties", Value: convert.Skip, Usage: "`skip` leaves the users' properties in the project alone, sync overwrites them (for an empty project)"},
		&cli.StringFlag{Name: "identify", Value: convert.IdentifyAuto, Usage: "$identify and $groupidentify lines: `auto` (drop with skip, keep with sync), keep or drop"},
		compressFlag(),
	}
}

func compressFlag() cli.Flag {
	return &cli.StringFlag{Name: "compress", Value: string(eventfile.Zstd), Usage: "how the files written are compressed: `zst`, gz or none"}
}

func jobsFlag(what string) cli.Flag {
	return &cli.IntFlag{Name: "jobs", Value: runtime.GOMAXPROCS(0), DefaultText: "the number of processors", Usage: what + " (`N`)"}
}

func convertOptions(ui *ui, c *cli.Context) convert.Options {
	return convert.Options{
		Stdin: ui.stdin, Jobs: c.Int("jobs"), Version: version, Sink: ui.find,
		Rules: convert.Rules{
			InsertID: c.String("insert-id"), UserProperties: c.String("user-properties"), Identify: c.String("identify"),
		},
		Compress: eventfile.Compression(c.String("compress")),
	}
}

// convertVerdict tells whether anything was set aside.
func convertVerdict(s convert.Summary) error {
	if s.Rejected > 0 || s.Damaged > 0 {
		return errFound
	}
	return nil
}

func printConvert(w io.Writer, s convert.Summary, out string) {
	printConvertAccount(w, s)
	if len(s.Lost) > 0 {
		fmt.Fprintf(w, "  without a place in the Batch API, by events:\n")
		keys := slices.SortedFunc(maps.Keys(s.Lost), func(a, b string) int {
			return cmp.Or(cmp.Compare(s.Lost[b], s.Lost[a]), cmp.Compare(a, b))
		})
		for _, k := range keys {
			fmt.Fprintf(w, "    %-28s %s\n", k, progress.Thousands(s.Lost[k]))
		}
	}
	fmt.Fprintf(w, "  events in %s\n", filepath.Join(out, "events"))
}

func printConvertAccount(w io.Writer, s convert.Summary) {
	fmt.Fprintf(w, "convert: %s read from %s files = %s + %s + %s, %s\n",
		progress.Thousands(s.Read), progress.Thousands(s.Files), count(s.Written, "written", nil),
		count(s.Rejected, "rejected", s.RejectedBy), count(s.Dropped, "dropped", s.DroppedBy), rate(s.EventsPerSecond, s.Finished))
	if s.MergedIDLines > 0 {
		fmt.Fprintf(w, "  %s merged-ID lines in %s files skipped: they are not events\n", progress.Thousands(s.MergedIDLines), progress.Thousands(s.MergedIDFiles))
	}
	if s.Ignored > 0 {
		fmt.Fprintf(w, "  %s files ignored: neither by content nor by name data\n", progress.Thousands(s.Ignored))
	}
	if s.Damaged > 0 {
		fmt.Fprintf(w, "  %s inputs damaged or doubtful: what could be read is converted\n", progress.Thousands(s.Damaged))
	}
}
