package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// identify posts a form to /identify or /groupidentify.
func identify(t *testing.T, s http.Handler, identification string) {
	t.Helper()
	form := url.Values{"api_key": {"key"}, "identification": {identification}}
	w := do(s, "POST", "/identify", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if w.Code != http.StatusOK {
		t.Fatalf("identify %s: %d %s", identification, w.Code, w.Body)
	}
}

func TestIdentifyAnswers(t *testing.T) {
	s := newServer(t, Options{Events: true, APIKey: "key", MaxEvents: 2})
	for _, c := range []struct {
		path, form, contentType string
		code                    int
		has                     string
	}{
		{"/identify", `api_key=key&identification={"user_id":"user-1"}`, "", 200, `"events_ingested":1`},
		{"/identify", `api_key=key&identification=[{"user_id":"user-1"},{"device_id":"device-1","user_properties":{"a":1}}]`, "", 200, `"events_ingested":2`},
		{"/identify", `api_key=wrong&identification={"user_id":"user-1"}`, "", 400, "Invalid API key"},
		{"/identify", `identification={"user_id":"user-1"}`, "", 400, `"missing_field":"api_key"`},
		{"/identify", `api_key=key`, "", 400, `"missing_field":"identification"`},
		{"/identify", `api_key=key&identification=[]`, "", 400, `"missing_field":"identification"`},
		{"/identify", `api_key=key&identification={`, "", 400, "Invalid JSON"},
		{"/identify", `api_key=key&identification="x"`, "", 400, "Invalid JSON"},
		{"/identify", `api_key=key&identification=["x"]`, "", 400, "Invalid event JSON"},
		{"/identify", `api_key=key&identification={"user_properties":{}}`, "", 400, `"events_with_missing_fields"`},
		{"/identify", `api_key=key&identification={"user_id":"abc"}`, "", 400, `"events_with_invalid_id_lengths"`},
		{"/identify", `api_key=key&identification={"user_id":"none"}`, "", 400, `"events_with_invalid_fields"`},
		{"/identify", `api_key=key&identification=[{"user_id":"user-1"},{"user_id":"user-1"},{"user_id":"user-1"}]`, "", 413, "Payload too large"},
		{"/identify", `%zz`, "", 400, "Invalid form"},
		{"/identify", `{}`, "application/json", 415, "application/x-www-form-urlencoded"},
		{"/identify", `api_key=key&identification={"event_type":"mine","user_id":"user-1"}`, "", 200, `"events_ingested":1`},
		{"/groupidentify", `api_key=key&identification={"group_type":"org","group_value":"acme","group_properties":{"plan":"a"}}`, "", 200, `"events_ingested":1`},
		{"/groupidentify", `api_key=key&identification={"group_type":"org","group_value":7}`, "", 200, `"events_ingested":1`},
		{"/groupidentify", `api_key=key&identification={"group_value":"acme"}`, "", 400, `"missing_field":"group_type"`},
		{"/groupidentify", `api_key=key&identification={"group_type":"org","group_value":null}`, "", 400, `"missing_field":"group_value"`},
	} {
		kind := c.contentType
		if kind == "" {
			kind = "application/x-www-form-urlencoded"
		}
		w := do(s, "POST", c.path, c.form, "Content-Type", kind)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s %s: %d %s", c.path, c.form, w.Code, w.Body)
		}
	}
	_, all := rows(t, s)
	wantList(t, "event_type", shows(all, "event_type"), `"$identify"`, `"$identify"`, `"$identify"`, `"$identify"`, `"$groupidentify"`, `"$groupidentify"`)
	wantList(t, "amplitude_id", shows(all, "amplitude_id"), "100000000001", "100000000001", "100000000002", "100000000001", "null", "null")
	taken(t, s, batch(`{"user_id":"user-1","event_type":"open","groups":{"org":"acme"}}`))
	_, all = rows(t, s)
	if got := js(all[6]["group_properties"]); got != `{"org":{"acme":{"plan":"a"}}}` {
		t.Errorf("an event of the group shows %s", got)
	}
}
