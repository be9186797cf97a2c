package sandbox

import (
	archive "archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// rows exports everything that the sandbox has within a day of the clock's
// start, and returns the rows by entry.
func rows(t testing.TB, s http.Handler) (names []string, all []map[string]any) {
	t.Helper()
	return rowsOf(t, s, "20231114T00", "20231121T23")
}

func rowsOf(t testing.TB, s http.Handler, start, end string) (names []string, all []map[string]any) {
	t.Helper()
	w := do(s, "GET", "/api/2/export?start="+start+"&end="+end, "", "Authorization", "Basic a2V5OnNlY3JldA==")
	if w.Code == http.StatusNotFound {
		return nil, nil
	}
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/zip" {
		t.Fatalf("export: %d %s", w.Code, w.Body)
	}
	z, err := archive.NewReader(bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if f.Method != archive.Store || f.Flags&8 == 0 {
			t.Errorf("%s: method %d, flags %x", f.Name, f.Method, f.Flags)
		}
		names = append(names, f.Name)
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		zr, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(zr)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var row map[string]any
			d := json.NewDecoder(strings.NewReader(line))
			d.UseNumber()
			if err := d.Decode(&row); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			all = append(all, row)
		}
	}
	return names, all
}

func js(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// shows lists what rows have under a key.
func shows(rows []map[string]any, key string) (all []string) {
	for _, r := range rows {
		all = append(all, js(r[key]))
	}
	return all
}

func wantList(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRow sends an event with everything and reads it back from the export.
func TestRow(t *testing.T) {
	s := newServer(t, Options{Events: true})
	long := strings.Repeat("x", 1030)
	taken(t, s, `{"api_key":"key","events":[{
		"user_id":"user-1","device_id":"device-1","event_type":"Buy \u0041","time":1699999999123,"insert_id":"i:1 [a]","event_id":17,"session_id":1699999990000,
		"event_properties":{"a":1.50,"nested":{"b":[1]},"long":"`+long+`"},"user_properties":{"u":"v"},"groups":{"org":["acme"],"team":"red"},
		"app_version":"1.2","platform":"iOS","os_name":"ios","os_version":"17","device_brand":"Apple","device_manufacturer":"Apple","device_model":"iPhone","carrier":"Unknown",
		"country":"Germany","region":"Berlin","city":"Berlin","dma":"D","language":"German","price":9.99,"quantity":2,"revenue":19.98,"productId":"sku","revenueType":"sale","currency":"EUR",
		"location_lat":52.5,"location_lng":13.4,"ip":"203.0.113.7","idfa":"F","adid":"A","library":"test/1","partner_id":"p","plan":{"branch":"main"},"$skip_user_properties_sync":true,
		"nonsense":1}]}`)
	_, all := rows(t, s)
	if len(all) != 1 {
		t.Fatalf("%d rows", len(all))
	}
	row := all[0]
	if uuid := row["uuid"].(string); len(uuid) != 36 || uuid[14] != '4' {
		t.Errorf("uuid %s", uuid)
	}
	delete(row, "uuid")
	want := `{"$insert_id":"i:1 [a]","$insert_key":null,"$schema":13,"adid":"A","amplitude_attribution_ids":null,"amplitude_event_type":null,"amplitude_id":100000000001,` +
		`"app":100001,"city":"Berlin","client_event_time":"2023-11-14 22:13:19.123000","client_upload_time":"2023-11-14 22:13:20.000000","country":"Germany",` +
		`"data":{"path":"/batch","user_properties_updated":false},"data_type":"event","device_brand":"Apple","device_carrier":"Unknown","device_family":"iPhone","device_id":"device-1",` +
		`"device_manufacturer":"Apple","device_model":"iPhone","device_type":"iPhone","dma":"D","event_id":17,` +
		`"event_properties":{"$currency":"EUR","$price":9.99,"$productId":"sku","$quantity":2,"$revenue":19.98,"$revenueType":"sale","a":1.50,"long":"` + long[:1024] + `","nested":{"b":[1]}},` +
		`"event_time":"2023-11-14 22:13:19.123000","event_type":"Buy A","global_user_properties":{},"group_properties":{},"groups":{"org":["acme"],"team":["red"]},"idfa":"F",` +
		`"ip_address":"203.0.113.7","is_attribution_event":false,"language":"German","library":"test/1","location_lat":52.5,"location_lng":13.4,"os_name":"ios","os_version":"17",` +
		`"partner_id":"p","paying":null,"plan":{"branch":"main"},"platform":"iOS","processed_time":"2023-11-14 22:13:20.000000","region":"Berlin","sample_rate":null,` +
		`"server_received_time":"2023-11-14 22:13:20.000000","server_upload_time":"2023-11-14 22:13:20.000000","session_id":1699999990000,"source_id":null,"start_version":null,` +
		`"user_creation_time":"2023-11-14 22:13:19.123000","user_id":"user-1","user_properties":{"u":"v"},"version_name":"1.2"}`
	if got := js(row); got != want {
		t.Errorf("row\n%s\nwant\n%s", got, want)
	}
	// An event with as little as can be.
	taken(t, s, batch(`{"device_id":"device-2","event_type":"open","event_properties":{ },"revenue":1}`))
	_, all = rows(t, s)
	row = all[1]
	for key, want := range map[string]string{"user_id": "null", "session_id": "-1", "event_id": "null", "$insert_id": "null", "library": `"http/2.0"`,
		"event_properties": `{"$revenue":1}`, "user_properties": "{}", "groups": "{}", "plan": "{}", "event_time": `"2023-11-14 22:13:20.000000"`, "city": "null"} {
		if got := js(row[key]); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

// TestShownProperties holds that the exported events show what Amplitude would
// show: the examples of the backfill guide and of order, over all endpoints.
func TestShownProperties(t *testing.T) {
	for _, where := range []string{"memory", "disk"} {
		t.Run(where, func(t *testing.T) {
			c := newClock()
			o := Options{Events: true, Now: c.now}
			if where == "disk" {
				o.Data = t.TempDir()
			}
			s, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { s.Close() }()
			event := func(kind, more string) string {
				return fmt.Sprintf(`{"user_id":"user-1","event_type":%q%s}`, kind, more)
			}
			taken(t, s, batch(event("live", `,"user_properties":{"city":"Berlin","subscriptionStatus":"paid"}`)))
			taken(t, s, batch(event("old", `,"user_properties":{"subscriptionStatus":"trial"},"$skip_user_properties_sync":true`)))
			taken(t, s, batch(event("live", "")))
			identify(t, s, `{"user_id":"user-1","user_properties":{"$set":{"color":"red"}}}`)
			taken(t, s, batch(event("A", "")))
			if where == "disk" {
				s = reopen(t, s, o) // the table is made again
			}
			taken(t, s, batch(event("$identify", `,"user_properties":{"$set":{"color":"blue"},"$unset":{"city":"-"}}`), event("B", "")))
			taken(t, s, batch(event("overwritten", `,"user_properties":{"subscriptionStatus":"trial"}`)))
			_, all := rows(t, s)
			wantList(t, "user_properties", shows(all, "user_properties"),
				`{"city":"Berlin","subscriptionStatus":"paid"}`,
				`{"subscriptionStatus":"trial"}`,
				`{"city":"Berlin","subscriptionStatus":"paid"}`,
				`{"city":"Berlin","color":"red","subscriptionStatus":"paid"}`,
				`{"city":"Berlin","color":"red","subscriptionStatus":"paid"}`,
				`{"color":"blue","subscriptionStatus":"paid"}`,
				`{"color":"blue","subscriptionStatus":"paid"}`,
				`{"color":"blue","subscriptionStatus":"trial"}`)
			if n := len(entries(t, ledgerOf(t, s))); n != 8 {
				t.Errorf("%d lines in the ledger", n)
			}
		})
	}
}

// TestExportWindow holds the hours, the names of the entries, and the answers.
func TestExportWindow(t *testing.T) {
	c := newClock() // 2023-11-14 22:13:20
	s := newServer(t, Options{Events: true, Now: c.now, APIKey: "key", SecretKey: "secret", ExportBytes: 5000, Project: 42})
	auth := []string{"Authorization", "Basic a2V5OnNlY3JldA=="}
	for range 3 {
		taken(t, s, batch(simple(2, fmt.Sprintf("user-%d", c.now().Unix()))...))
		c.move(47 * time.Minute)
	}
	names, all := rowsOf(t, s, "20231114T22", "20231114T23")
	wantList(t, "entries", names, "42/42_2023-11-14_22#0.json.gz", "42/42_2023-11-14_23#0.json.gz")
	if len(all) != 6 { // 22:13, 23:00, 23:47
		t.Errorf("%d rows", len(all))
	}
	for window, want := range map[string]int{"20231114T22&end=20231114T22": 2, "20231114T23&end=20231114T23": 4, "20231114T21&end=20231114T21": 0, "20231115T00&end=20231115T09": 0} {
		start, end, _ := strings.Cut(window, "&end=")
		if _, all := rowsOf(t, s, start, end); len(all) != want {
			t.Errorf("%s: %d rows, want %d", window, len(all), want)
		}
	}
	for _, c := range []struct {
		query string
		auth  []string
		code  int
		has   string
	}{
		{"start=20231114T22&end=20231114T22", nil, 401, "Invalid API key"},
		{"start=20231114T22&end=20231114T22", []string{"Authorization", "Basic a2V5Ong="}, 401, ""}, // key:x
		{"start=20231114T22&end=20231114T22", []string{"Authorization", "Basic eDpzZWNyZXQ="}, 401, ""},
		{"start=20231101T00&end=20231101T23", auth, 404, "not found"},
		{"start=20231114T22", auth, 400, "hours like"},
		{"start=2023-11-14&end=20231114T22", auth, 400, "hours like"},
		{"start=20231114T22&end=20231114T21", auth, 400, "before start"},
		{"start=20220101T00&end=20231114T00", auth, 400, "365 days"},
	} {
		w := do(s, "GET", "/api/2/export?"+c.query, "", c.auth...)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s: %d %s", c.query, w.Code, w.Body)
		}
	}
	taken(t, s, batch(simple(50, "user-9")...))
	if w := do(s, "GET", "/api/2/export?start=20231114T00&end=20231115T23", "", auth...); w.Code != 400 || !strings.Contains(w.Body.String(), "too large") {
		t.Errorf("over the size: %d %s", w.Code, w.Body)
	}
	if w := do(newServer(t, Options{}), "GET", "/api/2/export?start=20231114T00&end=20231115T23", "", auth...); w.Code != 404 {
		t.Errorf("without events: %d", w.Code)
	}
}

// TestForgotten fills the memory: a window that is no longer whole is refused
// instead of exported in part.
func TestForgotten(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newServer(t, Options{Events: true, EventMemory: 10_000, Now: c.now})
	for i := range 40 {
		taken(t, s, batch(simple(1000, fmt.Sprintf("user-%d", i))...))
	}
	c.move(24 * time.Hour)
	taken(t, s, batch(simple(1, "late-1")...))
	w := do(s, "GET", "/api/2/export?start=20231114T00&end=20231120T00", "", "Authorization", "Basic a2V5OnNlY3JldA==")
	if w.Code != 400 || !strings.Contains(w.Body.String(), "no longer in memory") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, all := rowsOf(t, s, "20231115T00", "20231116T00"); len(all) != 1 {
		t.Errorf("%d rows of a window that is whole", len(all))
	}
	if w := do(s, "GET", "/debug/events?amplitude_id=100000000001", ""); w.Code != 200 || strings.Contains(w.Body.String(), `"seq"`) {
		t.Errorf("the events of a person who was forgotten: %d %.200s", w.Code, w.Body)
	}
}
