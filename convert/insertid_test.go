package convert

import (
	"testing"
)

func TestInsertID(t *testing.T) {
	const hash = "hash"
	for _, tt := range []struct {
		rule, insertID, uuid string
		want                 string // JSON, or hash
		from                 string
	}{
		{InsertIDAuto, `"a:b [c] d"`, `"u"`, `"a:b [c] d"`, "export"},
		{InsertIDAuto, `"\u00e9\ud83d\ude00"`, `"u"`, `"\u00e9\ud83d\ude00"`, "export"},
		{InsertIDAuto, `12345678901234567890`, `"u"`, `"12345678901234567890"`, "export"},
		{InsertIDAuto, `null`, `"u"`, `"u"`, "uuid"},
		{InsertIDAuto, `""`, `"u"`, `"u"`, "uuid"},
		{InsertIDAuto, ``, `"u"`, `"u"`, "uuid"},
		{InsertIDAuto, `1.5`, `"u"`, `"u"`, "uuid"},
		{InsertIDAuto, `true`, `"u"`, `"u"`, "uuid"},
		{InsertIDAuto, `{"a":1}`, `"u"`, `"u"`, "uuid"},
		{InsertIDAuto, `null`, `7`, `"7"`, "uuid"},
		{InsertIDAuto, `null`, `null`, hash, "hash"},
		{InsertIDAuto, ``, ``, hash, "hash"},
		{InsertIDAuto, `""`, `""`, hash, "hash"},
		{InsertIDAuto, `[]`, `false`, hash, "hash"},
		{InsertIDUUID, `"i"`, `"u"`, `"u"`, "uuid"},
		{InsertIDUUID, `"i"`, `null`, hash, "hash"},
		{InsertIDUUID, ``, ``, hash, "hash"},
	} {
		line := exportLine("$insert_id", tt.insertID, "uuid", tt.uuid)
		rules := Rules{InsertID: tt.rule}
		got := eventKeys(t, rules, line)["insert_id"]
		if tt.want == hash && !hashID.MatchString(got) || tt.want != hash && got != tt.want {
			t.Errorf("%s, %s: insert id %s, want %s", tt.rule, line, got, tt.want)
		}
		_, _, m := mapLine(rules, line)
		if m.insertIDs[tt.from] != 1 || len(m.insertIDs) != 1 {
			t.Errorf("%s, %s: counted as %v, want %s", tt.rule, line, m.insertIDs, tt.from)
		}
	}
}

// hashed is the insert id of an event without one.
func hashed(t *testing.T, members ...string) string {
	t.Helper()
	id := eventKeys(t, Rules{}, exportLine(append([]string{"$insert_id", ""}, members...)...))["insert_id"]
	if !hashID.MatchString(id) {
		t.Fatalf("insert id %s is no hash", id)
	}
	return id
}

func TestHashIsOfTheEvent(t *testing.T) {
	full := []string{"user_id", `"u1"`, "event_id", "7", "event_properties", `{"a":[1,{"b":"/é"}],"c":2}`}
	id := hashed(t, full...)
	for _, same := range [][]string{
		{"event_properties", ` { "a" : [ 1 , { "b" : "/é" } ] , "c" : 2 } `},
		{"event_properties", `{"c":2,"a":[1,{"b":"/é"}]}`},
		{"event_properties", `{"\u0061":[1,{"b":"\/\u00e9"}],"c":2}`},
		{"user_id", `"\u00751"`},
		{"event_time", `"2023-01-02T03:04:05.678Z"`},
		{"event_type", `"\u0061"`},
		{"device_id", `"\u0064evice1"`},
		// What is not of the event itself: it can differ between two exports of it.
		{"country", `"Sweden"`}, {"user_properties", `{"x":1}`}, {"uuid", `null`}, {"server_upload_time", `"2023-01-02 03:04:05"`},
	} {
		if got := hashed(t, append(full[:6:6], same...)...); got != id {
			t.Errorf("with %s the hash is %s, want %s", same, got, id)
		}
	}
	seen := map[string]string{id: "the event"}
	for _, other := range [][]string{
		{"event_properties", `{"a":[1,{"b":"/é"}],"c":"2"}`},
		{"event_properties", `{"a":[1,{"b":"/e"}],"c":2}`},
		{"event_properties", `{"a":[{"b":"/é"},1],"c":2}`},
		{"event_properties", `{"a":[1,{"b":"/é"}]}`},
		{"event_properties", `{}`},
		{"event_properties", `null`},
		{"event_properties", `{"a":1,"a":2}`},
		{"event_properties", `{"a":2,"a":1}`},
		{"user_id", `"u2"`}, {"user_id", `null`}, {"device_id", `"device2"`}, {"device_id", `null`},
		{"event_type", `"b"`}, {"event_id", `8`}, {"event_id", `null`},
		{"event_time", `"2023-01-02 03:04:05.679"`},
	} {
		got := hashed(t, append(full[:6:6], other...)...)
		if was, ok := seen[got]; ok {
			t.Errorf("with %s the hash is that of %s", other, was)
		}
		seen[got] = other[0] + " " + other[1]
	}
	// The parts have lengths before them: nothing can move from one to the next.
	if hashed(t, "device_id", `"ab"`, "user_id", `"c"`) == hashed(t, "device_id", `"a"`, "user_id", `"bc"`) {
		t.Error("device and user run into each other")
	}
}

// Ids that are numbers are the same ids as their digits.
func TestHashOfNumberIDs(t *testing.T) {
	if hashed(t, "user_id", `12345`) != hashed(t, "user_id", `"12345"`) {
		t.Error("the hash depends on how the id was stored")
	}
}
