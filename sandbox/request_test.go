package sandbox

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

const good = `{"user_id":"user-1","event_type":"open"}`

// TestAnswers goes through the documented answers; nothing of a request that
// is refused gets into the ledger.
func TestAnswers(t *testing.T) {
	const (
		missing = `{"code":400,"error":"Request missing required field",`
		invalid = `{"code":400,"error":"Invalid field values on some events","events_with_invalid_fields":`
		lengths = `{"code":400,"error":"Invalid id length for user_id or device_id","events_with_invalid_id_lengths":`
		notJSON = `{"code":400,"error":"Invalid JSON request body"}`
		badKey  = `{"code":400,"error":"Invalid API key"}`
		badOpts = `{"code":400,"error":"Invalid options"}`
		noEvent = missing + `"missing_field":"events"}`
		badJSON = `{"code":400,"error":"Invalid event JSON"}`
		ok      = ""
	)
	field := func(name, value string) string {
		return batch(`{"user_id":"user-1","event_type":"open","` + name + `":` + value + `}`)
	}
	deep := func(n int) string { return strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1) }
	for _, c := range []struct{ name, body, answer string }{
		{"one event", batch(good), ok},
		{"device only", batch(`{"device_id":"device-1","event_type":"open"}`), ok},
		{"unknown keys", field("colour", "[1]"), ok},
		{"nulls are absent", batch(`{"user_id":"user-1","device_id":null,"event_type":"open","time":null,"plan":null}`), ok},
		{"white space", " \n{ \"api_key\" : \"key\" , \"events\" : [ " + good + " ] } ", ok},
		{"escaped keys", `{"api\u005fkey":"key","events":[{"user\u005fid":"user-1","event_type":"open"}]}`, ok},

		{"no body", "", `{"code":400,"error":"Missing request body"}`},
		{"not JSON", "events=[]", notJSON},
		{"array", "[]", notJSON},
		{"torn", batch(good)[:30], notJSON},
		{"text behind", batch(good) + "x", notJSON},
		{"not UTF-8", field("city", "\"\xff\""), notJSON},
		{"events are an object", `{"api_key":"key","events":{}}`, notJSON},

		{"no key", `{"events":[` + good + `]}`, missing + `"missing_field":"api_key"}`},
		{"null key", `{"api_key":null,"events":[` + good + `]}`, missing + `"missing_field":"api_key"}`},
		{"empty key", `{"api_key":"","events":[` + good + `]}`, missing + `"missing_field":"api_key"}`},
		{"wrong key", `{"api_key":"other","events":[` + good + `]}`, badKey},
		{"number key", `{"api_key":1,"events":[` + good + `]}`, badKey},
		{"wrong key, bad events", `{"api_key":"other","events":[1]}`, badKey},

		{"no events", `{"api_key":"key"}`, noEvent},
		{"null events", `{"api_key":"key","events":null}`, noEvent},
		{"empty events", `{"api_key":"key","events":[]}`, noEvent},
		{"event is no object", batch(good, "1"), badJSON},
		{"key twice", batch(`{"user_id":"user-1","event_type":"open","time":1,"time":2}`), badJSON},

		{"no event type", batch(good, `{"user_id":"user-1"}`), missing + `"events_with_missing_fields":{"event_type":[1]}}`},
		{"null event type", batch(`{"user_id":"user-1","event_type":null}`), missing + `"events_with_missing_fields":{"event_type":[0]}}`},
		{"empty event type", batch(`{"user_id":"user-1","event_type":""}`), invalid + `{"event_type":[0]}}`},
		{"no id", batch(good, good, `{"event_type":"open"}`), missing + `"events_with_missing_fields":{"device_id":[2],"user_id":[2]}}`},
		{"only the first bad event", batch(`{"event_type":"open","user_id":"user-1","time":"x"}`, `{}`), invalid + `{"time":[0]}}`},
		{"all of the first bad event", batch(`{"user_id":"abc","time":"x"}`), missing +
			`"events_with_invalid_fields":{"time":[0]},"events_with_missing_fields":{"event_type":[0]},"events_with_invalid_id_lengths":{"user_id":[0]}}`},

		{"number id", batch(`{"user_id":12345,"event_type":"open"}`), invalid + `{"user_id":[0]}}`},
		{"number type", batch(`{"user_id":"user-1","event_type":1}`), invalid + `{"event_type":[0]}}`},
		{"short user", batch(`{"user_id":"abcd","event_type":"open"}`), lengths + `{"user_id":[0]}}`},
		{"short device beside a user", batch(`{"user_id":"user-1","device_id":"abcd","event_type":"open"}`), lengths + `{"device_id":[0]}}`},
		{"characters, not bytes", batch(`{"user_id":"ääää","event_type":"open"}`), lengths + `{"user_id":[0]}}`},
		{"five characters", batch(`{"user_id":"äääää","event_type":"open"}`), ok},
		{"escapes are characters", batch(`{"user_id":"\u0061bcd","event_type":"open"}`), lengths + `{"user_id":[0]}}`},
		{"min_id_length lower", `{"api_key":"key","options":{"min_id_length":1},"events":[{"user_id":"a","event_type":"open"}]}`, ok},
		{"min_id_length higher", `{"api_key":"key","options":{"min_id_length":7},"events":[` + good + `]}`, lengths + `{"user_id":[0]}}`},
		{"min_id_length does not allow placeholders", `{"api_key":"key","options":{"min_id_length":1},"events":[{"user_id":"0","event_type":"open"}]}`, invalid + `{"user_id":[0]}}`},
		{"min_id_length is text", `{"api_key":"key","options":{"min_id_length":"1"},"events":[` + good + `]}`, badOpts},
		{"options are text", `{"api_key":"key","options":"x","events":[` + good + `]}`, badOpts},
		{"other options", `{"api_key":"key","options":{"x":1},"events":[` + good + `]}`, ok},

		{"integer", field("time", "1700000000000"), ok},
		{"integer with a point", field("time", "1.0"), ok},
		{"integer with an exponent", field("time", "1.7e12"), ok},
		{"fraction", field("time", "1.5"), invalid + `{"time":[0]}}`},
		{"64 bits", field("session_id", "-9223372036854775808"), ok},
		{"65 bits", field("session_id", "9223372036854775808"), invalid + `{"session_id":[0]}}`},
		{"text for an integer", field("event_id", `"1"`), invalid + `{"event_id":[0]}}`},
		{"text for a number", field("revenue", `"1"`), invalid + `{"revenue":[0]}}`},
		{"number too large", field("price", "1e400"), invalid + `{"price":[0]}}`},
		{"number", field("location_lat", "-1.25e1"), ok},
		{"array for an object", field("user_properties", "[]"), invalid + `{"user_properties":[0]}}`},
		{"text for an object", field("plan", `"x"`), invalid + `{"plan":[0]}}`},
		{"object for text", field("city", "{}"), invalid + `{"city":[0]}}`},
		{"number for a boolean", field("$skip_user_properties_sync", "1"), invalid + `{"$skip_user_properties_sync":[0]}}`},
		{"boolean", field("$skip_user_properties_sync", "true"), ok},
		{"40 deep", field("event_properties", deep(40)), ok},
		{"41 deep", field("event_properties", deep(41)), invalid + `{"event_properties":[0]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, Options{APIKey: "key"})
			if c.answer == ok {
				if n := taken(t, s, c.body); n != 1 {
					t.Errorf("events_ingested %d", n)
				}
				return
			}
			want(t, s, "/batch", c.body, 400, c.answer)
			want(t, s, "/2/httpapi", c.body, 400, c.answer)
			if l := ledgerOf(t, s); l != "" {
				t.Errorf("a refused request is in the ledger: %s", l)
			}
		})
	}
}

func TestPlaceholders(t *testing.T) {
	s := newServer(t, Options{MinIDLength: 1})
	for _, id := range []string{"anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "",
		"00000000-0000-0000-0000-000000000000", "{}", "lmy47d", "0", "-1", "[]", "true", "false", `\u0030`} {
		for _, name := range []string{"user_id", "device_id"} {
			want(t, s, "/batch", batch(`{"`+name+`":"`+id+`","event_type":"open"}`), 400,
				`{"code":400,"error":"Invalid field values on some events","events_with_invalid_fields":{"`+name+`":[0]}}`)
		}
	}
	for _, id := range []string{"Anonymous", "00", "1"} {
		if n := taken(t, s, batch(`{"user_id":"`+id+`","event_type":"open"}`)); n != 1 {
			t.Errorf("%q: events_ingested %d", id, n)
		}
	}
}

func TestAllErrors(t *testing.T) {
	s := newServer(t, Options{AllErrors: true})
	body := batch(good, `{"user_id":"user-1"}`, `{"user_id":"abc","event_type":"open"}`, `{"user_id":"user-1","event_type":"open","time":"x"}`,
		`{"user_id":"user-1"}`)
	want(t, s, "/batch", body, 400, `{"code":400,"error":"Request missing required field","events_with_invalid_fields":{"time":[3]},`+
		`"events_with_missing_fields":{"event_type":[1,4]},"events_with_invalid_id_lengths":{"user_id":[2]}}`)
}

func TestEventCount(t *testing.T) {
	s := newServer(t, Options{})
	if n := taken(t, s, batch(simple(2000, "user-1")...)); n != 2000 {
		t.Errorf("events_ingested %d", n)
	}
	want(t, s, "/batch", batch(simple(2001, "user-2")...), 413, `{"code":413,"error":"Payload too large"}`)
	if got := s.Summary(); got.Accepted != 2000 || got.Requests != 2 || got.ByAnswer["413"] != 1 {
		t.Errorf("summary %+v", got)
	}
}

func TestMethodsAndPaths(t *testing.T) {
	s := newServer(t, Options{})
	for _, c := range []struct {
		method, path, contentType string
		code                      int
		allow, answer             string
	}{
		{"GET", "/batch", "", 405, "POST", `{"code":405,"error":"Method not allowed"}`},
		{"PUT", "/2/httpapi", "application/json", 405, "POST", `{"code":405,"error":"Method not allowed"}`},
		{"POST", "/debug/ledger", "", 405, "GET, HEAD", `{"code":405,"error":"Method not allowed"}`},
		{"POST", "/batch", "", 415, "", `{"code":415,"error":"Content-Type must be application/json"}`},
		{"POST", "/batch", "application/x-www-form-urlencoded", 415, "", `{"code":415,"error":"Content-Type must be application/json"}`},
		{"GET", "/healthz", "", 200, "", `{"status":"ok"}`},
		{"POST", "/batches", "application/json", 404, "", "404 page not found\n"},
		{"GET", "/nothing", "", 404, "", "404 page not found\n"},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(c.method, "http://localhost"+c.path, strings.NewReader(batch(good)))
			r.Header.Set("Content-Type", c.contentType)
			s.ServeHTTP(w, r)
			if w.Code != c.code || w.Body.String() != c.answer || w.Header().Get("Allow") != c.allow {
				t.Errorf("%d %s, Allow %q", w.Code, w.Body, w.Header().Get("Allow"))
			}
		})
	}
	code, answer := post(s, "/batch", batch(good), "Content-Type", "Application/JSON; charset=utf-8")
	if code != http.StatusOK {
		t.Errorf("with a charset: %s %s", strconv.Itoa(code), answer)
	}
}

func TestOptionsValidate(t *testing.T) {
	for _, o := range []Options{{MinIDLength: -1}, {Throttle: -1}, {DailyQuota: -1}, {MaxEvents: -1}, {MaxBytes: -1}, {BodyMemory: -1}} {
		if s, err := New(o); err == nil {
			s.Close()
			t.Errorf("%+v is taken", o)
		}
	}
}
