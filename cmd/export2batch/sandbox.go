package main

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/urfave/cli/v2"

	"export2batch/internal/progress"
	"export2batch/sandbox"
)

// sandboxAddress is where the sandbox listens, and --to sandbox sends to.
const sandboxAddress = "127.0.0.1:8437"

func sandboxCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "sandbox",
		Usage:     "a local server that answers as Amplitude's Batch API documents, with a ledger",
		UsageText: "export2batch sandbox [options]",
		Description: "POST /batch and /2/httpapi take events; GET /debug/ledger gives every accepted event in the order\n" +
			"of acceptance. It stops on Ctrl-C, after the requests in flight.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: sandboxAddress, Usage: "where to listen (`ADDR`); keep to loopback, there is no encryption"},
			&cli.StringFlag{Name: "data", Usage: "keep the ledger in `DIR`/ledger.ndjson, synced before each answer (default: in memory)"},
			&cli.StringFlag{Name: "api-key", Usage: "take only this `KEY` (default: any)"},
			&cli.IntFlag{Name: "min-id-length", Value: sandbox.DefaultMinIDLength, Usage: "shortest user_id and device_id (`N`)"},
			&cli.Float64Flag{Name: "throttle", Usage: "events/s a user or device may send, as a 30 s average; 0: no limit (`N`)"},
			&cli.IntFlag{Name: "daily-quota", Usage: "events a user or device may send in a rolling 24 h; 0: no limit (`N`)"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "all-errors", Usage: "name every bad event of a request, where Amplitude names the first"},
			&cli.StringFlag{Name: "faults", Usage: "answer wrongly on purpose: `SPEC` like 500:0.01,429:0.02,reset-after:0.01,latency=5ms,seed=1"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usagef("sandbox takes no arguments, only options: %q", c.Args().First())
			}
			faults, err := sandbox.ParseFaults(c.String("faults"))
			if err != nil {
				return errUsage{err}
			}
			o := sandbox.Options{
				Data: c.String("data"), APIKey: c.String("api-key"), MinIDLength: c.Int("min-id-length"),
				Throttle: c.Float64("throttle"), DailyQuota: c.Int("daily-quota"), AllErrors: c.Bool("all-errors"), Faults: faults,
			}
			if err := o.Validate(); err != nil {
				return errUsage{err}
			}
			server, err := sandbox.New(o)
			if err != nil {
				return err
			}
			defer server.Close()
			listener, err := net.Listen("tcp", c.String("listen"))
			if err != nil {
				return err
			}
			ui.note("sandbox listens on http://%s, ledger at /debug/ledger", listener.Addr())
			if err := sandbox.Serve(c.Context, listener, server); err != nil && !errors.Is(err, c.Context.Err()) {
				return err
			}
			s := server.Summary()
			return errors.Join(server.Close(), ui.result(s, func(w io.Writer) {
				fmt.Fprintf(w, "sandbox: %s events accepted, %s of them duplicates, in %s\n",
					progress.Thousands(s.Accepted), progress.Thousands(s.Duplicates), count(s.Requests, "requests", s.ByAnswer))
			}))
		},
	}
}
