package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"export2batch/internal/durable"
)

const threeEvents = `{"api_key":"key","events":[
 {"insert_id":"i\u002d1", "device_id":"device-1","user_id":null,"event_type":"open \"it\"","time":1.7e12,"city":"x"},
 {"insert_id":"i-1","device_id":"device-1","user_id":"user-1","event_type":"open","time":1700000000000},
 {"user_id":"ü-ser-1","event_type":"close"}]}`

const threeLines = `{"seq":1,"request":1,"insert_id":"i\u002d1","device_id":"device-1","user_id":null,"event_type":"open \"it\"","time":1.7e12,"duplicate":false}
{"seq":2,"request":1,"insert_id":"i-1","device_id":"device-1","user_id":"user-1","event_type":"open","time":1700000000000,"duplicate":true}
{"seq":3,"request":1,"insert_id":null,"device_id":null,"user_id":"ü-ser-1","event_type":"close","time":null,"duplicate":false}
`

func TestLedger(t *testing.T) {
	for _, where := range []string{"memory", "disk"} {
		t.Run(where, func(t *testing.T) {
			o := Options{}
			if where == "disk" {
				o.Data = filepath.Join(t.TempDir(), "new", "folder")
			}
			s := newServer(t, o)
			if got := ledgerOf(t, s); got != "" {
				t.Errorf("a new ledger holds %s", got)
			}
			if n := taken(t, s, threeEvents); n != 2 {
				t.Errorf("events_ingested %d", n)
			}
			if got := ledgerOf(t, s); got != threeLines {
				t.Errorf("ledger\n%s", got)
			}
			if where == "disk" {
				onDisk, err := os.ReadFile(filepath.Join(o.Data, "ledger.ndjson"))
				if err != nil || string(onDisk) != threeLines {
					t.Errorf("on disk %v\n%s", err, onDisk)
				}
			}
		})
	}
}

// TestMemoryLedgerSeals goes over several compressed pieces.
func TestMemoryLedgerSeals(t *testing.T) {
	s := newServer(t, Options{})
	for i := range 6 {
		taken(t, s, batch(simple(2000, fmt.Sprintf("user-%d", i))...))
	}
	if n := len(s.ledger.(*memoryLedger).sealed); n < 2 {
		t.Fatalf("%d pieces", n)
	}
	all := entries(t, ledgerOf(t, s))
	if len(all) != 12000 {
		t.Fatalf("%d lines", len(all))
	}
	for i, e := range all {
		if e.Seq != int64(i+1) || e.Request != int64(i/2000+1) || string(e.InsertID) != fmt.Sprintf(`"user-%d-%d"`, i/2000, i%2000) {
			t.Fatalf("line %d is %+v", i+1, e)
		}
	}
}

func reopen(t *testing.T, s *Server, o Options) *Server {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLedgerGoesOn(t *testing.T) {
	c := newClock()
	o := Options{Data: t.TempDir(), Now: c.now}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	taken(t, s, threeEvents)
	c.move(24 * time.Hour)
	taken(t, s, batch(simple(2, "user-1")...))
	before := s.Summary()
	s = reopen(t, s, o)
	if got := s.Summary(); got.Accepted != 5 || got.Duplicates != 1 || got.Accepted != before.Accepted || got.Requests != 0 {
		t.Errorf("summary %+v", got)
	}
	if n := taken(t, s, threeEvents); n != 1 { // only the one without insert_id
		t.Errorf("events_ingested %d", n)
	}
	all := entries(t, ledgerOf(t, s))
	if last := all[len(all)-1]; len(all) != 8 || last.Seq != 8 || last.Request != 3 {
		t.Errorf("%d lines, the last is %+v", len(all), last)
	}
	// The seven days count from when the events were received, not from the
	// restart.
	c.move(6 * 24 * time.Hour)
	s = reopen(t, s, o)
	if n := taken(t, s, threeEvents); n != 2 {
		t.Errorf("after seven days: events_ingested %d", n)
	}
	if n := taken(t, s, batch(simple(2, "user-1")...)); n != 0 {
		t.Errorf("after six days: events_ingested %d", n)
	}
	// Without the times, everything counts as received now.
	if err := os.Remove(filepath.Join(o.Data, receivedName)); err != nil {
		t.Fatal(err)
	}
	c.move(30 * 24 * time.Hour)
	s = reopen(t, s, o)
	if n := taken(t, s, batch(simple(2, "user-1")...)); n != 0 {
		t.Errorf("without times: events_ingested %d", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

// TestTornTail cuts ledger and times at every byte, as a killed process may
// leave them: the whole lines stay, what is sent again shows as duplicate.
func TestTornTail(t *testing.T) {
	t.Parallel()
	c := newClock()
	dir := t.TempDir()
	s, err := New(Options{Data: dir, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	taken(t, s, batch(simple(1, "user-1")...))
	c.move(time.Minute)
	taken(t, s, batch(simple(3, "user-2")...))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ledger, err := os.ReadFile(filepath.Join(dir, ledgerName))
	if err != nil {
		t.Fatal(err)
	}
	times, err := os.ReadFile(filepath.Join(dir, receivedName))
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(ledger, '\n') + 1
	for size := first; size <= len(ledger); size++ {
		o := Options{Data: t.TempDir(), Now: c.now, NoSync: true, fs: quickFS{durable.OS}}
		write := func(name string, text []byte) {
			if err := os.WriteFile(filepath.Join(o.Data, name), text, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		write(ledgerName, ledger[:size])
		write(receivedName, times[:min(size, len(times))])
		s, err := New(o)
		if err != nil {
			t.Fatalf("cut at %d: %v", size, err)
		}
		whole := bytes.Count(ledger[:size], []byte("\n"))
		if n := taken(t, s, batch(simple(3, "user-2")...)); n != 4-whole {
			t.Fatalf("cut at %d: events_ingested %d after %d whole lines", size, n, whole)
		}
		s = reopen(t, s, o)
		all := entries(t, ledgerOf(t, s))
		if len(all) != whole+3 || all[len(all)-1].Seq != int64(whole+3) {
			t.Fatalf("cut at %d: %d lines, the last is %+v", size, len(all), all[len(all)-1])
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedLedger(t *testing.T) {
	line := func(seq, request int) string {
		return fmt.Sprintf(`{"seq":%d,"request":%d,"insert_id":"a","device_id":null,"user_id":"user-1","event_type":"x","time":1,"duplicate":false}`+"\n", seq, request)
	}
	for name, text := range map[string]string{
		"not JSON":      line(1, 1) + "x\n",
		"gap":           line(1, 1) + line(3, 1),
		"starts late":   line(2, 1),
		"request":       line(1, 1) + line(2, 3),
		"request twice": line(1, 1) + line(2, 2) + line(3, 1),
		"no seq":        strings.Replace(line(1, 1), "seq", "set", 1),
		"seq of text":   strings.Replace(line(1, 1), ":1,", `:"1",`, 1),
		"empty line":    line(1, 1) + "\n" + line(2, 2),
		"id of number":  strings.Replace(line(1, 1), `"a"`, "1", 1),
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, ledgerName)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		s, err := New(Options{Data: dir})
		if err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		if !strings.Contains(err.Error(), path+" is damaged: line ") {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}
}

func TestOneSandboxAFolder(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t, Options{Data: dir})
	if _, err := New(Options{Data: dir}); err == nil || !strings.Contains(err.Error(), "used by another sandbox") {
		t.Errorf("a second one: %v", err)
	}
	taken(t, s, batch(good))
}

// TestConcurrent sends from many sides: the ledger has no gaps, each request
// stands together, and the answers add up.
func TestConcurrent(t *testing.T) {
	for _, where := range []string{"memory", "disk"} {
		t.Run(where, func(t *testing.T) {
			o := Options{}
			if where == "disk" {
				o.Data = t.TempDir()
			}
			s := newServer(t, o)
			const clients, requests, size = 8, 20, 7
			var wg sync.WaitGroup
			sums := make([]int, clients)
			for c := range clients {
				wg.Go(func() {
					for i := range requests {
						// Two clients each send the same events.
						sums[c] += taken(t, s, batch(simple(size, fmt.Sprintf("user-%d-%d", c/2, i))...))
					}
				})
			}
			wg.Wait()
			total := 0
			for _, n := range sums {
				total += n
			}
			all := entries(t, ledgerOf(t, s))
			if len(all) != clients*requests*size || total != len(all)/2 {
				t.Fatalf("%d lines, %d taken", len(all), total)
			}
			duplicates := 0
			for i, e := range all {
				if e.Seq != int64(i+1) || e.Request != int64(i/size+1) {
					t.Fatalf("line %d is %+v", i+1, e)
				}
				if e.Duplicate {
					duplicates++
				}
			}
			sum := s.Summary()
			if duplicates != total || sum.Duplicates != int64(duplicates) || sum.Requests != clients*requests || sum.ByAnswer["200"] != sum.Requests {
				t.Errorf("%d duplicates, summary %+v", duplicates, sum)
			}
		})
	}
}

// failFS lets a number of operations on files pass and fails all later ones.
type failFS struct {
	durable.FS
	mu   sync.Mutex
	left int
}

var errDisk = errors.New("disk is gone")

func (f *failFS) use() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		return errDisk
	}
	return nil
}

func (f *failFS) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	if err := f.use(); err != nil {
		return nil, err
	}
	h, err := f.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return &failHandle{h, f}, nil
}

func (f *failFS) MkdirAll(path string, perm os.FileMode) error {
	if err := f.use(); err != nil {
		return err
	}
	return f.FS.MkdirAll(path, perm)
}

func (f *failFS) SyncDir(path string) error {
	if err := f.use(); err != nil {
		return err
	}
	return f.FS.SyncDir(path)
}

type failHandle struct {
	durable.Handle
	fs *failFS
}

func (h *failHandle) Read(p []byte) (int, error) {
	if err := h.fs.use(); err != nil {
		return 0, err
	}
	return h.Handle.Read(p)
}

// Write writes half of what it was given before it fails.
func (h *failHandle) Write(p []byte) (int, error) {
	if err := h.fs.use(); err != nil {
		n, _ := h.Handle.Write(p[:len(p)/2])
		return n, err
	}
	return h.Handle.Write(p)
}

func (h *failHandle) Sync() error {
	if err := h.fs.use(); err != nil {
		return err
	}
	return h.Handle.Sync()
}

// TestDiskFails fails each operation in turn: what was answered with 200 is
// in the ledger at the next start, and after a failure nothing is accepted.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	c := newClock()
	for ops := 0; ; ops++ {
		dir := t.TempDir()
		fsys := &failFS{FS: quickFS{durable.OS}, left: ops}
		answered := 0
		s, err := New(Options{Data: dir, Now: c.now, fs: fsys})
		if err != nil && !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		failed := err != nil
		if err == nil {
			for i := range 3 {
				code, _ := post(s, "/batch", batch(simple(4, fmt.Sprintf("user-%d", i))...))
				switch {
				case code == http.StatusOK && !failed:
					answered += 4
				case code == http.StatusInternalServerError:
					failed = true
					if code, _ := post(s, "/healthz", ""); code == http.StatusOK {
						t.Error("healthy")
					}
				default:
					t.Fatalf("%d operations, request %d: %d", ops, i, code)
				}
			}
			if err := s.Close(); (err != nil) != failed {
				t.Errorf("%d operations: close: %v", ops, err)
			}
			if code, _ := post(s, "/batch", batch(good)); code != http.StatusServiceUnavailable {
				t.Errorf("after close: %d", code)
			}
		}
		s = newServer(t, Options{Data: dir, Now: c.now, fs: quickFS{durable.OS}})
		all := entries(t, ledgerOf(t, s))
		if len(all) < answered {
			t.Fatalf("%d operations: %d events of %d are left", ops, len(all), answered)
		}
		for i := range 3 {
			taken(t, s, batch(simple(4, fmt.Sprintf("user-%d", i))...))
		}
		kept := 0
		for _, e := range entries(t, ledgerOf(t, s)) {
			if !e.Duplicate {
				kept++
			}
		}
		if kept != 12 {
			t.Fatalf("%d operations: %d events taken in the end", ops, kept)
		}
		if !failed {
			return
		}
	}
}
