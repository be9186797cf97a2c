package generate

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var plainKeys = strings.Fields(`server_received_time app device_carrier $schema city user_id uuid event_time platform
	os_version amplitude_id processed_time user_creation_time version_name ip_address paying dma group_properties
	user_properties client_upload_time $insert_id event_type library amplitude_attribution_ids device_type
	device_manufacturer start_version location_lng server_upload_time event_id location_lat os_name amplitude_event_type
	device_brand groups event_properties data device_id language device_model country region is_attribution_event adid
	session_id device_family sample_rate idfa client_event_time`)

type exported struct {
	UserID          *string        `json:"user_id"`
	DeviceID        *string        `json:"device_id"`
	InsertID        *string        `json:"$insert_id"`
	UUID            string         `json:"uuid"`
	EventType       string         `json:"event_type"`
	EventID         int            `json:"event_id"`
	SessionID       int64          `json:"session_id"`
	Platform        string         `json:"platform"`
	EventTime       string         `json:"event_time"`
	ClientEventTime string         `json:"client_event_time"`
	ClientUpload    string         `json:"client_upload_time"`
	ServerReceived  string         `json:"server_received_time"`
	ServerUpload    string         `json:"server_upload_time"`
	Created         string         `json:"user_creation_time"`
	AmplitudeID     int64          `json:"amplitude_id"`
	EventProperties map[string]any `json:"event_properties"`
	UserProperties  map[string]any `json:"user_properties"`
	Groups          map[string]any `json:"groups"`
	GroupProperties map[string]any `json:"group_properties"`
}

func TestLines(t *testing.T) {
	o := small(filepath.Join(t.TempDir(), "out.zip"))
	o.Events = 2200
	s := run(t, o)
	names, lines := readZip(t, o.Output)

	var (
		n, anonymous, identify, known int
		longest, size                 int
		shapes                        = map[int]int{}
		users                         = map[string]map[string]bool{} // by device
		devices                       = map[string]map[string]bool{} // by user
		insertIDs, uuids              = map[string]bool{}, map[string]bool{}
		all                           strings.Builder
		late                          int
		wasAnonymous, loggedIn        = map[string]bool{}, map[string]bool{} // by device
		snapshots                     = map[int64]map[string]bool{}
	)
	at := func(s string) time.Time {
		v, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	add := func(m map[string]map[string]bool, k, v string) {
		if m[k] == nil {
			m[k] = map[string]bool{}
		}
		m[k][v] = true
	}
	for _, name := range names {
		for _, l := range lines[name] {
			n++
			size += len(l) + 1
			longest = max(longest, len(l))
			all.WriteString(l)
			if !utf8.ValidString(l) {
				t.Fatalf("not UTF-8: %s", l)
			}
			var keys map[string]json.RawMessage
			if err := json.Unmarshal([]byte(l), &keys); err != nil {
				t.Fatalf("%v: %s", err, l)
			}
			shapes[len(keys)]++
			for _, k := range plainKeys {
				if _, ok := keys[k]; !ok {
					t.Fatalf("no %s: %s", k, l)
				}
			}
			for _, k := range []string{"plan", "data_type", "global_user_properties", "partner_id", "source_id"} {
				if _, ok := keys[k]; ok != (len(keys) == 55) {
					t.Fatalf("%d keys and %s: %s", len(keys), k, l)
				}
			}
			var e exported
			if err := json.Unmarshal([]byte(l), &e); err != nil {
				t.Fatal(err)
			}
			upload := at(e.ServerUpload)
			if hour := "_" + hourName(upload.Truncate(time.Hour)) + "#"; !strings.Contains(name, hour) {
				t.Fatalf("in %s: %s", name, e.ServerUpload)
			}
			correction := at(e.EventTime).Sub(at(e.ClientEventTime))
			skew := at(e.ServerReceived).Sub(at(e.ClientUpload))
			if want := skew; skew.Abs() <= time.Minute && correction != 0 || skew.Abs() > time.Minute && correction != want {
				t.Fatalf("event time corrected by %s, clock off by %s: %s", correction, want, l)
			}
			if e.ServerUpload <= e.ServerReceived || at(e.EventTime).After(upload.Add(time.Minute)) || e.Created > e.ServerUpload {
				t.Fatalf("times out of order: %s", l)
			}
			if upload.Sub(at(e.EventTime)) > 10*time.Hour {
				late++
			}
			if uuids[e.UUID] {
				t.Fatalf("uuid twice: %s", l)
			}
			uuids[e.UUID] = true
			if e.InsertID != nil {
				if insertIDs[*e.InsertID] {
					t.Fatalf("insert id twice: %s", l)
				}
				insertIDs[*e.InsertID] = true
			}
			if e.UserID == nil && e.DeviceID == nil {
				t.Fatalf("nobody: %s", l)
			}
			for _, id := range []*string{e.UserID, e.DeviceID} {
				if id != nil && utf8.RuneCountInString(*id) < 5 {
					t.Fatalf("short id: %s", l)
				}
			}
			if e.UserID == nil {
				anonymous++
				wasAnonymous[*e.DeviceID] = true
			} else if e.DeviceID != nil {
				known++
				add(users, *e.DeviceID, *e.UserID)
				add(devices, *e.UserID, *e.DeviceID)
				loggedIn[*e.DeviceID] = true
			}
			switch e.EventType {
			case "$identify":
				identify++
				for k := range e.UserProperties {
					if k[0] != '$' {
						t.Fatalf("not an operation, %q: %s", k, l)
					}
				}
			case "$groupidentify":
				if len(e.Groups) == 0 || len(e.GroupProperties) == 0 {
					t.Fatalf("no group: %s", l)
				}
			default:
				if len(e.UserProperties) > 0 {
					if snapshots[e.AmplitudeID] == nil {
						snapshots[e.AmplitudeID] = map[string]bool{}
					}
					snapshots[e.AmplitudeID][string(keys["user_properties"])] = true
				}
			}
		}
	}

	if n != o.Events || int64(anonymous) != s.Anonymous || int64(identify) != s.Identify {
		t.Errorf("%d lines, %d anonymous, %d $identify, summary %+v", n, anonymous, identify, s)
	}
	if mean := size / n; mean < 1800 || mean > 2200 {
		t.Errorf("mean line %d bytes", mean)
	}
	if longest > 20_000 {
		t.Errorf("longest line %d bytes", longest)
	}
	if len(shapes) != 3 || shapes[55] < n/2 || shapes[49] < n/4 || shapes[57] < n/50 {
		t.Errorf("keys: %v", shapes)
	}
	if late == 0 || late > n/10 {
		t.Errorf("%d late lines", late)
	}
	if identify < n/100 || identify > n/30 {
		t.Errorf("%d $identify lines", identify)
	}
	if got := len(users["kiosk-00000001"]); got < 15 || got > 30 {
		t.Errorf("%d users of the kiosk", got)
	}
	if got := len(users["shared-tablet-0001"]); got != 3 {
		t.Errorf("%d users of the tablet", got)
	}
	var several, logins, evolving int
	for _, ds := range devices {
		if len(ds) > 1 {
			several++
		}
	}
	for d := range wasAnonymous {
		if loggedIn[d] && len(users[d]) == 1 {
			logins++
		}
	}
	for _, ss := range snapshots {
		if len(ss) > 1 {
			evolving++
		}
	}
	if several < 10 || logins < 10 || evolving < 10 {
		t.Errorf("%d users with several devices, %d logins, %d changing snapshots", several, logins, evolving)
	}
	for _, want := range []string{
		`\u00e9`, `\/`, `\n`, `\ud83d`, `🚀`, `東京`, `Größe`, `9007199254740993`, `18446744073709551615`, `"EMPTY"`,
		`"session_id":-1,`, `"Unknown"`, `"device_carrier":"--"`, `"device_carrier":null`, `"$revenue":`, `"$append":`,
		`"$setOnce":`, `"$add":`, `"$unset":`, `"$set":`, `"session_start"`, `"session_end"`, `"$insert_id":"[backend] order `,
		`"$insert_id":"kiosk-00000001:`, `"$insert_id":null`, `"device_id":null`, `"groups":{"org id":[`, `"paying":"true"`,
		`"amplitude_attribution_ids":["`, `"adid":""`, `"plan":{"branch":"main"`, `:[]`, `:""`,
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %s in the text", want)
		}
	}
}

// On a device the counter goes up with time, whenever the lines arrive.
func TestTimelines(t *testing.T) {
	o := small("x")
	o.Days, o.Users, o.LateEvents, o.Start = 2, 60, 0.2, o.Start.Add(5*time.Hour)
	p, err := newPlan(t.Context(), o.complete())
	if err != nil {
		t.Fatal(err)
	}
	last := map[[2]int]event{}
	n := 0
	err = p.walkAll(t.Context(), func(e event) {
		n++
		key := [2]int{int(e.actor), int(e.device)}
		before, ok := last[key]
		if ok && (e.at < before.at || e.eventID != before.eventID+1 || e.sequence <= before.sequence || e.session < before.session) {
			t.Fatalf("%+v after %+v", e, before)
		}
		if e.at < p.start || e.upload <= e.at || e.upload >= p.end {
			t.Fatalf("outside of the export: %+v", e)
		}
		if before.marks&markKnown != 0 && e.marks&markKnown == 0 && e.device != shared {
			t.Fatalf("logged out: %+v", e)
		}
		last[key] = e
	}, nil)
	if err != nil || n != o.Events {
		t.Errorf("%d events, %v", n, err)
	}
}

func TestClock(t *testing.T) {
	p := &plan{firstHour: 7}
	for _, w := range spread {
		p.dayWeight += w
	}
	for _, zone := range []int{-8, 0, 9} {
		last := int64(-1)
		for a := int64(0); a <= 2*day; a += 17*second + 123 {
			now := p.clock(a, zone)
			if now < last || now/day != a/day {
				t.Fatalf("zone %d: %d after %d", zone, now, last)
			}
			last = now
		}
		for d := range int64(3) {
			if got := p.clock(d*day, zone); got != d*day {
				t.Errorf("zone %d, day %d: %d", zone, d, got)
			}
		}
	}
}

func TestPartsDoNotChangeTheOrder(t *testing.T) {
	o := small("x")
	o.Events, o.Duplicates = 3000, 0.1
	p, err := newPlan(t.Context(), o.complete())
	if err != nil {
		t.Fatal(err)
	}
	collect := func(limit int) (first []event, repeated int) {
		numbers := map[int]int{}
		for part := range p.parts(t.Context(), limit) {
			if len(part.events) == 0 || len(part.events) > limit || part.number != numbers[part.hour] {
				t.Fatalf("hour %d, number %d: %d events", part.hour, part.number, len(part.events))
			}
			numbers[part.hour]++
			if part.repeat {
				repeated += len(part.events)
				continue
			}
			first = append(first, part.events...)
		}
		return first, repeated
	}
	one, n := collect(1 << 30)
	other, m := collect(7)
	if len(one) != o.Events || n == 0 || n != m || !slices.Equal(one, other) {
		t.Errorf("%d events and %d repeated, %d and %d", len(one), n, len(other), m)
	}
}

func TestUserIDsAreDistinct(t *testing.T) {
	p, err := newPlan(t.Context(), small("x").complete())
	if err != nil {
		t.Fatal(err)
	}
	seen, ids := map[string]bool{}, map[int64]bool{}
	for i := range uint32(20_000) {
		id := p.person(i).userID
		if seen[id] || seen[letters(i)] {
			t.Fatalf("%s twice", id)
		}
		seen[id], seen[letters(i)] = true, true
		for d := range uint8(maxDevices) {
			n := amplitudeID(i, d)
			if ids[n] || n < 1e11 || n >= 1e12 {
				t.Fatalf("amplitude id %d", n)
			}
			ids[n] = true
		}
	}
}

func parseMicros(t *testing.T, s string) int64 {
	t.Helper()
	v, err := time.Parse(time.DateTime, s)
	if err != nil {
		t.Fatal(err)
	}
	return v.UnixMicro()
}

func TestAppendDecimal(t *testing.T) {
	for n, want := range map[int]string{0: "0.0", 5: "0.05", 50: "0.5", 1234: "12.34", -7: "-0.07", -1200: "-12.0"} {
		if got := string(appendDecimal(nil, n, 2)); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
