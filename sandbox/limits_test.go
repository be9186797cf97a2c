package sandbox

import (
	"fmt"
	"testing"
	"time"
)

func TestThrottle(t *testing.T) {
	c := newClock()
	s := newServer(t, Options{Throttle: 2, Now: c.now}) // 60 events in 30 s
	ev := func(user, device string, i int) string {
		return fmt.Sprintf(`{"user_id":%s,"device_id":%s,"event_type":"open","insert_id":"%d"}`, user, device, i)
	}
	events := func(n int) (all []string) {
		for i := range n {
			all = append(all, ev(`"user-1"`, "null", i))
		}
		return all
	}
	taken(t, s, batch(events(40)...))
	c.move(10 * time.Second)
	taken(t, s, batch(events(20)...)) // exactly the limit
	refused := `{"code":429,"error":"Too many requests for some devices and users","eps_threshold":2,"throttled_devices":{},` +
		`"throttled_users":{"user-1":3},"exceeded_daily_quota_devices":{},"exceeded_daily_quota_users":{},"throttled_events":[1]}`
	mixed := batch(ev(`"user-2"`, `"device-2"`, 1), ev(`"user-1"`, `"device-2"`, 2))
	want(t, s, "/batch", mixed, 429, refused)
	want(t, s, "/batch", mixed, 429, refused)

	// Validation comes first.
	code, _ := post(s, "/batch", batch(ev(`"user-1"`, "null", 1), `{}`))
	if code != 400 {
		t.Errorf("a throttled request with a bad event: %d", code)
	}
	// Nothing was taken, nor counted for the others.
	if n := s.Summary().Accepted; n != 60 {
		t.Errorf("%d accepted", n)
	}
	c.move(19 * time.Second)
	want(t, s, "/batch", mixed, 429, refused)
	c.move(time.Second) // the first 40 leave the window
	if n := taken(t, s, mixed); n != 2 {
		t.Errorf("events_ingested %d", n)
	}
	if code, text := post(s, "/batch", batch(events(40)...)); code != 429 {
		t.Errorf("%d %s", code, text)
	}
	// Devices have their own count; an idle id is never refused, else a large
	// request could never be sent.
	var many []string
	for i := range 100 {
		many = append(many, ev("null", `"device-3"`, i))
	}
	taken(t, s, batch(many...))
	want(t, s, "/batch", batch(many[0]), 429, `{"code":429,"error":"Too many requests for some devices and users","eps_threshold":2,`+
		`"throttled_devices":{"device-3":4},"throttled_users":{},"exceeded_daily_quota_devices":{},"exceeded_daily_quota_users":{},"throttled_events":[0]}`)
}

func TestDailyQuota(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	o := Options{Data: dir, DailyQuota: 10, Now: c.now}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	taken(t, s, batch(simple(6, "user-1")...))
	c.move(12 * time.Hour)
	taken(t, s, batch(simple(4, "user-1")...))
	one := batch(simple(1, "user-1")...)
	refused := `{"code":429,"error":"Too many requests for some devices and users","eps_threshold":1000,"throttled_devices":{},"throttled_users":{},` +
		`"exceeded_daily_quota_devices":{},"exceeded_daily_quota_users":{"user-1":11},"throttled_events":[0]}`
	want(t, s, "/batch", one, 429, refused)
	taken(t, s, batch(simple(1, "user-2")...))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = newServer(t, o) // the ledger remembers
	want(t, s, "/batch", one, 429, refused)
	c.move(11 * time.Hour)
	want(t, s, "/batch", one, 429, refused)
	c.move(time.Hour)
	taken(t, s, batch(simple(6, "user-1")...))
	want(t, s, "/batch", one, 429, refused)
}

func TestWindow(t *testing.T) {
	w := &window{seconds: 1, steps: 3, limit: 10}
	ask := func(now int64, n, total int, over bool) {
		t.Helper()
		if gotTotal, gotOver := w.exceeded("a", n, now); gotTotal != total || gotOver != over {
			t.Errorf("at %d: %d %v", now, gotTotal, gotOver)
		}
	}
	ask(100, 50, 50, false)
	w.add("a", 4, 100)
	w.add("a", 4, 101)
	ask(101, 2, 10, false)
	ask(101, 3, 11, true)
	ask(102, 3, 11, true)
	ask(103, 3, 7, false)
	w.add("a", 6, 103)
	ask(103, 1, 11, true)
	ask(104, 1, 7, false)
	ask(200, 50, 50, false)
	for i := range int64(1000) {
		w.add(fmt.Sprint(i), 1, 1000+i)
	}
	if n := len(w.recent) + len(w.older); n > 6 {
		t.Errorf("%d ids are kept", n)
	}
	if off := newThrottle(0); off.limit != 0 || newThrottle(0.01).limit != 1 || newThrottle(1e300).limit <= 0 {
		t.Error("limits")
	}
}
