package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"export2batch/internal/progress"
	"export2batch/internal/stage"
	"export2batch/upload"
)

// destinations are the names that --to takes beside URLs. Amplitude, Batch
// Event Upload API, endpoints.
var destinations = map[string]string{
	"us":      "https://api2.amplitude.com",
	"eu":      "https://api.eu.amplitude.com",
	"sandbox": "http://" + sandboxAddress,
}

func uploadCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "upload",
		Usage:     "partitions to Amplitude's Batch API: in order, paced, each event once",
		ArgsUsage: "DIR",
		UsageText: "export2batch upload --to us|eu|sandbox|URL [options] DIR",
		Description: "Sends a folder written by partition. What was sent and answered is in a journal, so that the same\n" +
			"command goes on after any stop, repeating only requests that were in flight. The API key comes from\n" +
			"AMPLITUDE_API_KEY or --api-key-file. Exit codes: 3 something was set aside, see STATE/rejected;\n" +
			"4 not everything was sent, start it again.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "state", Usage: "folder of the journal (`DIR`; default: the partition folder's name with .upload)"},
			&cli.StringFlag{Name: "to", Usage: "`us`, eu, sandbox (one started with export2batch sandbox) or the base URL of a server"},
		}, uploadFlags("guide")...),
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usagef("upload takes one partition folder")
			}
			if c.String("to") == "" {
				return usagef("no destination given: --to us, eu, sandbox or a URL")
			}
			o, err := uploadOptions(ui, c, c.String("to"), c.String("pace"))
			if err != nil {
				return err
			}
			o.Dir, o.State = c.Args().First(), c.String("state")
			if err := o.Validate(); err != nil {
				return errUsage{err}
			}
			events, err := partitionEvents(o.Dir)
			if err != nil {
				return err
			}
			if err := confirm(c.Context, ui, o.URL, fmt.Sprintf("%s events", progress.Thousands(events)), c.Bool("yes")); err != nil {
				return err
			}
			var s upload.Summary
			took, err := ui.stage("upload", func(m *progress.Meter) (err error) {
				o.Meter = m
				s, err = upload.Run(c.Context, o)
				return err
			})
			s.EventsPerSecond = perSecond(s.Accepted, took)
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

// uploadFlags are the options that run shares with upload.
func uploadFlags(defaultPace string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "api-key-file", Usage: "read the API key from `FILE` (default: from AMPLITUDE_API_KEY)"},
		&cli.BoolFlag{DisableDefaultText: true, Name: "yes", Usage: "do not ask before events go to a server that is not on this machine"},
		&cli.StringFlag{Name: "pace", DefaultText: defaultPace, Usage: "`guide` (100 requests/s, 1000 events/s, 10 events a request, 300 events/s an id), bulk (the same, 1000 events a request) or off (no limits, 1000 events a request)"},
		&cli.Float64Flag{Name: "requests-per-second", DefaultText: "as --pace", Usage: "over all partitions; 0: no limit (`N`)"},
		&cli.Float64Flag{Name: "events-per-second", DefaultText: "as --pace", Usage: "over all partitions; 0: no limit (`N`)"},
		&cli.Float64Flag{Name: "id-events-per-second", DefaultText: "as --pace", Usage: "for each user and device; 0: no limit (`N`)"},
		&cli.IntFlag{Name: "events-per-request", DefaultText: "as --pace", Usage: "at most 2000 (`N`)"},
		&cli.IntFlag{Name: "parallel", Value: upload.DefaultParallel, Usage: "partitions sent side by side (`N`), each one request at a time"},
	}
}

// uploadOptions reads the options but for the folders.
func uploadOptions(ui *ui, c *cli.Context, to, pace string) (upload.Options, error) {
	o := upload.Guide()
	switch pace {
	case "guide", "":
	case "bulk":
		o.EventsPerRequest = 1000
	case "off":
		o.Pace, o.EventsPerRequest = upload.Pace{}, 1000
	default:
		return o, usagef("unknown --pace %q: guide, bulk or off", pace)
	}
	for name, figure := range map[string]*float64{"requests-per-second": &o.Pace.RequestsPerSecond,
		"events-per-second": &o.Pace.EventsPerSecond, "id-events-per-second": &o.Pace.IDEventsPerSecond} {
		if c.IsSet(name) {
			*figure = c.Float64(name)
		}
	}
	if c.IsSet("events-per-request") {
		o.EventsPerRequest = c.Int("events-per-request")
	}
	o.Parallel, o.Version = c.Int("parallel"), version
	o.Log = slog.New(slog.NewTextHandler(logWriter{ui}, &slog.HandlerOptions{ReplaceAttr: dropTime}))
	o.URL = to
	if known, ok := destinations[to]; ok {
		o.URL = known
	}
	var err error
	o.APIKey, err = apiKey(ui, c.String("api-key-file"), onThisMachine(o.URL))
	return o, err
}

// apiKey finds the key; a server on this machine that was given none takes any.
func apiKey(ui *ui, file string, local bool) (string, error) {
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("--api-key-file: %w", err)
		}
		key := strings.TrimSpace(string(data))
		if key == "" {
			return "", fmt.Errorf("--api-key-file: %s is empty", file)
		}
		return key, nil
	}
	if key := strings.TrimSpace(ui.getenv("AMPLITUDE_API_KEY")); key != "" {
		return key, nil
	}
	if local {
		return "sandbox", nil
	}
	return "", usagef("no API key: set AMPLITUDE_API_KEY or give --api-key-file")
}

func onThisMachine(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// confirm asks before events leave this machine.
func confirm(ctx context.Context, ui *ui, base, what string, yes bool) error {
	if yes || onThisMachine(base) {
		return nil
	}
	in, ok := ui.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return usagef("%s go to %s and cannot be taken back: say so with --yes", what, base)
	}
	fmt.Fprintf(ui.stderr, "export2batch: %s go to %s. This cannot be undone. Type yes to go on: ", what, base)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // an error is no yes
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case a := <-answer:
		if a != "yes" {
			return errors.New("not confirmed, nothing was sent")
		}
		return nil
	}
}

func partitionEvents(dir string) (events int64, err error) {
	m, err := stage.Load(dir)
	if err != nil {
		return 0, err
	}
	for _, f := range m.Files {
		events += f.Events
	}
	return events, nil
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
