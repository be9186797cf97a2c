package sandbox

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

const tooLarge = `{"code":413,"error":"Payload too large"}`

func zip(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sized makes a valid request of exactly n bytes.
func sized(n int) string {
	head, tail := `{"api_key":"key","events":[{"user_id":"user-1","event_type":"`, `"}]}`
	return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
}

func TestBodySize(t *testing.T) {
	t.Parallel()
	small := newServer(t, Options{MaxBytes: 5000})
	documented := newServer(t, Options{})
	for _, c := range []struct {
		name, path string
		s          *Server
		limit      int
	}{
		{"option", "/batch", small, 5000},
		{"batch", "/batch", documented, DefaultMaxBytes},
		{"httpapi", "/2/httpapi", documented, HTTPAPIMaxBytes},
		{"httpapi under the option", "/2/httpapi", small, 5000},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, over := range []int{0, 1} {
				body := sized(c.limit + over)
				status, answer := 200, ""
				if over > 0 {
					status, answer = 413, tooLarge
				}
				check := func(how string, code int, got string) {
					t.Helper()
					if code != status || answer != "" && got != answer {
						t.Errorf("%s, %d over: %d %s", how, over, code, got)
					}
				}
				code, got := post(c.s, c.path, body)
				check("plain", code, got)
				if c.limit > HTTPAPIMaxBytes {
					continue // takes long
				}
				code, got = post(c.s, c.path, zip(t, body), "Content-Encoding", "gzip")
				check("gzip", code, got)

				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodPost, c.path, io.MultiReader(strings.NewReader(body))) // no length
				r.Header.Set("Content-Type", "application/json")
				c.s.ServeHTTP(w, r)
				check("chunked", w.Code, w.Body.String())
			}
		})
	}
}

func TestGzip(t *testing.T) {
	s := newServer(t, Options{})
	body := batch(good)
	zipped := zip(t, body)
	code, got := post(s, "/batch", zipped, "Content-Encoding", "gzip")
	if want := `"payload_size_bytes":69,`; code != 200 || len(body) != 69 || !strings.Contains(got, want) {
		t.Errorf("%d bytes: %d %s", len(body), code, got)
	}
	if code, got := post(s, "/batch", zip(t, body[:20])+zip(t, body[20:]), "Content-Encoding", "gzip"); code != 200 {
		t.Errorf("two members: %d %s", code, got)
	}
	damaged := []byte(zipped)
	damaged[len(damaged)-8] ^= 1 // the checksum
	for name, body := range map[string]string{
		"not gzip": body, "torn": zipped[:len(zipped)-10], "checksum": string(damaged), "empty": "", "header only": zipped[:5],
		"corrupt": zipped[:10] + "\xff\xff\xff\xff" + zipped[14:],
	} {
		if code, got := post(s, "/batch", body, "Content-Encoding", "gzip"); code != 400 || got != `{"code":400,"error":"Invalid JSON request body"}` {
			t.Errorf("%s: %d %s", name, code, got)
		}
	}
	if code, _ := post(s, "/batch", body, "Content-Encoding", "br"); code != 415 {
		t.Errorf("br: %d", code)
	}
}

// TestGzipBomb sends forty times the limit: no more than the limit may be
// held.
func TestGzipBomb(t *testing.T) {
	const limit = 1 << 20
	s := newServer(t, Options{MaxBytes: limit})
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 1<<20)
	for range 40 {
		w.Write(piece) // into memory
	}
	w.Close()
	bomb := b.String()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	code, got := post(s, "/batch", bomb, "Content-Encoding", "gzip")
	runtime.ReadMemStats(&after)
	if code != 413 || got != tooLarge {
		t.Errorf("%d %s", code, got)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 4*limit {
		t.Errorf("%d bytes allocated for a limit of %d", n, limit)
	}
}

// endless is a body of empty gzip members, which would never give a byte.
type endless struct {
	member []byte
	at     int
	read   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.member[e.at:])
	e.at = (e.at + n) % len(e.member)
	e.read += n
	return n, nil
}

func TestEndlessGzip(t *testing.T) {
	s := newServer(t, Options{MaxBytes: 1000})
	src := &endless{member: []byte(zip(t, ""))}
	r := httptest.NewRequest(http.MethodPost, "/batch", src)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 400 || src.read > 10_000 {
		t.Errorf("%d %s after %d bytes", w.Code, w.Body, src.read)
	}
}

func TestBodyWeight(t *testing.T) {
	for _, c := range []struct {
		length, limit int64
		compressed    bool
		want          int64
	}{
		{-1, 1000, false, 1000},
		{-1, 1000, true, 1000},
		{10, 1000, false, 10},
		{10, 20_000, true, 10_320},
		{10, 1000, true, 1000},
		{0, 1000, false, 0},
	} {
		if got := bodyWeight(c.length, c.limit, c.compressed); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
