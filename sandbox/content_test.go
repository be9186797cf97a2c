package sandbox

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"export2batch/internal/durable"
	"export2batch/internal/durable/faultfs"
)

// story sends requests of many kinds; each is one that can be sent twice.
func story(c *clock, n int) string {
	c.move(time.Minute)
	user, device := fmt.Sprintf("user-%d", n%3), fmt.Sprintf("device-%d", n%5)
	return batch(
		fmt.Sprintf(`{"device_id":%q,"event_type":"open","insert_id":"a-%d","user_properties":{"n":%d}}`, device, n, n),
		fmt.Sprintf(`{"user_id":%q,"device_id":%q,"event_type":"use","insert_id":"b-%d","groups":{"org":"o"},"user_properties":{"m":%d}}`, user, device, n, n),
		fmt.Sprintf("{\"user_id\":%q,\n\"event_type\":\"$identify\",\"insert_id\":\"c-%d\",\"user_properties\":{\"$append\":{\"l\":%d}}}", user, n, n),
		fmt.Sprintf(`{"user_id":%q,"event_type":"$groupidentify","insert_id":"d-%d","groups":{"org":"o"},"group_properties":{"$add":{"n":1}}}`, user, n))
}

// TestContentDiskFails fails each operation in turn. What was answered with
// 200 can be exported at the next start, and what is sent again then gives the
// same export as if nothing had happened.
func TestContentDiskFails(t *testing.T) {
	t.Parallel()
	const requests = 4
	clean := newServer(t, Options{Events: true, Now: newClock().now})
	script := newClock()
	var bodies []string
	for n := range requests {
		bodies = append(bodies, story(script, n))
		taken(t, clean, bodies[n])
	}
	_, want := rows(t, clean)
	for ops := 0; ; ops++ {
		dir := t.TempDir()
		fsys := &failFS{FS: quickFS{durable.OS}, left: ops}
		answered := 0
		s, err := New(Options{Data: dir, Events: true, Now: newClock().now, fs: fsys})
		if err == nil {
			for n := range requests {
				if code, _ := post(s, "/batch", bodies[n]); code == http.StatusOK {
					answered++
				}
			}
			err = s.Close()
		}
		s = newServer(t, Options{Data: dir, Events: true, Now: newClock().now, fs: quickFS{durable.OS}})
		if _, got := rows(t, s); len(got) < 4*answered {
			t.Fatalf("%d operations: %d rows of %d answered requests", ops, len(got), answered)
		}
		for n := range requests {
			taken(t, s, bodies[n])
		}
		_, got := rows(t, s)
		for _, key := range []string{"$insert_id", "amplitude_id", "user_properties", "group_properties"} {
			wantList(t, fmt.Sprintf("%d operations: %s", ops, key), shows(got, key), shows(want, key)...)
		}
		if t.Failed() {
			return
		}
		if err == nil {
			return
		}
	}
}

// TestContentPowerLoss kills the sandbox at each operation and takes away what
// was not synced: what was answered with 200 is there.
func TestContentPowerLoss(t *testing.T) {
	t.Parallel()
	script := newClock()
	bodies := []string{story(script, 0), story(script, 1), story(script, 2)}
	for n := 1; ; n++ {
		dir := t.TempDir()
		fsys, err := faultfs.New(dir)
		if err != nil {
			t.Fatal(err)
		}
		fsys.DieAt(n)
		answered := 0
		s, err := New(Options{Data: dir, Events: true, Now: newClock().now, fs: fsys})
		if err == nil {
			for _, b := range bodies {
				if code, _ := post(s, "/batch", b); code == http.StatusOK {
					answered++
				}
			}
			err = s.Close()
		}
		if !fsys.Failed() {
			if err != nil || answered != len(bodies) {
				t.Fatalf("without a fault: %d answered, %v", answered, err)
			}
			return
		}
		if err := fsys.Crash(); err != nil {
			t.Fatal(err)
		}
		s = newServer(t, Options{Data: dir, Events: true, Now: newClock().now, fs: quickFS{durable.OS}})
		_, all := rows(t, s)
		if len(all) < 4*answered || len(entries(t, ledgerOf(t, s))) < 4*answered {
			t.Fatalf("killed at operation %d: %d rows of %d answered requests", n, len(all), answered)
		}
		for _, b := range bodies {
			taken(t, s, b)
		}
		if _, all := rows(t, s); len(all) != 4*len(bodies) {
			t.Fatalf("killed at operation %d: %d rows in the end", n, len(all))
		}
	}
}

// TestContentTorn cuts the files as a killed process may leave them: the
// ledger at every line, and what the events hold as far or further.
func TestContentTorn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := New(Options{Data: dir, Events: true, Now: newClock().now})
	if err != nil {
		t.Fatal(err)
	}
	c := newClock()
	bodies := []string{story(c, 0), story(c, 1), story(c, 2)}
	for _, b := range bodies {
		taken(t, s, b)
	}
	_, want := rows(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range []string{ledgerName, receivedName, contentName} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for size := 0; size <= len(files[ledgerName]); size += 89 {
		o := Options{Data: t.TempDir(), Events: true, Now: newClock().now, fs: quickFS{durable.OS}}
		for name, data := range files {
			if name == ledgerName {
				data = data[:size]
			}
			if err := os.WriteFile(filepath.Join(o.Data, name), data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		s, err := New(o)
		if err != nil {
			t.Fatalf("cut at %d: %v", size, err)
		}
		for range 2 {
			for _, b := range bodies {
				taken(t, s, b)
			}
			_, got := rows(t, s)
			for _, key := range []string{"$insert_id", "amplitude_id", "user_properties", "group_properties"} {
				wantList(t, fmt.Sprintf("cut at %d: %s", size, key), shows(got, key), shows(want, key)...)
			}
			if t.Failed() {
				return
			}
			s = reopen(t, s, o)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// The ledger cannot be longer than what the events hold says.
	o := Options{Data: t.TempDir(), Events: true, Now: newClock().now}
	for name, data := range files {
		if name == contentName {
			data = data[:len(data)-3]
		}
		if err := os.WriteFile(filepath.Join(o.Data, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := New(o); err == nil {
		s.Close()
		t.Error("a lost end is not noticed")
	}
}

// TestContentConcurrent sends from many sides while others look.
func TestContentConcurrent(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"memory", "disk"} {
		t.Run(where, func(t *testing.T) {
			o := Options{Events: true}
			if where == "disk" {
				o.Data = t.TempDir()
			}
			s := newServer(t, o)
			const clients, requests, size = 6, 10, 20
			var wg sync.WaitGroup
			for c := range clients {
				wg.Go(func() {
					for i := range requests {
						taken(t, s, batch(simple(size, fmt.Sprintf("user-%d-%d", c, i))...))
						for _, path := range []string{"/debug/stats", "/debug/people?q=user", "/debug/events?amplitude_id=100000000001", "/metrics"} {
							if w := do(s, "GET", path, ""); w.Code != 200 {
								t.Errorf("%s: %d %s", path, w.Code, w.Body)
							}
						}
					}
				})
			}
			wg.Wait()
			_, all := rows(t, s)
			if len(all) != clients*requests*size {
				t.Errorf("%d rows", len(all))
			}
		})
	}
}
