package upload

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	idleTimeout = 90 * time.Second // of a connection that is kept
	// maxAnswer is how much of an answer is read: 2000 throttled ids of 1024
	// characters fit in.
	maxAnswer = 4 << 20
)

// client posts bodies to one URL. It uses the transport without http.Client,
// so nothing follows a redirect. It is safe for concurrent use.
type client struct {
	transport http.RoundTripper
	url       *url.URL
	agent     string
	timeout   time.Duration
}

func newClient(o Options, u *url.URL) *client {
	agent := "export2batch"
	if o.Version != "" {
		agent += "/" + o.Version
	}
	return &client{transport: o.Transport, url: u, agent: agent, timeout: o.Timeout}
}

// post sends a body and reads the whole answer.
func (c *client) post(ctx context.Context, b *body) response {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req := (&http.Request{
		Method: http.MethodPost, URL: c.url, Host: c.url.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Content-Type": {"application/json"},
			"Accept":       {"*/*"},
			"User-Agent":   {c.agent},
		},
		Body: b.reader(), GetBody: func() (io.ReadCloser, error) { return b.reader(), nil },
		ContentLength: int64(len(b.sent)),
	}).WithContext(ctx)
	if b.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return response{err: err}
	}
	// Closing tells nothing that reading has not: the answer is whole or not.
	defer resp.Body.Close()
	r := response{status: resp.StatusCode, header: resp.Header}
	r.body, r.err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return r
}

func defaultTransport(o Options) http.RoundTripper {
	dialer := &net.Dialer{Timeout: o.ConnectTimeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          2 * o.Parallel,
		MaxIdleConnsPerHost:   o.Parallel,
		IdleConnTimeout:       idleTimeout,
		TLSHandshakeTimeout:   o.ConnectTimeout,
		ResponseHeaderTimeout: o.AnswerTimeout,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.CAs},
	}
}

// isCertificate tells whether the destination could not prove who it is.
func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var record tls.RecordHeaderError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &record)
}
