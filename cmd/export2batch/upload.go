package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"export2batch/internal/progress"
	"export2batch/upload"
)

// An upload keeps to 200 MB with 64 partitions side by side: collecting
// garbage earlier costs little beside compressing and syncing.
const (
	gcPercent   = 50
	memoryLimit = 170 << 20
)

func uploadCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "upload",
		Usage:     "partitions to Amplitude's Batch API: in order, paced, each event once",
		ArgsUsage: "DIR",
		UsageText: "export2batch upload --to us|eu|sandbox|URL [options] DIR\n" +
			"export2batch upload status|retry|requests [options] DIR",
		Description: "Sends a folder written by partition. What was sent and answered is in a journal, so that the same\n" +
			"command goes on after any stop, repeating only requests that were in flight. The API key comes from\n" +
			"AMPLITUDE_API_KEY or --api-key-file. STATE/report.txt and report.json hold the account at the end.\n" +
			"upload status DIR shows how far it is, also while it runs; upload retry DIR sends what was set aside;\n" +
			"upload requests DIR writes the bodies to files. Exit codes: 3 something was set aside, see STATE/rejected;\n" +
			"4 not everything was sent, start it again.",
		Flags: flags(stateFlags(), uploadFlags("guide"), []cli.Flag{
			&cli.BoolFlag{DisableDefaultText: true, Name: "dry-run", Usage: "do everything but sending, and say how long the pace would make it last"},
			limitFlag(),
		}),
		Action: func(c *cli.Context) error {
			o, err := uploadArgs(ui, c, !c.Bool("dry-run"))
			if err != nil {
				return err
			}
			if c.Bool("dry-run") {
				return dryRun(ui, c, o)
			}
			if err := confirm(c.Context, ui, o, c.Bool("yes")); err != nil {
				return err
			}
			s, err := watched(ui, c, &o, func() (upload.Summary, error) { return upload.Run(c.Context, o) })
			if err != nil && s.Read == 0 {
				return uploadError(err)
			}
			if rerr := ui.result(s, func(w io.Writer) { printUpload(w, s) }); rerr != nil {
				return rerr
			}
			if err != nil {
				return uploadError(err)
			}
			return uploadVerdict(s)
		},
	}
}

// uploadArgs reads options and the one argument. An upload that is not going to
// send needs neither destination nor key.
func uploadArgs(ui *ui, c *cli.Context, sends bool) (upload.Options, error) {
	to := c.String("to")
	switch {
	case c.NArg() != 1:
		return upload.Options{}, usagef("%s takes one partition folder", c.Command.Name)
	case to == "" && sends:
		return upload.Options{}, usagef("no destination given: --to us, eu, sandbox or a URL")
	case to == "":
		to = "sandbox"
	}
	o, err := uploadOptions(ui, c, to, c.String("pace"), sends)
	if err != nil {
		return o, err
	}
	o.Dir, o.State, o.LimitEvents = c.Args().First(), c.String("state"), c.Int64("limit-events")
	if err := o.Validate(); err != nil {
		return o, errUsage{err}
	}
	return o, nil
}

// watched runs an upload with its progress and, where asked for, its page.
func watched(ui *ui, c *cli.Context, o *upload.Options, run func() (upload.Summary, error)) (s upload.Summary, err error) {
	ui.resumes = true
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	stop, err := watch(ui, c, o)
	if err != nil {
		return s, err
	}
	rate, err := ui.stage("upload", func(m *progress.Meter) (err error) {
		o.Meter = m
		m.SetNote(liveLine(o.Live))
		s, err = run()
		return err
	})
	s.EventsPerSecond = rate
	if serr := stop(); err == nil {
		err = serr
	}
	return s, err
}

// uploadError gives an upload that can go on later its exit code.
func uploadError(err error) error {
	if errors.Is(err, upload.ErrIncomplete) {
		return errors.Join(errIncomplete, err)
	}
	return err
}

func uploadVerdict(s upload.Summary) error {
	switch {
	case !s.Complete():
		return errIncomplete
	case s.Rejected > 0:
		return errFound
	}
	return nil
}

func printUpload(w io.Writer, s upload.Summary) {
	fmt.Fprintf(w, "upload: %s read = %s + %s + %s, in %s requests (%s repeated), %s events/s\n",
		progress.Thousands(s.Read), count(s.Accepted, "accepted", nil), count(s.Rejected, "rejected", s.RejectedBy),
		count(s.Pending, "pending", nil), progress.Thousands(s.Requests), progress.Thousands(s.Retries), progress.Thousands(int64(s.EventsPerSecond)))
	if s.Duplicates > 0 {
		fmt.Fprintf(w, "  %s accepted events were not counted as ingested: the server had them before\n", progress.Thousands(s.Duplicates))
	}
}

// logWriter prints what the uploader has to say as messages.
type logWriter struct{ ui *ui }

func (w logWriter) Write(p []byte) (int, error) {
	w.ui.note("%s", strings.TrimSpace(string(p)))
	return len(p), nil
}

func dropTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
