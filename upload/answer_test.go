package upload

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The table of answers: every row of Amplitude's status codes, and what they
// do not say.
func TestClassify(t *testing.T) {
	const events = 4
	at := func(index int, rule, reason string) namedEvent { return namedEvent{index, rule, reason} }
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	tests := []struct {
		name   string
		status int
		body   string
		err    error
		want   answer // reason is not compared
	}{
		{"accepted", 200, `{"code":200,"events_ingested":4}`, nil, answer{kind: accepted, ingested: 4}},
		{"fewer ingested", 200, `{"code":200,"events_ingested":1}`, nil, answer{kind: accepted, ingested: 1}},
		{"not counted", 200, `{"code":200}`, nil, answer{kind: accepted, ingested: -1}},
		{"no code", 200, `{"events_ingested":4}`, nil, answer{kind: accepted, ingested: 4}},
		{"empty", 200, ``, nil, answer{kind: doubtful, maybe: true}},
		{"html", 200, `<html>ok</html>`, nil, answer{kind: doubtful, maybe: true}},
		{"half", 200, `{"code":200,"events_in`, nil, answer{kind: doubtful, maybe: true}},
		{"empty object", 200, `{}`, nil, answer{kind: doubtful, maybe: true}},
		{"contradiction", 200, `{"code":400,"error":"x"}`, nil, answer{kind: doubtful, maybe: true}},
		{"no content", 204, ``, nil, answer{kind: doubtful, maybe: true}},
		{"cut off", 200, `{"code":2`, io.ErrUnexpectedEOF, answer{kind: again, maybe: true}},

		{"invalid", 400, `{"code":400,"error":"e","events_with_invalid_fields":{"time":[2]}}`, nil,
			answer{kind: named, events: []namedEvent{at(2, "invalid-fields", "HTTP 400: e: time")}}},
		{"missing", 400, `{"events_with_missing_fields":{"event_type":[0,3]}}`, nil,
			answer{kind: named, events: []namedEvent{at(0, "missing-fields", "HTTP 400: event_type"), at(3, "missing-fields", "HTTP 400: event_type")}}},
		{"id lengths", 400, `{"error":"Invalid id length for user_id or device_id","events_with_invalid_id_lengths":{"user_id":[1]}}`, nil,
			answer{kind: named, events: []namedEvent{at(1, "invalid-id-lengths", "HTTP 400: Invalid id length for user_id or device_id: user_id")}}},
		{"two fields", 400, `{"error":"e","events_with_invalid_fields":{"time":[2,1],"ip":[1]}}`, nil,
			answer{kind: named, events: []namedEvent{at(1, "invalid-fields", "HTTP 400: e: time, ip"), at(2, "invalid-fields", "HTTP 400: e: time")}}},
		{"undocumented map", 400, `{"events_with_Bad":{"x":[1]}}`, nil, answer{kind: named, events: []namedEvent{at(1, "named", "HTTP 400: x")}}},
		{"some out of range", 400, `{"error":"e","events_with_invalid_fields":{"time":[1,4,-1,99,1.5,"2"]}}`, nil,
			answer{kind: named, events: []namedEvent{at(1, "invalid-fields", "HTTP 400: e: time")}}},
		{"all out of range", 400, `{"error":"e","events_with_invalid_fields":{"time":[4]}}`, nil, answer{kind: halve}},
		{"wrong types", 400, `{"error":7,"events_with_invalid_fields":[1],"events_with_missing_fields":{"x":1}}`, nil, answer{kind: halve}},
		{"empty maps", 400, `{"error":"e","events_with_invalid_fields":{},"silenced_events":[]}`, nil, answer{kind: halve}},
		{"silenced", 400, `{"error":"e","silenced_devices":["d"],"silenced_events":[3],"throttled_events":[]}`, nil,
			answer{kind: named, events: []namedEvent{at(3, "silenced", "HTTP 400: e: silenced device")}}},
		{"silenced and throttled", 400, `{"silenced_events":[0],"throttled_devices":{"x":9}}`, nil,
			answer{kind: named, throttled: true, events: []namedEvent{at(0, "silenced", "HTTP 400: silenced device")}}},
		{"silenced by device", 400, `{"silenced_devices":["d","e"]}`, nil, answer{kind: named, devices: []string{"d", "e"}}},
		{"only throttled", 400, `{"throttled_users":{"x":9}}`, nil, answer{kind: throttled}},
		{"bad key", 400, `{"code":400,"error":"Invalid API key"}`, nil, answer{kind: stopped, badKey: true}},
		{"bad key 403", 403, `{"code":403,"error":"invalid api key"}`, nil, answer{kind: stopped, badKey: true}},
		{"no key", 400, `{"code":400,"error":"x","missing_field":"api_key"}`, nil, answer{kind: stopped, badKey: true}},
		{"bad json", 400, `{"code":400,"error":"Invalid JSON request body","missing_field":null}`, nil, answer{kind: halve}},
		{"400 html", 400, `<html>`, nil, answer{kind: halve}},
		{"403", 403, `<html>blocked</html>`, nil, answer{kind: halve}},
		{"403 named", 403, `{"events_with_invalid_fields":{"x":[0]}}`, nil, answer{kind: named, events: []namedEvent{at(0, "invalid-fields", "HTTP 403: x")}}},

		{"413", 413, `{"code":413,"error":"Payload too large"}`, nil, answer{kind: halve, tooLarge: true}},
		{"413 html", 413, `<html>`, nil, answer{kind: halve, tooLarge: true}},
		{"429", 429, `{"code":429,"eps_threshold":10,"throttled_devices":{"d":11},"throttled_events":[0],"exceeded_daily_quota_devices":{}}`, nil, answer{kind: throttled}},
		{"429 text", 429, `slow down`, nil, answer{kind: throttled}},
		{"quota", 429, `{"eps_threshold":10,"exceeded_daily_quota_users":{"u":500001}}`, nil, answer{kind: overQuota}},

		{"408", 408, ``, nil, answer{kind: again, maybe: true}},
		{"425", 425, ``, nil, answer{kind: again, maybe: true}},
		{"500", 500, `<html>`, nil, answer{kind: again, maybe: true}},
		{"502", 502, `<html>`, nil, answer{kind: again, maybe: true}},
		{"503", 503, ``, nil, answer{kind: again}},
		{"504", 504, ``, nil, answer{kind: again, maybe: true}},
		{"599", 599, `{"code":400}`, nil, answer{kind: again, maybe: true}},
		{"reset", 0, ``, errors.New("connection reset by peer"), answer{kind: again, maybe: true}},
		{"timeout", 0, ``, context.DeadlineExceeded, answer{kind: again, maybe: true}},
		{"refused", 0, ``, dial, answer{kind: again, unreached: true}},
		{"no such host", 0, ``, &net.DNSError{Err: "no such host", Name: "x"}, answer{kind: again, unreached: true}},

		{"301", 301, ``, nil, answer{kind: stopped}},
		{"308", 308, ``, nil, answer{kind: stopped}},
		{"401", 401, ``, nil, answer{kind: stopped}},
		{"404", 404, `404 page not found`, nil, answer{kind: stopped}},
		{"405", 405, ``, nil, answer{kind: stopped}},
		{"415", 415, ``, nil, answer{kind: stopped}},
		{"418", 418, ``, nil, answer{kind: doubtful, maybe: true}},
		{"422", 422, `{"events_with_invalid_fields":{"x":[0]}}`, nil, answer{kind: doubtful, maybe: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := classify(response{status: test.status, body: []byte(test.body), err: test.err}, events, time.Now(), secrets(testKey))
			if got.reason == "" {
				t.Error("no reason")
			}
			got.reason, got.limits = "", limits{} // see TestLimitsOfAnAnswer
			test.want.status = test.status
			if test.want.kind != accepted {
				test.want.ingested = -1
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestClassifyKeepsNoControlCharactersOrLongTexts(t *testing.T) {
	a := classify(response{status: 400, body: []byte(`{"error":"a\u0000\u001b[31m` + strings.Repeat("x", 10000) + `"}`)}, 1, time.Now(), secrets(testKey))
	if strings.ContainsAny(a.reason, "\x00\x1b") || len(a.reason) > 2*maxText {
		t.Errorf("reason %q", a.reason)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 30 ": 30 * time.Second, "0": 0, "-5": 0, "1.5": 1500 * time.Millisecond,
		"NaN": 0, "soon": 0, "1e99": maxRetryAfter, "Inf": maxRetryAfter,
		"Fri, 02 Jan 2026 03:04:25 GMT": 20 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
		"Fri, 02 Jan 2099 03:04:00 GMT": maxRetryAfter,
	} {
		if got := parseRetryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestRetryWait(t *testing.T) {
	r := Retry{}.withDefaults()
	for _, test := range []struct {
		a      answer
		n      int
		random float64
		want   time.Duration
	}{
		{answer{kind: again}, 1, 0, 250 * time.Millisecond},
		{answer{kind: again}, 1, 1, 500 * time.Millisecond},
		{answer{kind: again}, 2, 1, time.Second},
		{answer{kind: again}, 5, 1, 8 * time.Second},
		{answer{kind: again}, 5, 0, 4 * time.Second},
		{answer{kind: again}, 1000, 1, time.Minute},
		{answer{kind: doubtful}, 1, 1, 500 * time.Millisecond},
		{answer{kind: again, retryAfter: 3 * time.Second}, 9, 1, 3 * time.Second},
		{answer{kind: throttled}, 1, 0, 15 * time.Second},
		{answer{kind: throttled}, 1, 1, 18 * time.Second},
		{answer{kind: throttled}, 3, 0, 33750 * time.Millisecond},
		{answer{kind: throttled}, 1000, 0, 2 * time.Minute},
		{answer{kind: throttled, retryAfter: time.Second}, 3, 1, time.Second},
		{answer{kind: overQuota}, 7, 0, time.Hour},
		{answer{kind: overQuota}, 7, 1, 72 * time.Minute},
	} {
		if got := r.wait(test.a, test.n, test.random); got != test.want {
			t.Errorf("%v %d %v: %v, want %v", test.a.kind, test.n, test.random, got, test.want)
		}
	}
}

// A key that stands where a text is cut short must not show its first half.
func TestClassifyTakesTheKeyOutBeforeCutting(t *testing.T) {
	for at := range 40 {
		text := strings.Repeat("x", maxText-at) + testKey + " and more"
		for _, r := range []response{
			{status: 400, body: []byte(`{"error":"` + text + `"}`)},
			{status: 400, body: []byte(`{"events_with_x":{"` + text + `":[0]}}`)},
			{err: errors.New(text)},
		} {
			a := classify(r, 1, time.Now(), secrets(testKey))
			for _, e := range a.events {
				a.reason += e.reason
			}
			if strings.Contains(a.reason, testKey[:6]) {
				t.Fatalf("%q", a.reason)
			}
		}
	}
}
