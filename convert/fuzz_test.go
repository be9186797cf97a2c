package convert

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"testing"
)

// ruleSets are combinations of rules, the defaults first.
var ruleSets = func() (sets []Rules) {
	for _, identify := range []string{IdentifyAuto, Keep, Drop} {
		for _, properties := range []string{Skip, Sync} {
			for _, id := range []string{InsertIDAuto, InsertIDUUID} {
				sets = append(sets, Rules{InsertID: id, UserProperties: properties, Identify: identify})
			}
		}
	}
	return append(sets,
		Rules{InsertID: InsertIDAuto, UserProperties: Skip, Identify: IdentifyAuto, Time: "server_upload_time", IP: Drop, Library: Drop, SessionEvents: Drop},
		Rules{InsertID: InsertIDAuto, UserProperties: Sync, Identify: IdentifyAuto, Since: "2023-01-02", Until: "2023-01-03", PartnerID: Keep, DeviceModel: ModelDeviceType},
		Rules{InsertID: InsertIDUUID, UserProperties: Skip, Identify: Keep, Time: "client_event_time", IDs: "trim", PartnerID: Keep, IP: Drop},
	)
}()

// FuzzConvertLine holds the mapper to the reference converter.
func FuzzConvertLine(f *testing.F) {
	for _, line := range []string{
		exportLine(),
		exportLine("user_id", `12345`, "$insert_id", `null`, "uuid", `"u"`, "event_properties", `{"a":{"b":[1,2.50,"\u00e9"]}}`),
		exportLine("event_type", `"$groupidentify"`, "group_properties", `{"company":{"x":{}}}`),
		exportLine("event_type", `"\u0024identify"`, "user_properties", `{"$set":{"a":9007199254740993}}`),
		exportLine("plan", `{"branch":"main","version":"1","versionId":"x"}`, "ip_address", `"$remote"`),
		exportLine("event_time", `""`, "client_event_time", `"1969-12-31T23:59:59.9999+05:30"`, "uuid", `{}`),
		`{"scope":1,"merge_time":"2023-01-02","merge_server_time":"x","amplitude_id":1,"merged_amplitude_id":2}`,
		` { "event_type" : "a" , "\u0024insert_id" : "\ud83d\ude00" , "device_id":"" ,"user_id":"u" , "event_time":"2023-01-02 03:04:05"} `,
		`{}`, `[]`, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`,
	} {
		f.Add([]byte(line), uint8(0))
		f.Add([]byte(line), uint8(3))
	}
	f.Fuzz(func(t *testing.T, line []byte, rules uint8) {
		if bytes.IndexByte(line, '\n') < 0 { // a line has none
			compare(t, newMapper(compiled(ruleSets[int(rules)%len(ruleSets)])), line)
		}
	})
}

var hashID = regexp.MustCompile(`^"e2b-[0-9a-f]{32}"$`)

// compare checks what m makes of a line. The mapper may have seen other lines.
func compare(t *testing.T, m *mapper, line []byte) {
	t.Helper()
	before := m.lostCounts()
	want := reference(m.rules, line)
	out, v := m.event(nil, line)
	if v.kind != want.kind {
		t.Fatalf("%s\nverdict %d (%s: %s), want %d", line, v.kind, v.rule, v.reason, want.kind)
	}
	if v.kind != written {
		if len(out) > 0 {
			t.Errorf("%s\nnot an event, but wrote %s", line, out)
		}
		if v.kind == refused && (v.rule == "" || v.reason == "") {
			t.Errorf("%s\nset aside without a reason", line)
		}
		return
	}
	text, found := bytes.CutSuffix(out, []byte("\n"))
	keys, got := orderedMembers(string(text))
	if !found || !json.Valid(text) || bytes.IndexByte(text, '\n') >= 0 || len(keys) != len(got) {
		t.Fatalf("%s\nnot an event file's line: %s", line, out)
	}
	if want.event["insert_id"] == "" && hashID.MatchString(got["insert_id"]) {
		want.event["insert_id"] = got["insert_id"]
	}
	for key, value := range want.event {
		if !sameValue(got[key], value) {
			t.Errorf("%s\n%s is %s, want %s", line, key, got[key], value)
		}
		delete(got, key)
	}
	for key, value := range got {
		t.Errorf("%s\n%s should not be there: %s", line, key, value)
	}
	lost := m.lostCounts()
	for key, n := range before {
		if lost[key] -= n; lost[key] == 0 {
			delete(lost, key)
		}
	}
	if len(m.lostKeys) < maxLostKeys && !maps.Equal(lost, want.lost) {
		t.Errorf("%s\nlost %v, want %v", line, lost, want.lost)
	}
}

// sameValue compares containers byte for byte, and scalars by what they mean.
func sameValue(got, want string) bool {
	if got == want {
		return true
	}
	decode := func(text string) (v any) {
		dec := json.NewDecoder(bytes.NewReader([]byte(text)))
		dec.UseNumber()
		if dec.Decode(&v) != nil {
			return nil
		}
		return v
	}
	a, b := decode(got), decode(want)
	switch a.(type) {
	case map[string]any, []any, nil:
		return false
	}
	return reflect.DeepEqual(a, b)
}
