package upload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/stage"
)

const testKey = "0123456789abcdefKEY"

// line is event i of partition p; its device is the partition's.
func line(p, i int) string {
	return fmt.Sprintf(`{"device_id":"device-%d","event_type":"open","insert_id":"%d/%d","time":%d, "n": 1.50}`, p, p, i, 1700000000000+i)
}

// lines makes partitions of that many events.
func lines(sizes ...int) [][]string {
	out := make([][]string, len(sizes))
	for p, n := range sizes {
		for i := range n {
			out[p] = append(out[p], line(p, i))
		}
	}
	return out
}

// partitionFolder writes a finished partition folder.
func partitionFolder(t testing.TB, parts [][]string) string {
	t.Helper()
	return partitionFolderAs(t, parts, eventfile.Zstd)
}

func partitionFolderAs(t testing.TB, parts [][]string, c eventfile.Compression) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "partitions")
	f, err := stage.Begin(fast, dir, stage.Identity{Stage: "partition", Version: "test", Options: map[string]int{}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var m stage.Manifest
	keep := map[string]bool{}
	for p, list := range parts {
		name := fmt.Sprintf("partitions/part-%04d%s", p, c.Suffix())
		w, err := eventfile.Create(fast, f.File(name), name, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			if err := w.Write([]byte(l + "\n")); err != nil {
				t.Fatal(err)
			}
			w.Count(0)
		}
		info, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		keep[name] = true
		m.Files = append(m.Files, info)
	}
	m.Counts = json.RawMessage(`{}`)
	if err := f.Finish(m, keep); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fast is the real file system without waiting for the disk.
var fast durable.FS = fastFS{durable.OS}

type fastFS struct{ durable.FS }

func (f fastFS) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	h, err := f.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return fastHandle{h}, nil
}

func (fastFS) SyncDir(string) error { return nil }

func (fastFS) MkdirAll(path string, perm os.FileMode) error { return os.MkdirAll(path, perm) }

type fastHandle struct{ durable.Handle }

func (fastHandle) Sync() error { return nil }

// received is one request as it arrived.
type received struct {
	number    int // from 1
	at        time.Time
	partition string
	events    []json.RawMessage
	raw       []byte
	request   *http.Request
}

func (r *received) has(text string) bool { return bytes.Contains(r.raw, []byte(text)) }

// index returns the event that holds text, -1 for none.
func (r *received) index(text string) int {
	for i, e := range r.events {
		if strings.Contains(string(e), text) {
			return i
		}
	}
	return -1
}

// reply is what the fake answers. The events are taken when take is set or the
// reply is the zero one.
type reply struct {
	status int // 0: 200 with the documented body
	body   string
	header http.Header
	err    error
	take   bool
	delay  time.Duration
	hang   bool // until the request's context ends
}

// fake is a destination that does what script says, and watches the rules.
type fake struct {
	t      testing.TB
	script func(*received) reply

	mu       sync.Mutex
	requests []*received
	inFlight map[string]int
	taken    []string // insert ids in order, each the first time
	bytes    map[string]string
	repeated int
}

func newFake(t testing.TB, script func(*received) reply) *fake {
	return &fake{t: t, script: script, inFlight: map[string]int{}, bytes: map[string]string{}}
}

func (f *fake) RoundTrip(req *http.Request) (*http.Response, error) {
	r := f.receive(req)
	defer func() {
		f.mu.Lock()
		f.inFlight[r.partition]--
		f.mu.Unlock()
	}()
	var re reply
	if f.script != nil {
		re = f.script(r)
	}
	if re.hang {
		<-req.Context().Done()
		if re.take {
			f.take(r)
		}
		return nil, req.Context().Err()
	}
	if re.delay > 0 {
		time.Sleep(re.delay) // in a synctest bubble
	}
	ingested := len(r.events)
	if re.take || re.status == 0 && re.err == nil {
		ingested = f.take(r)
	}
	if re.err != nil {
		return nil, re.err
	}
	if re.status == 0 {
		re.status = 200
		re.body = fmt.Sprintf(`{"code":200,"events_ingested":%d,"payload_size_bytes":%d,"server_upload_time":1}`, ingested, len(r.raw))
	}
	if re.header == nil {
		re.header = http.Header{}
	}
	return &http.Response{StatusCode: re.status, Header: re.header, Body: io.NopCloser(strings.NewReader(re.body)), Request: req}, nil
}

func (f *fake) receive(req *http.Request) *received {
	defer req.Body.Close()
	var src io.Reader = req.Body
	if req.Header.Get("Content-Encoding") == "gzip" {
		zr, err := gzip.NewReader(req.Body)
		if err != nil {
			f.t.Errorf("body: %v", err)
			return &received{}
		}
		src = zr
	}
	raw, err := io.ReadAll(src)
	if err != nil {
		f.t.Errorf("body: %v", err)
	}
	var b struct {
		Key    string            `json:"api_key"`
		Events []json.RawMessage `json:"events"`
	}
	if err := json.Unmarshal(raw, &b); err != nil || b.Key == "" || len(b.Events) == 0 {
		f.t.Errorf("body %q: %v", raw, err)
		return &received{}
	}
	r := &received{at: time.Now(), events: b.Events, raw: raw, request: req}
	r.partition, _, _ = strings.Cut(insertID(b.Events[0]), "/")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	r.number = len(f.requests)
	f.inFlight[r.partition]++
	if f.inFlight[r.partition] > 1 {
		f.t.Errorf("partition %s has %d requests in flight", r.partition, f.inFlight[r.partition])
	}
	return r
}

// take keeps the events of a request and returns how many are new.
func (f *fake) take(r *received) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, e := range r.events {
		id := insertID(e)
		if have, ok := f.bytes[id]; ok {
			f.repeated++
			if have != string(e) {
				f.t.Errorf("event %s was sent with different bytes", id)
			}
			continue
		}
		f.bytes[id] = string(e)
		f.taken = append(f.taken, id)
		n++
	}
	return n
}

func insertID(event []byte) string {
	var e struct {
		ID string `json:"insert_id"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return ""
	}
	return e.ID
}

// count is how many requests have arrived.
func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// checkTaken sees that the taken events are those of parts but the ones in
// aside, in order.
func (f *fake) checkTaken(parts [][]string, aside map[string]bool) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	got := map[string][]string{}
	for _, id := range f.taken {
		p, _, _ := strings.Cut(id, "/")
		got[p] = append(got[p], f.bytes[id])
	}
	for p, list := range parts {
		var want []string
		for _, l := range list {
			if !aside[insertID([]byte(l))] {
				want = append(want, l)
			}
		}
		have := got[fmt.Sprint(p)]
		if len(have) != len(want) {
			f.t.Errorf("partition %d: %d events taken, want %d", p, len(have), len(want))
			continue
		}
		for i := range want {
			if have[i] != want[i] {
				f.t.Errorf("partition %d: event %d is %s, want %s", p, i, have[i], want[i])
				break
			}
		}
	}
}

// options are those of a quick test: no pace, no disk.
func options(dir string, f *fake) Options {
	return Options{
		Dir: dir, URL: "https://api2.amplitude.com", APIKey: testKey, Gzip: true,
		Transport: f, Seed: 1, FS: fast, Version: "test",
	}
}

// rejectedIDs reads the insert ids in rejected/, each with its rule.
func rejectedIDs(t testing.TB, o Options) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob(filepath.Join(o.withDefaults().State, rejectedDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
			if len(l) == 0 {
				continue
			}
			var e struct{ File, Rule, Reason, Text string }
			if err := json.Unmarshal(l, &e); err != nil {
				t.Fatalf("%s: %q: %v", name, l, err)
			}
			id := insertID([]byte(e.Text))
			if id == "" {
				id = e.Text
			}
			if _, twice := out[id]; twice {
				t.Errorf("event %s is twice in %s", id, name)
			}
			out[id] = e.Rule
		}
	}
	return out
}

func mustRun(t testing.TB, o Options) Summary {
	t.Helper()
	sum, err := Run(t.Context(), o)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if sum.Read != sum.Accepted+sum.Rejected+sum.Pending {
		t.Errorf("the account does not balance: %+v", sum)
	}
	return sum
}
