package main

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"export2batch/upload"
)

// destinations are the names that --to takes beside URLs. Amplitude, Batch
// Event Upload API, endpoints.
var destinations = map[string]string{
	"us":      "https://api2.amplitude.com",
	"eu":      "https://api.eu.amplitude.com",
	"sandbox": "http://" + sandboxAddress,
}

func stateFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "state", Usage: "folder of the journal (`DIR`; default: the partition folder's name with .upload)"},
		&cli.StringFlag{Name: "to", Usage: "`us`, eu, sandbox (one started with export2batch sandbox) or the base URL of a server"},
	}
}

func limitFlag() cli.Flag {
	return &cli.Int64Flag{Name: "limit-events", DefaultText: "all", Usage: "stop after so many events (`N`); start again to go on"}
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
		&cli.StringFlag{Name: "max-bytes", DefaultText: "20MB", Usage: "of JSON in a request (`SIZE`); a 413 lowers it by itself"},
		&cli.IntFlag{Name: "parallel", Value: upload.DefaultParallel, Usage: "partitions sent side by side at most (`N`), each one request at a time; fewer while the server is overloaded"},
		&cli.BoolFlag{DisableDefaultText: true, Name: "no-gzip", Usage: "send bodies uncompressed"},
		&cli.DurationFlag{Name: "timeout", Value: upload.DefaultTimeout, Usage: "for a request with its answer (`TIME`)"},
		&cli.DurationFlag{Name: "connect-timeout", Value: upload.DefaultConnectTimeout, Usage: "for a connection (`TIME`)"},
		&cli.DurationFlag{Name: "answer-timeout", Value: upload.DefaultAnswerTimeout, Usage: "for the first byte of an answer (`TIME`)"},
		&cli.DurationFlag{Name: "grace", Value: upload.DefaultGrace, Usage: "for requests in flight after Ctrl-C (`TIME`)"},
		&cli.IntFlag{Name: "attempts", DefaultText: "no end", Usage: "stop after a request failed so often in a row (`N`)"},
		&cli.DurationFlag{Name: "retry-wait", Value: upload.DefaultBase, Usage: "after a failure, doubling up to --retry-cap (`TIME`)"},
		&cli.DurationFlag{Name: "retry-cap", Value: upload.DefaultCap, Usage: "longest wait after a failure (`TIME`)"},
		&cli.DurationFlag{Name: "throttle-wait", Value: upload.DefaultThrottle, Usage: "after a 429, growing by half up to --throttle-cap (`TIME`)"},
		&cli.DurationFlag{Name: "throttle-cap", Value: upload.DefaultThrottleCap, Usage: "longest wait after a 429 (`TIME`)"},
		&cli.DurationFlag{Name: "quota-wait", Value: upload.DefaultQuota, Usage: "how long a user or device over its daily quota is parked before it is tried again (`TIME`)"},
		&cli.BoolFlag{DisableDefaultText: true, Name: "leave-parked", Usage: "end with exit code 4 when all that is left waits for a daily quota"},
		&cli.BoolFlag{DisableDefaultText: true, Name: "other-key", Usage: "go on under another API key than before: it is the same project, whose key was replaced"},
		&cli.StringFlag{Name: "ca-file", Usage: "verify the server with the certificates in `FILE` (default: the system's)"},
		&cli.StringFlag{Name: "listen", Usage: "serve a page with plots, /status and /metrics on `ADDR` while it runs; loopback only"},
		&cli.BoolFlag{DisableDefaultText: true, Name: "listen-anywhere", Usage: "allow --listen on an address others can reach; there is no encryption and no password"},
	}
}

// uploadOptions reads the options but for the folders.
func uploadOptions(ui *ui, c *cli.Context, to, pace string, sends bool) (upload.Options, error) {
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
	if size := c.String("max-bytes"); size != "" {
		n, err := parseSize(size)
		if err != nil || n < 1 {
			return o, usagef("--max-bytes: %q is not a size such as 5MB", size)
		}
		o.MaxBytes = int(n)
	}
	o.Parallel, o.Version, o.Gzip = c.Int("parallel"), version, !c.Bool("no-gzip")
	o.Timeout, o.ConnectTimeout, o.AnswerTimeout, o.Grace = c.Duration("timeout"), c.Duration("connect-timeout"), c.Duration("answer-timeout"), c.Duration("grace")
	o.Retry = upload.Retry{Base: c.Duration("retry-wait"), Cap: c.Duration("retry-cap"), Throttle: c.Duration("throttle-wait"),
		ThrottleCap: c.Duration("throttle-cap"), Quota: c.Duration("quota-wait"), Attempts: c.Int("attempts")}
	o.LeaveParked, o.OtherKey, o.Live = c.Bool("leave-parked"), c.Bool("other-key"), &upload.Live{}
	o.Log = slog.New(slog.NewTextHandler(logWriter{ui}, &slog.HandlerOptions{ReplaceAttr: dropTime}))
	o.URL = to
	if known, ok := destinations[to]; ok {
		o.URL = known
	}
	if file := c.String("ca-file"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return o, fmt.Errorf("--ca-file: %w", err)
		}
		if o.CAs = x509.NewCertPool(); !o.CAs.AppendCertsFromPEM(pem) {
			return o, usagef("--ca-file: %s holds no certificate", file)
		}
	}
	var err error
	o.APIKey, err = apiKey(ui, c.String("api-key-file"), !sends || onThisMachine(o.URL))
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
