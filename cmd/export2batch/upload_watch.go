package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/urfave/cli/v2"

	"export2batch/upload"
	"export2batch/upload/monitor"
)

// watch serves the upload's page, if --listen is given, until stop is called.
func watch(ui *ui, c *cli.Context, o *upload.Options) (stop func() error, err error) {
	address := c.String("listen")
	if address == "" {
		return func() error { return nil }, nil
	}
	if !loopback(address) && !c.Bool("listen-anywhere") {
		return nil, usagef("--listen %s can be reached from elsewhere: give 127.0.0.1:PORT, or say so with --listen-anywhere", address)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	ui.note("upload is shown on http://%s, metrics at /metrics", listener.Addr())
	server := &http.Server{Handler: monitor.Handler(o.Live), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context), time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			server.Close() // whoever still reads has had a second
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("--listen: %w", err)
		}
		return nil
	}, nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// liveLine is what the progress shows behind the count of events.
func liveLine(live *upload.Live) func() string {
	return func() string {
		s, ok := live.Status()
		if !ok {
			return ""
		}
		return s.Running.Line()
	}
}
