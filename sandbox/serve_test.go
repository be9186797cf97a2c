package sandbox

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestServe ends the server while a request is half sent: it is still
// answered, and nobody is after it.
func TestServe(t *testing.T) {
	s := newServer(t, Options{})
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, s) }()

	body, sending := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, "http://"+l.Addr().String()+"/batch", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue") // so that sending starts when the handler reads
	type result struct {
		answer *http.Response
		err    error
	}
	answered := make(chan result, 1)
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 1 << 40}}
	defer client.CloseIdleConnections()
	go func() {
		a, err := client.Do(r)
		answered <- result{a, err}
	}()
	text := batch(good)
	if _, err := io.WriteString(sending, text[:10]); err != nil { // returns when the server reads
		t.Fatal(err)
	}
	cancel()
	for {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break // the listener is closed: the end has begun
		}
		conn.Close()
	}
	select {
	case err := <-done:
		t.Fatalf("left a request in flight: %v", err)
	default:
	}
	if _, err := io.WriteString(sending, text[10:]); err != nil {
		t.Fatal(err)
	}
	sending.Close()
	got := <-answered
	if got.err != nil {
		t.Fatal(got.err)
	}
	got.answer.Body.Close()
	if got.answer.StatusCode != http.StatusOK {
		t.Errorf("answer %d", got.answer.StatusCode)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := s.Summary().Accepted; n != 1 {
		t.Errorf("%d accepted", n)
	}
}

// pipes is a listener without a network, for virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// TestSlowClients holds connections open without finishing a request.
func TestSlowClients(t *testing.T) {
	const header = "POST /batch HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
	for _, c := range []struct {
		name, sent string
		limit      time.Duration
		code       int
	}{
		{"nothing sent", "", headerTimeout, 0},
		{"half a header", header, headerTimeout, 0},
		{"half a body", header + "\r\n{", bodyTimeout, http.StatusRequestTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, Options{})
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- Serve(ctx, l, s) }()
				client, server := net.Pipe()
				l.conns <- server
				start := time.Now()
				if _, err := io.WriteString(client, c.sent); err != nil {
					t.Fatal(err)
				}
				answer, err := http.ReadResponse(bufio.NewReader(client), nil)
				if err == nil {
					if answer.Body.Close(); answer.StatusCode != c.code {
						t.Errorf("answer %d", answer.StatusCode)
					}
				} else if c.code != 0 {
					t.Error(err)
				}
				if d := time.Since(start); d != c.limit {
					t.Errorf("dropped after %v", d)
				}
				client.Close()
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestServeFails(t *testing.T) {
	l := listen(t)
	l.Close()
	if err := Serve(t.Context(), l, newServer(t, Options{})); err == nil {
		t.Error("serves without a listener")
	}
}

// TestBodyMemory holds a request back while bodies leave no room for it, and
// lets it go when its client leaves.
func TestBodyMemory(t *testing.T) {
	s := newServer(t, Options{MaxBytes: 1000, BodyMemory: 1})
	if err := s.bodies.Acquire(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/batch", strings.NewReader(batch(good)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.bodies.Release(1000)
	taken(t, s, batch(good))
	post(s, "/batch", "x")
	post(s, "/batch", zip(t, strings.Repeat("x", 2000)), "Content-Encoding", "gzip")
	if !s.bodies.TryAcquire(1000) {
		t.Error("room is not given back")
	}
}

func TestLedgerStream(t *testing.T) {
	s := newServer(t, Options{Data: t.TempDir()})
	taken(t, s, threeEvents)
	web := httptest.NewServer(s)
	defer web.Close()
	a, err := web.Client().Get(web.URL + "/debug/ledger")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil || string(text) != threeLines || a.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%v %s\n%s", err, a.Header, text)
	}
}
