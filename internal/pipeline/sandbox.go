package pipeline

import (
	"context"
	"errors"
	"net"
	"net/http"

	"export2batch/sandbox"
)

// sandboxURL stands for the embedded sandbox in the upload's state: its port
// is another one each time.
const sandboxURL = "http://sandbox.invalid"

// startSandbox serves the sandbox on a free port of the loopback and points the
// upload at it.
func (o *Options) startSandbox(ctx context.Context) (stop func() error, err error) {
	opt := *o.Sandbox
	opt.Data = o.folder(sandboxFolder)
	server, err := sandbox.New(opt)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	// The sandbox outlives the command's context: the upload finishes the
	// requests in flight after an interrupt.
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- sandbox.Serve(serving, listener, server) }()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", listener.Addr().String())
		},
		MaxIdleConnsPerHost: 256,
	}
	o.Upload.URL, o.Upload.Transport = sandboxURL, transport
	o.Upload.APIKey = "sandbox"
	return func() error {
		transport.CloseIdleConnections()
		cancel()
		return errors.Join(<-ended, server.Close())
	}, nil
}
