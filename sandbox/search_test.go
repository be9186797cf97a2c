package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSearch finds people and pages through their events, those from before a
// merge included.
func TestSearch(t *testing.T) {
	c := newClock()
	s := newServer(t, Options{Events: true, Now: c.now})
	send := func(event string) { taken(t, s, batch(event)); c.move(time.Second) }
	send(`{"user_id":"alice@example","device_id":"phone-1","event_type":"A","user_properties":{"plan":"<b>"}}`)
	send(`{"device_id":"laptop-1","event_type":"B"}`)
	send(`{"user_id":"bob@example","event_type":"C"}`)
	send(`{"user_id":"alice@example","device_id":"laptop-1","event_type":"D"}`)
	send(`{"user_id":"alice@example","event_type":"E"}`)
	find := func(q string) (ids []int64) {
		var a struct{ People []personLabel }
		if err := json.Unmarshal(do(s, "GET", "/debug/people?q="+url.QueryEscape(q), "").Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		for _, p := range a.People {
			ids = append(ids, p.ID-100_000_000_000)
		}
		return ids
	}
	for q, want := range map[string][]int64{"alice@example": {1}, "phone-1": {1}, "laptop-1": {1}, "laptop": {1}, "100000000002": {1}, "example": {3, 1}, "nobody": nil, "": nil, "bob": {3}} {
		if got := find(q); !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", q, got, want)
		}
	}
	type answer struct {
		Person person
		Events []shownEvent
		Next   []int64
	}
	look := func(query string) (a answer, types string) {
		if err := json.Unmarshal(do(s, "GET", "/debug/events?"+query, "").Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		for _, e := range a.Events {
			var row struct {
				Type string `json:"event_type"`
			}
			if err := json.Unmarshal(e.Row, &row); err != nil {
				t.Fatal(err)
			}
			types += row.Type
		}
		return a, types
	}
	a, types := look("amplitude_id=100000000002") // merged into alice
	if types != "EDBA" || a.Person.User != "alice@example" || a.Person.Events != 4 || string(a.Person.Properties) != `{"plan":"\u003cb\u003e"}` ||
		!slices.Equal(a.Person.DeviceIDs, []string{"phone-1", "laptop-1"}) || !slices.Equal(a.Person.Merged, []int64{100_000_000_002}) || len(a.Next) != 0 {
		t.Errorf("%s of %+v", types, a)
	}
	a, types = look("amplitude_id=100000000001&limit=2")
	if types != "ED" || len(a.Next) != 2 {
		t.Errorf("the first two: %s, next %v", types, a.Next)
	}
	if a, types = look(fmt.Sprintf("amplitude_id=100000000001&limit=2&next=%d,%d", a.Next[0], a.Next[1])); types != "BA" || len(a.Next) != 0 {
		t.Errorf("the next two: %s, next %v", types, a.Next)
	}
	for query, code := range map[string]int{"amplitude_id=x": 400, "amplitude_id=1": 404} {
		if w := do(s, "GET", "/debug/events?"+query, ""); w.Code != code {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
}

func TestStatsAndMetrics(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	o := Options{Events: true, Now: c.now, Data: dir, TimeScale: 2}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	var events []string
	for i := range 10 {
		for range 10 - i {
			events = append(events, fmt.Sprintf(`{"user_id":"user-1","event_type":"type-%d","time":%d}`, i, 86_400_000*int64(19000+i%2)))
		}
	}
	taken(t, s, batch(events...))
	taken(t, s, batch(simple(1, "user-2")...))
	taken(t, s, batch(simple(1, "user-2")...)) // a duplicate
	post(s, "/2/httpapi", batch())
	c.move(2 * time.Second)
	read := func() (st stats) {
		if err := json.Unmarshal(do(s, "GET", "/debug/stats", "").Body.Bytes(), &st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	st := read()
	if st.Totals.Accepted != 57 || st.Totals.Duplicates != 1 || st.Totals.Types != 11 || st.Totals.People != 2 || st.Rate != 56/5. || st.Peak != 56 || st.Answers["200"] != 3 || st.Answers["400"] != 1 ||
		st.Uptime != 2 || st.Now != 1_700_000_004_000 || !st.Events || len(st.Newest) != 2 {
		t.Errorf("%+v", st)
	}
	if n := len(st.Live.Series); n != 8 || st.Live.Series[0].Name != "type-0" || st.Live.Series[7].Name != "all others" || st.Live.Series[7].Total != 3+2+1+1 ||
		len(st.Live.X) != chartSeconds || st.Live.Series[0].Values[chartSeconds-2] != 10 {
		t.Errorf("live %+v", st.Live.Series)
	}
	days := st.Days
	if len(days.X) != 19675-19000+1-0 && len(days.X) != chartDays {
		t.Errorf("%d days", len(days.X))
	}
	s = reopen(t, s, o)
	if got := read().Days; !slices.EqualFunc(got.Series, days.Series, func(a, b series) bool {
		return a.Name == b.Name && a.Total == b.Total && slices.Equal(a.Values, b.Values)
	}) {
		t.Error("the days are others after a restart")
	}
	post(s, "/2/httpapi", batch())
	text := do(s, "GET", "/metrics", "").Body.String()
	got := map[string]float64{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if value == "" {
			name, value, _ = strings.Cut(strings.TrimSpace(line), " ")
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Errorf("%q: %v", line, err)
		}
		got[strings.TrimPrefix(name, "export2batch_sandbox_")] = n
	}
	for name, want := range map[string]float64{"events_accepted_total": 57, "events_duplicate_total": 1, `requests_total{path="/2/httpapi",answer="400"`: 1,
		"people": 2, "users": 2, "devices": 0, "event_types": 11, "names_beyond_total": 0} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%s is %v (%v), want %v; there are %v", name, n, ok, want, slices.Sorted(maps.Keys(got)))
		}
	}
	if got["stored_bytes"] == 0 || got["stored_line_bytes_total"] < 56*100 {
		t.Errorf("stored %v of %v", got["stored_bytes"], got["stored_line_bytes_total"])
	}
}

// TestCatalog goes over the project's limits: everything is still taken.
func TestCatalog(t *testing.T) {
	t.Parallel()
	s := newServer(t, Options{Events: true})
	for k := range 3 {
		var events []string
		for i := range 1000 {
			n := 1000*k + i
			events = append(events, fmt.Sprintf(`{"user_id":"user-1","event_type":"type-%d","event_properties":{"e-%d":1},"user_properties":{"u-%d":1},"$skip_user_properties_sync":true}`, n, n, n))
		}
		taken(t, s, batch(events...))
	}
	got := s.totals()
	if got.Types != maxEventTypes+1 || got.EventProperties != maxEventProperties || got.UserProperties != maxUserProperties || got.Beyond != 1000+1000+2000 {
		t.Errorf("%+v", got)
	}
	if _, all := rows(t, s); len(all) != 3000 {
		t.Errorf("%d rows", len(all))
	}
}
