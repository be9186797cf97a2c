package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"export2batch/internal/durable"
)

// clock is a sandbox clock that stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Unix(1_700_000_000, 0).UTC()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// quickFS is the real file system without the waiting for the disk, for tests
// of what is read back and not of what survives.
type quickFS struct{ durable.FS }

func (q quickFS) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	h, err := q.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return quickHandle{h}, nil
}

func (quickFS) SyncDir(string) error { return nil }

type quickHandle struct{ durable.Handle }

func (quickHandle) Sync() error { return nil }

// newServer makes a server that stands still in time unless o says otherwise.
func newServer(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Now == nil {
		o.Now = newClock().now
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// post sends a body to a path and returns status and answer.
func post(s http.Handler, path, body string, header ...string) (int, string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// want fails unless the request got this status and JSON, where the time does
// not matter.
func want(t *testing.T, s http.Handler, path, body string, code int, answer string) {
	t.Helper()
	gotCode, got := post(s, path, body)
	if gotCode != code || got != answer {
		t.Errorf("answer %d %s\nwant   %d %s", gotCode, got, code, answer)
	}
}

func batch(events ...string) string {
	return `{"api_key":"key","events":[` + strings.Join(events, ",") + `]}`
}

// simple makes n valid events of one user with their own insert ids.
func simple(n int, user string) []string {
	events := make([]string, n)
	for i := range events {
		events[i] = fmt.Sprintf(`{"user_id":%q,"event_type":"open","insert_id":"%s-%d"}`, user, user, i)
	}
	return events
}

// taken checks that a request is accepted and returns its events_ingested.
func taken(t *testing.T, s http.Handler, body string) int {
	t.Helper()
	code, text := post(s, "/batch", body)
	if code != http.StatusOK {
		t.Fatalf("answer %d %s", code, text)
	}
	var a struct {
		Code     int   `json:"code"`
		Ingested int   `json:"events_ingested"`
		Size     int   `json:"payload_size_bytes"`
		Time     int64 `json:"server_upload_time"`
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	if a.Code != 200 || a.Size != len(body) || a.Time <= 0 {
		t.Errorf("answer %s to a body of %d bytes", text, len(body))
	}
	return a.Ingested
}

func ledgerOf(t testing.TB, s http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/debug/ledger", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("ledger: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// entry is a line of the ledger.
type entry struct {
	Seq       int64           `json:"seq"`
	Request   int64           `json:"request"`
	InsertID  json.RawMessage `json:"insert_id"`
	DeviceID  json.RawMessage `json:"device_id"`
	UserID    json.RawMessage `json:"user_id"`
	EventType json.RawMessage `json:"event_type"`
	Time      json.RawMessage `json:"time"`
	Duplicate bool            `json:"duplicate"`
}

func entries(t testing.TB, ledger string) []entry {
	t.Helper()
	var all []entry
	d := json.NewDecoder(bytes.NewReader([]byte(ledger)))
	d.DisallowUnknownFields()
	for d.More() {
		var e entry
		if err := d.Decode(&e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}
