package upload

import (
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// wire is a real server that takes everything and remembers how it came.
type wire struct {
	mu     sync.Mutex
	protos map[string]int
	conns  map[string]bool
	bodies int
}

func (s *wire) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.protos[r.Proto]++
	s.conns[r.RemoteAddr] = true
	s.bodies++
	fmt.Fprint(w, `{"code":200}`)
}

func serveTLS(t *testing.T, h http.Handler, http2 bool) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, roots
}

// With the transport that users get: TLS under a root of one's own, HTTP/2
// where the server has it, and connections that are kept.
func TestTLSAndHTTP2(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		h := &wire{protos: map[string]int{}, conns: map[string]bool{}}
		s, roots := serveTLS(t, h, http2)
		parts := lines(400, 400, 400)
		o := options(partitionFolder(t, parts), nil)
		o.URL, o.Transport, o.CAs, o.Parallel = s.URL, nil, roots, 3
		if sum := mustRun(t, o); sum.Accepted != 1200 || sum.Retries != 0 {
			t.Errorf("%+v", sum)
		}
		proto, conns := "HTTP/1.1", 8 // a dial can be overtaken by a connection that got free
		if http2 {
			proto = "HTTP/2.0"
		}
		if h.protos[proto] != h.bodies || h.bodies != 120 || len(h.conns) > conns {
			t.Errorf("%v over %d connections", h.protos, len(h.conns))
		}
	}
}

// A server that cannot prove who it is gets nothing, least of all the key.
func TestUnknownCertificateIsRefused(t *testing.T) {
	h := &wire{protos: map[string]int{}, conns: map[string]bool{}}
	s, _ := serveTLS(t, h, true)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	o := options(partitionFolder(t, lines(5)), nil)
	o.URL, o.Transport = s.URL, nil
	sum, err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "certificate") || sum.Pending != 5 || h.bodies > 0 {
		t.Errorf("%v, %+v, %d requests", err, sum, h.bodies)
	}
}

// A redirect is not followed, also not to the same server: it would carry the
// key to where it leads.
func TestRedirectsAreRefused(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308} {
		seen := 0
		mux := http.NewServeMux()
		mux.HandleFunc("/batch", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			http.Redirect(w, r, "/elsewhere", status)
		})
		mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { seen++ })
		s := httptest.NewServer(mux)
		o := options(partitionFolder(t, lines(5)), nil)
		o.URL, o.Transport = s.URL, nil
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "redirects") || seen > 0 {
			t.Errorf("%d: %v, followed %d times", status, err, seen)
		}
		s.Close()
	}
}
