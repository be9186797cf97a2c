package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzUpload holds that every answer is one of the documented ones, that what
// is accepted is JSON to encoding/json too with the number of events that the
// ledger then has and the export gives back, and that both can be read.
func FuzzUpload(f *testing.F) {
	f.Add(threeEvents)
	f.Add(batch(good, good))
	f.Add(batch(`{"user_id":"\ud83d\ude00\ud83d\ude00","event_type":"a","time":1e3}`))
	f.Add(`{"api_key":"key","events":[{}],"options":{"min_id_length":0}}`)
	f.Add(batch(`{"user_id":"user-1","event_type":"$identify","groups":{"a":["b",1,null,[]]},"user_properties":{"$append":{"a":[1]},"$add":{"b":"1e400"}},"revenue":1e5,"time":1e300}`,
		`{"user_id":"user-1","event_type":"$groupidentify","groups":{"a":"b"},"group_properties":{"x":1},"event_properties":{ },"quantity":3,"plan":{}}`))
	f.Fuzz(func(t *testing.T, body string) {
		s := newServer(t, Options{Events: true})
		code, text := post(s, "/batch", body)
		ledger := ledgerOf(t, s)
		switch code {
		case http.StatusOK:
			var sent struct {
				Events []map[string]any `json:"events"`
			}
			if err := json.Unmarshal([]byte(body), &sent); err != nil {
				t.Fatalf("accepted: %v", err)
			}
			all := entries(t, ledger)
			if _, exported := rows(t, s); len(exported) != len(sent.Events)-int(s.Summary().Duplicates) {
				t.Fatalf("%d events sent, %d exported", len(sent.Events), len(exported))
			}
			if len(all) != len(sent.Events) || strings.Count(ledger, "\n") != len(all) {
				t.Fatalf("%d events sent, %d in the ledger", len(sent.Events), len(all))
			}
			for i, e := range all {
				for key, raw := range map[string]json.RawMessage{"insert_id": e.InsertID, "device_id": e.DeviceID, "user_id": e.UserID, "event_type": e.EventType} {
					var id any
					if err := json.Unmarshal(raw, &id); err != nil {
						t.Fatal(err)
					}
					if id != sent.Events[i][key] {
						t.Fatalf("event %d: %s", i, key)
					}
				}
			}
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			if ledger != "" || !json.Valid([]byte(text)) {
				t.Fatalf("refused with %s, but in the ledger: %s", text, ledger)
			}
		default:
			t.Fatalf("answer %d %s", code, text)
		}
	})
}

// FuzzParseFaults holds that what is read is written the same way.
func FuzzParseFaults(f *testing.F) {
	f.Add("500:0.01,503-after:0.01,429:0.02,reset-before:0.01,reset-after:0.01,truncate:0.1,html:0.1,latency=5ms,seed=3")
	f.Fuzz(func(t *testing.T, spec string) {
		faults, err := ParseFaults(spec)
		if err != nil {
			return
		}
		again, err := ParseFaults(faults.String())
		if err != nil || again.String() != faults.String() {
			t.Fatalf("%q becomes %q, %v", spec, faults, err)
		}
	})
}
