package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/urfave/cli/v2"

	"export2batch/internal/progress"
	"export2batch/sandbox"
)

// sandboxAddress is where the sandbox listens, and --to sandbox sends to.
const sandboxAddress = "127.0.0.1:8437"

func sandboxCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "sandbox",
		Usage:     "a local Amplitude: takes events, shows them on a page, gives them back as an export",
		UsageText: "export2batch sandbox [options]",
		Description: "POST /batch, /2/httpapi, /identify and /groupidentify take events; GET /api/2/export gives them back;\n" +
			"GET /debug/ledger gives every accepted event in the order of acceptance; / is a page for a browser.\n" +
			"It stops on Ctrl-C, after the requests in flight. docs/sandbox.md says more.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: sandboxAddress, Usage: "where to listen (`ADDR`), on loopback: there is no encryption"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "allow-remote", Usage: "let --listen be another address than loopback: whoever reaches it can read everything"},
			&cli.StringFlag{Name: "data", Usage: "keep everything in `DIR`, synced before each answer (default: in memory)"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "ledger-only", Usage: "keep the ledger and nothing of what the events hold: no export, no search"},
			&cli.StringFlag{Name: "event-memory", Value: "1GiB", Usage: "memory for events without --data, compressed (`SIZE`); the oldest are forgotten"},
			&cli.StringFlag{Name: "api-key", Usage: "take only this `KEY` (default: any)"},
			&cli.StringFlag{Name: "secret-key", Usage: "export only with this `KEY` beside the API key (default: any)"},
			&cli.IntFlag{Name: "min-id-length", Value: sandbox.DefaultMinIDLength, Usage: "shortest user_id and device_id (`N`)"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "documented-limits", Usage: "throttle and quota as Amplitude documents: 1000, 30 and 500 000"},
			&cli.Float64Flag{Name: "throttle", Usage: "events/s a user or device may send to /batch, as a 30 s average; 0: no limit (`N`)"},
			&cli.Float64Flag{Name: "http-throttle", Usage: "the same for /2/httpapi, /identify and /groupidentify (`N`)"},
			&cli.IntFlag{Name: "daily-quota", Usage: "events a user or device may send in a rolling 24 h; 0: no limit (`N`)"},
			&cli.Float64Flag{Name: "time-scale", Value: 1, Usage: "let its time go `N` times as fast: 1440 is a day in a minute"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "all-errors", Usage: "name every bad event of a request, where Amplitude names the first"},
			&cli.StringFlag{Name: "faults", Usage: "answer wrongly on purpose: `SPEC` like 500:0.01,429:0.02,reset-after:0.01,latency=5ms,seed=1;\nPUT /debug/faults changes it while it runs"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usagef("sandbox takes no arguments, only options: %q", c.Args().First())
			}
			o, err := sandboxOptions(c)
			if err != nil {
				return errUsage{err}
			}
			return serveSandbox(ui, c, o)
		},
	}
}

func sandboxOptions(c *cli.Context) (o sandbox.Options, err error) {
	if !c.Bool("allow-remote") {
		if err := onLoopback(c.String("listen")); err != nil {
			return o, err
		}
	}
	faults, err := sandbox.ParseFaults(c.String("faults"))
	if err != nil {
		return o, err
	}
	memory, err := parseSize(c.String("event-memory"))
	if err != nil {
		return o, fmt.Errorf("--event-memory: %w", err)
	}
	o = sandbox.Options{
		Data: c.String("data"), Events: !c.Bool("ledger-only"), EventMemory: memory,
		APIKey: c.String("api-key"), SecretKey: c.String("secret-key"), MinIDLength: c.Int("min-id-length"),
		Throttle: c.Float64("throttle"), HTTPThrottle: c.Float64("http-throttle"), DailyQuota: c.Int("daily-quota"),
		TimeScale: c.Float64("time-scale"), AllErrors: c.Bool("all-errors"), Faults: faults, AnyHost: c.Bool("allow-remote"),
	}
	if c.Bool("documented-limits") {
		o.Throttle = cmp.Or(o.Throttle, sandbox.DocumentedThrottle)
		o.HTTPThrottle = cmp.Or(o.HTTPThrottle, sandbox.DocumentedHTTPThrottle)
		o.DailyQuota = cmp.Or(o.DailyQuota, sandbox.DocumentedDailyQuota)
	}
	return o, o.Validate()
}

// onLoopback refuses an address that others could reach.
func onLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--listen %q is not HOST:PORT", address)
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("--listen %q is not loopback, so others could read and send: say so with --allow-remote", address)
}

func serveSandbox(ui *ui, c *cli.Context, o sandbox.Options) error {
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
}
