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
		Usage:     "exports (zip, folder, .json, .json.gz, .json.zst, .parquet, -) to event files",
		ArgsUsage: "INPUT…",
		UsageText: "export2batch convert -o DIR [options] INPUT…",
		Description: "Writes one event file for each input file or archive member into DIR/events, lines that cannot\n" +
			"become events into DIR/rejected with place and reason, and DIR/manifest.json last. Started again\n" +
			"with the same options it goes on where it was stopped. Exit code 3: something was set aside.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "stage folder to write, new or begun by the same command (`DIR`)"},
			&cli.StringFlag{Name: "explain", Usage: "convert nothing, but say what the rules make of one event: the `LINE` itself, FILE (its first event) or FILE:N"},
			jobsFlag("inputs converted at once"),
		}, convertFlags()...),
		Action: func(c *cli.Context) error {
			o, err := convertOptions(ui, c)
			if err != nil {
				return err
			}
			if line := c.String("explain"); line != "" {
				return explainLine(c.Context, ui, o.Rules, line)
			}
			o.Paths, o.Out = c.Args().Slice(), c.String("output")
			if err := o.Validate(); err != nil {
				return errUsage{err}
			}
			ui.resumes = true
			workWhileDiskIsSlow()
			var s convert.Summary
			rate, err := ui.stage("convert", func(m *progress.Meter) (err error) {
				o.Meter = m
				s, err = convert.Run(c.Context, o)
				return err
			})
			if err != nil {
				return err
			}
			s.EventsPerSecond = rate
			ui.endFindings(", see " + filepath.Join(o.Out, "rejected"))
			if err := ui.result(s, func(w io.Writer) { printConvert(w, s, o.Out) }); err != nil {
				return err
			}
			return convertVerdict(s)
		},
	}
}

// convertFlags are the options that run shares with convert.
func convertFlags() []cli.Flag { return append(ruleFlags(), compressFlag()) }

func compressFlag() cli.Flag {
	return &cli.StringFlag{Name: "compress", Value: string(eventfile.Zstd), Usage: "how the files written are compressed: `zst`, gz or none"}
}

func jobsFlag(what string) cli.Flag {
	return atLeastOne(&cli.IntFlag{Name: "jobs", Value: runtime.GOMAXPROCS(0), DefaultText: "the number of processors", Usage: what + " (`N`)"})
}

// atLeastOne refuses 0 for an option: the stages take it for the default.
func atLeastOne(f *cli.IntFlag) *cli.IntFlag {
	f.Action = func(_ *cli.Context, n int) error {
		if n < 1 {
			return usagef("--%s must be at least 1", f.Name)
		}
		return nil
	}
	return f
}

func convertOptions(ui *ui, c *cli.Context) (convert.Options, error) {
	o := convert.Options{Stdin: ui.stdin, Version: version, Sink: ui.find}
	return o, applyRules(c, &o)
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
		fmt.Fprintf(w, "  not carried over, by events:\n")
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
	if s.GroupIdentifies > 0 {
		fmt.Fprintf(w, "  %s $groupidentify events made of group properties, beside those written\n", progress.Thousands(s.GroupIdentifies))
	}
	if len(s.MappedIDs)+len(s.UnmappedIDs) > 0 {
		fmt.Fprintf(w, "  ids by the maps, in events: %s, %s\n", count(sum(s.MappedIDs), "mapped", s.MappedIDs), count(sum(s.UnmappedIDs), "not mapped", s.UnmappedIDs))
	}
	if s.MergedIDLines > 0 {
		fmt.Fprintf(w, "  %s in %s, no events: noted in identities\n", progress.Amount(s.MergedIDLines, "merged-ID line", "merged-ID lines"), progress.Amount(s.MergedIDFiles, "file", "files"))
	}
	if s.Ignored > 0 {
		fmt.Fprintf(w, "  %s ignored: hidden, or neither by content nor by name data\n", progress.Amount(s.Ignored, "file", "files"))
	}
	if s.Damaged > 0 {
		fmt.Fprintf(w, "  %s damaged or doubtful: what could be read is converted\n", progress.Amount(s.Damaged, "input", "inputs"))
	}
}

func sum(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
