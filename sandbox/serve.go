package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Times that keep a slow client from holding the server. A body of 20 MB
// within bodyTimeout needs 350 KB/s, which loopback has.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 60 * time.Second
	answerTimeout = 90 * time.Second // from the header's end, so it includes reading the body
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 15 * time.Second
)

// Serve answers requests on l until ctx ends, then finishes those in flight,
// for at most 15 s, and closes l. It returns nil after a clean end. It does
// not close the Server, so that its Summary and ledger can still be read.
func Serve(ctx context.Context, l net.Listener, s *Server) error {
	web := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.leave() // what hangs on purpose need not be waited for
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := web.Shutdown(late)
	if err != nil {
		err = errors.Join(fmt.Errorf("finish the requests in flight: %w", err), web.Close())
	}
	<-served // http.ErrServerClosed
	return err
}
