package main

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"export2batch/internal/progress"
	"export2batch/upload"
)

// The commands beside upload have names of two words; orderArgs joins them.

func uploadStatusCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "upload status",
		Usage:     "how far an upload is, also while it runs",
		ArgsUsage: "DIR",
		UsageText: "export2batch upload status [--state DIR] DIR",
		Description: "Reads the journal of the partition folder DIR. It changes nothing, needs no lock and no key, and\n" +
			"ends with 0 whenever there is an upload to show.",
		Flags: stateFlags()[:1],
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usagef("upload status takes one partition folder")
			}
			s, err := upload.ReadStatus(c.Args().First(), c.String("state"))
			if err != nil {
				return err
			}
			return ui.result(s, s.WriteText)
		},
	}
}

func uploadRetryCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "upload retry",
		Usage:     "send what an upload set aside, after it was mended",
		ArgsUsage: "DIR",
		UsageText: "export2batch upload retry --to us|eu|sandbox|URL [options] DIR",
		Description: "Sends the events in STATE/rejected as their \"text\" now stands, mended or not, with the same care as\n" +
			"upload, into a journal of its own below STATE/retry. They come after the events of their users that were\n" +
			"accepted before. What is set aside again is sent by the next retry. Exit codes as for upload.",
		Flags: flags(stateFlags(), uploadFlags("guide"), []cli.Flag{limitFlag()}),
		Action: func(c *cli.Context) error {
			o, err := uploadArgs(ui, c, true)
			if err != nil {
				return err
			}
			was, err := upload.ReadStatus(o.Dir, o.State)
			if err != nil {
				return err
			}
			what := fmt.Sprintf("%s events that were set aside by the upload of %s", progress.Thousands(openRejects(was)), o.Dir)
			if err := confirmText(c.Context, ui, o.URL, what, c.Bool("yes")); err != nil {
				return err
			}
			var s upload.Status
			_, err = watched(ui, c, &o, func() (sum upload.Summary, err error) {
				s, err = upload.Again(c.Context, o)
				return s.Summary, err
			})
			if err != nil && s.Read == 0 {
				return uploadError(err)
			}
			if rerr := ui.result(s, s.WriteText); rerr != nil {
				return rerr
			}
			if err != nil {
				return uploadError(err)
			}
			last := &s
			for last.Retry != nil {
				last = last.Retry
			}
			return uploadVerdict(last.Summary)
		},
	}
}

// openRejects are the events that retry would send.
func openRejects(s upload.Status) int64 {
	for s.Retry != nil {
		s = *s.Retry
	}
	return s.Rejected + s.Pending
}

func uploadRequestsCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "upload requests",
		Usage:     "write the bodies that upload would send, for curl",
		ArgsUsage: "DIR",
		UsageText: "export2batch upload requests -o OUT [options] DIR",
		Description: "Writes what is pending as OUT/PARTITION/NUMBER.json, with " + upload.KeyPlaceholder + " where the key goes, and\n" +
			"OUT/requests.ndjson, a line for each. It sends nothing and leaves the journal as it is. To send one:\n" +
			"  sed \"s/" + upload.KeyPlaceholder + "/$AMPLITUDE_API_KEY/\" FILE | curl -H 'Content-Type: application/json' --data-binary @- URL/batch\n" +
			"What is sent that way upload does not know of, and sends again.",
		Flags: flags(stateFlags()[:1], uploadFlags("guide"), []cli.Flag{limitFlag(),
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "folder to write, new or empty (`DIR`)"}}),
		Action: func(c *cli.Context) error {
			out := c.String("out")
			if out == "" {
				return usagef("no folder to write given: -o DIR")
			}
			o, err := uploadArgs(ui, c, false)
			if err != nil {
				return err
			}
			var w upload.Written
			if _, err := ui.stage("requests", func(m *progress.Meter) (err error) {
				o.Meter = m
				w, err = upload.WriteRequests(c.Context, o, out)
				return err
			}); err != nil {
				return err
			}
			return ui.result(w, func(to io.Writer) {
				fmt.Fprintf(to, "requests: %s events in %s requests written to %s\n", progress.Thousands(w.Events), progress.Thousands(w.Requests), out)
				if w.Invalid+w.Parked > 0 {
					fmt.Fprintf(to, "  not among them: %s lines that are no JSON, %s parked events\n", progress.Thousands(w.Invalid), progress.Thousands(w.Parked))
				}
			})
		},
	}
}

// dryRun says what an upload would do.
func dryRun(ui *ui, c *cli.Context, o upload.Options) error {
	var s upload.Rehearsal
	if _, err := ui.stage("dry run", func(m *progress.Meter) (err error) {
		o.Meter = m
		s, err = upload.DryRun(c.Context, o)
		return err
	}); err != nil {
		return err
	}
	return ui.result(s, func(w io.Writer) {
		fmt.Fprintf(w, "dry run, nothing was sent: %s of %s events are pending, %s would go in %s requests to %s\n", progress.Thousands(s.Pending),
			progress.Thousands(s.Read), progress.Thousands(s.Events), progress.Thousands(s.Requests), s.Destination)
		fmt.Fprintf(w, "  %s bytes of JSON, %s over the wire, at most %s a request\n",
			progress.Thousands(s.Bytes), progress.Thousands(s.WireBytes), progress.Thousands(s.LargestRequest))
		fmt.Fprintf(w, "  at this pace it takes %s\n", time.Duration(s.Seconds*float64(time.Second)).Round(time.Second))
		for _, n := range []struct {
			events int64
			what   string
		}{{s.Repeated, "requests were sent before without an answer and are repeated"}, {s.Invalid, "lines are no JSON and would be set aside"},
			{s.Parked, "events wait for a daily quota"}, {s.TooLarge, "events are by themselves larger than a request may be"}} {
			if n.events > 0 {
				fmt.Fprintf(w, "  %s %s\n", progress.Thousands(n.events), n.what)
			}
		}
	})
}
