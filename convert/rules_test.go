package convert

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// Each rule that changes the event: what it makes of a line, and what of the
// line is not carried over.
func TestRules(t *testing.T) {
	const flag = `,"$skip_user_properties_sync":true}`
	head := func(members string) string {
		return `{"device_id":"device1","event_type":"a","time":1672628645678,"insert_id":"i1"` + members + flag
	}
	for _, tt := range []struct {
		name  string
		rules Rules
		line  string
		want  string // the event; or, after a space, why there is none
		lost  string // keys with commas
	}{
		{"time", Rules{Time: "server_upload_time"}, exportLine("server_upload_time", `"1970-01-01 00:00:01"`),
			strings.Replace(head(""), "1672628645678", "1000", 1), "event_time"},
		{"time, fallback", Rules{Time: "server_upload_time"}, exportLine("server_upload_time", `""`, "client_event_time", `"1970-01-01 00:00:01"`),
			head(""), "client_event_time"},
		{"since, at it", Rules{Since: "2023-01-02T03:04:05.678Z"}, exportLine(), head(""), ""},
		{"since, before", Rules{Since: "2023-01-02T03:04:05.6781Z"}, exportLine(), " outside-window", ""},
		{"since, a date", Rules{Since: "2023-01-03"}, exportLine(), " outside-window", ""},
		{"until, at it", Rules{Until: "2023-01-02T04:04:05.678+01:00"}, exportLine(), " outside-window", ""},
		{"until, before", Rules{Until: "2023-01-02T03:04:05.679Z"}, exportLine(), head(""), ""},
		{"session-events", Rules{SessionEvents: Drop}, exportLine("event_type", `"session\u005fend"`), " session-events", ""},
		{"session-events kept", Rules{}, exportLine("event_type", `"session_end"`), strings.Replace(head(""), `"a"`, `"session_end"`, 1), ""},
		{"ip", Rules{IP: Drop}, exportLine("ip_address", `"1.2.3.4"`), head(""), "ip_address"},
		{"library", Rules{Library: Drop}, exportLine("library", `"x/1"`), head(""), "library"},
		{"partner-id", Rules{PartnerID: Keep}, exportLine("partner_id", `"p"`), strings.TrimSuffix(head(""), "}") + `,"partner_id":"p"}`, ""},
		{"device-model", Rules{DeviceModel: ModelDeviceType}, exportLine("device_type", `"iPhone"`), head(`,"device_model":"iPhone"`), ""},
		{"device-model there", Rules{DeviceModel: ModelDeviceType}, exportLine("device_type", `"iPhone"`, "device_model", `"X"`), head(`,"device_model":"X"`), "device_type"},
		{"revenue", Rules{Revenue: Lift}, exportLine("event_properties", `{"$price":1.50,"$quantity":2,"$productId":"p","$revenueType":"t","\u0024revenue":3,"a":1}`),
			strings.TrimSuffix(head(`,"event_properties":{"a":1}`), "}") + `,"revenue":3,"price":1.50,"quantity":2,"productId":"p","revenueType":"t"}`, ""},
		{"revenue of other types", Rules{Revenue: Lift}, exportLine("event_properties", `{"$price":"1.50","$quantity":2.5,"$productId":7}`),
			head(`,"event_properties":{"$price":"1.50","$quantity":2.5,"$productId":7}`), ""},
		{"revenue is not copied", Rules{Revenue: Lift}, exportLine("event_properties", `{"$revenue":9}`), strings.TrimSuffix(head(`,"event_properties":{}`), "}") + `,"revenue":9}`, ""},
		{"keep", Rules{Keep: []string{"device_type", "start_version=first version", "event_time=original", "uuid"}},
			exportLine("device_type", `"iPhone"`, "start_version", `"1"`, "uuid", `"u"`, "paying", "true", "event_properties", `{"a": 1}`),
			head(`,"event_properties":{"a":1,"device_type":"iPhone","first version":"1","original":"2023-01-02 03:04:05.678901","uuid":"u"}`), "paying"},
		{"keep nothing", Rules{Keep: []string{"device_type"}}, exportLine("device_type", `null`, "event_properties", `{"a": 1}`), head(`,"event_properties":{"a": 1}`), ""},
		{"keep what is there", Rules{Keep: []string{"device_type=a"}}, exportLine("device_type", `"x"`, "event_properties", `{"a":1}`), " property-collision", ""},
		{"where", Rules{Where: `event_type in ["a", "b"] && time > 1600000000000 && user_id == ""`}, exportLine(), head(""), ""},
		{"where, not", Rules{Where: `event_type == "b"`}, exportLine(), " where", ""},
		{"where, properties", Rules{Where: `event_properties.n > 1 && user_properties["a b"]?.c == nil`}, exportLine("event_properties", `{"n":2}`), head(`,"event_properties":{"n":2}`), ""},
		{"where, error", Rules{Where: `event_properties.n > 1`}, exportLine("event_properties", `{"n":"secret"}`), " expression-error", ""},
		{"where, absent", Rules{Where: `event_properties.n > 1`}, exportLine(), " expression-error", ""},
		{"where, no object", Rules{Where: `"a" in event_properties`}, exportLine("event_properties", `"x"`), " expression-error", ""},
		{"where, no number", Rules{Where: `session_id > 1`}, exportLine("session_id", `"x"`), " expression-error", ""},
		{"where, kinds", Rules{Where: `session_id == -1 && location_lat == 1.5 && city == "é" && groups.g[0] == "x" && len(plan) == 0`},
			exportLine("session_id", "-1", "location_lat", "1.5", "city", `"\u00e9"`, "groups", `{"g":["x"]}`),
			head(`,"session_id":-1,"groups":{"g":["x"]},"city":"\u00e9","location_lat":1.5`), ""},
		{"event-rename", Rules{EventRename: []string{"b*=B", `a?\*=no`, "a=n=\"1\""}}, exportLine(), strings.Replace(head(""), `"a"`, `"n=\"1\""`, 1), ""},
		{"event-rename, first", Rules{EventRename: []string{"*=one", "a=two"}}, exportLine(), strings.Replace(head(""), `"a"`, `"one"`, 1), ""},
		{"property-drop", Rules{PropertyDrop: []string{"b*", "x::a", "user_properties.email"}},
			exportLine("event_properties", `{"a" : 1.0,"b":2,"\u0062c":{"d":[1]}}`, "user_properties", `{"email":"e","n":1}`),
			head(`,"event_properties":{"a":1.0},"user_properties":{"n":1}`), ""},
		{"property-drop of other events", Rules{PropertyDrop: []string{"x*::*"}}, exportLine("event_properties", `{ "a" : 1 }`), head(`,"event_properties":{ "a" : 1 }`), ""},
		{"property-keep", Rules{PropertyKeep: []string{"a", "c?"}}, exportLine("event_properties", `{"a":1,"b":2,"cd":3,"c":4}`, "user_properties", `{"z":1}`),
			head(`,"event_properties":{"a":1,"cd":3},"user_properties":{"z":1}`), ""},
		{"property-rename", Rules{PropertyRename: []string{"a=z", "utm_*_x=*.utm", "x::b=c", "q*=q"}}, exportLine("event_properties", `{"a":1e2,"utm_src_x":"s","b":3,"q1":4}`),
			head(`,"event_properties":{"z":1e2,"src.utm":"s","b":3,"q":4}`), ""},
		{"property-rename onto another", Rules{PropertyRename: []string{"a=b"}}, exportLine("event_properties", `{"a":1,"b":3}`), " property-collision", ""},
		{"property rules, a key twice", Rules{PropertyDrop: []string{"x"}}, exportLine("event_properties", `{"a":1,"a":3}`), " unreadable-properties", ""},
		{"property rules, no object", Rules{PropertyDrop: []string{"x"}}, exportLine("user_properties", `5`, "event_properties", `[]`), " unreadable-properties", ""},
		{"property-set", Rules{PropertySet: []string{`source="import"`, `sum=event_properties.a + 1`, `city=upper(city)`, `user_properties.first=user_properties.name`, `all=event_properties.l`}},
			exportLine("city", `"Bonn"`, "event_properties", `{"a":9007199254740993,"sum":0,"l":[1,2.5,null,"<é>"]}`, "user_properties", `{"name":"n"}`),
			head(`,"event_properties":{"a":9007199254740993,"sum":9007199254740994,"l":[1,2.5,null,"<é>"],"source":"import","city":"BONN","all":[1,2.5,null,"<é>"]},"user_properties":{"name":"n","first":"n"},"city":"Bonn"`), ""},
		{"property-set, none yet", Rules{PropertySet: []string{"a::x=1.0 / 3", "b::y=1"}}, exportLine(), head(`,"event_properties":{"x":0.3333333333333333}`), ""},
		{"property-set, error", Rules{PropertySet: []string{"x=1/0.0"}}, exportLine(), " expression-error", ""},
		{"order", Rules{Keep: []string{"device_type"}, PropertyRename: []string{"device_type=d", "amount=$revenue"}, PropertySet: []string{`e=event_properties.d + "!"`},
			Revenue: Lift, EventRename: []string{"a=b"}, Where: `event_type == "a" && not ("d" in event_properties)`},
			exportLine("device_type", `"i"`, "event_properties", `{"amount":5}`),
			`{"device_id":"device1","event_type":"b","time":1672628645678,"insert_id":"i1","event_properties":{"d":"i","e":"i!"},"$skip_user_properties_sync":true,"revenue":5}`, ""},
		{"identify operations", Rules{Identify: Keep, PropertyDrop: []string{"user_properties.email"}, PropertyRename: []string{"user_properties.a=b"}, PropertySet: []string{"user_properties.x=1"}},
			exportLine("event_type", `"$identify"`, "user_properties", `{"$set":{"email":1,"a":2},"$unset":{"email":"-"},"email":3}`),
			`{"device_id":"device1","event_type":"$identify","time":1672628645678,"insert_id":"i1","user_properties":{"$set":{"b":2}}}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			event, v, m := mapLine(tt.rules, tt.line)
			if v.kind != written {
				event = " " + v.rule
			}
			if event != tt.want {
				t.Errorf("%s\nbecame %s\nwant   %s\n(%s)", tt.line, event, tt.want, v.reason)
			}
			if strings.Contains(v.reason, "secret") {
				t.Errorf("the reason tells a value: %s", v.reason)
			}
			lost := map[string]int64{}
			for key := range strings.SplitSeq(tt.lost, ",") {
				if key != "" {
					lost[key] = 1
				}
			}
			if v.kind == written && !maps.Equal(m.lostCounts(), lost) {
				t.Errorf("lost %v, want %v", m.lostCounts(), lost)
			}
			if v.kind == dropped && m.pairs.n != 0 {
				t.Errorf("dropped, but the identities have %s", m.pairs.lines)
			}
			// Once more, with whatever the mapper remembers now.
			if again, w := m.event(nil, []byte(tt.line)); w != v || v.kind == written && string(again) != event+"\n" {
				t.Errorf("the same line again: %v %s", w, again)
			}
		})
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	for _, tt := range []struct {
		rules Rules
		want  string
	}{
		{Rules{Time: "processed_time"}, `unknown --time "processed_time": event_time, client_event_time, server_received_time or server_upload_time`},
		{Rules{Since: "yesterday"}, "--since"}, {Rules{Until: "2023-02-30"}, "--until"},
		{Rules{Since: "2023-01-02", Until: "2023-01-02"}, "--since must be before --until"},
		{Rules{SampleUsers: "1"}, "--sample-users"}, {Rules{SampleUsers: "0%"}, "--sample-users"}, {Rules{SampleUsers: "101%"}, "--sample-users"}, {Rules{SampleUsers: "NaN%"}, "--sample-users"},
		{Rules{SessionEvents: "no"}, "--session-events"}, {Rules{IP: "no"}, "--ip"}, {Rules{Library: "no"}, "--library"},
		{Rules{PartnerID: "no"}, "--partner-id"}, {Rules{DeviceModel: "no"}, "--device-model"}, {Rules{Revenue: "copy"}, "--revenue"},
		{Rules{GroupIdentify: "no"}, "--group-identify"}, {Rules{Unmapped: "no"}, "--unmapped"}, {Rules{Unmapped: Drop}, "--unmapped"},
		{Rules{IDs: "upper"}, "--ids"},
		{Rules{Keep: []string{"city"}}, "city has a key of its own"}, {Rules{Keep: []string{"=a"}}, "--keep"},
		{Rules{Keep: []string{"paying", "paying=x"}}, "paying twice"}, {Rules{Keep: []string{"paying=x", "data_type=x"}}, "two keys"},
		{Rules{Where: "event_type"}, "expected bool"}, {Rules{Where: "event_typ == 1"}, "unknown name event_typ"},
		{Rules{Where: `time > "x"`}, "mismatched types"}, {Rules{Where: "("}, "--where"}, {Rules{Where: `now().Unix() > time`}, "now"},
		{Rules{Where: `keys(event_properties)[0] == "a"`}, "keys"}, {Rules{Where: `insert_id == ""`}, "insert_id"},
		{Rules{PropertyDrop: []string{"a::"}}, "--property-drop"}, {Rules{PropertySet: []string{"a"}}, "--property-set"},
		{Rules{PropertySet: []string{"a=nosuch"}}, "unknown name nosuch"}, {Rules{PropertyRename: []string{"a=b*"}}, "star"},
		{Rules{EventRename: []string{"a"}}, "--event-rename"}, {Rules{EventRename: []string{"a=$identify"}}, "$identify"},
	} {
		if err := tt.rules.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %s", tt.rules, err, tt.want)
		}
	}
}

// A sample has whole users, a larger one all users of a smaller one, and about
// as many as it says.
func TestSampleUsers(t *testing.T) {
	in := func(share string, members ...string) bool {
		_, v, m := mapLine(Rules{SampleUsers: share}, exportLine(members...))
		if v.kind == dropped && (v.rule != "sample-users" || m.pairs.n != 0) {
			t.Errorf("verdict %v, %d pairs", v, m.pairs.n)
		}
		return v.kind == written
	}
	counts := map[string]int{}
	for i := range 2000 {
		id := fmt.Sprint(i)
		smaller := false
		for _, share := range []string{"1%", "10%", "50%", "100%"} {
			got := in(share, "amplitude_id", id)
			if got {
				counts[share]++
			}
			if smaller && !got {
				t.Errorf("%s is in a smaller sample than %s", id, share)
			}
			smaller = got
			if share == "10%" && (got != in(share, "amplitude_id", `"`+id+`"`, "user_id", `"other"`) || got != in(share, "user_id", `"`+id+`"`) || got != in(share, "device_id", `"`+id+`"`)) {
				t.Errorf("%s: the sample depends on more than who it is", id)
			}
		}
	}
	if counts["1%"] < 8 || counts["1%"] > 35 || counts["10%"] < 160 || counts["10%"] > 240 || counts["50%"] < 920 || counts["50%"] > 1080 || counts["100%"] != 2000 {
		t.Errorf("samples of 2000 users: %v", counts)
	}
}

// Rules do not change the insert id by hash, but for who it is of: it names the
// event.
func TestRulesKeepTheHash(t *testing.T) {
	line := exportLine("$insert_id", "null", "event_properties", `{"a":1}`, "user_id", `"u"`)
	id := eventKeys(t, Rules{}, line)["insert_id"]
	for _, rules := range []Rules{{PropertyDrop: []string{"a"}}, {EventRename: []string{"a=b"}}, {PropertySet: []string{"x=1"}}, {Keep: []string{"event_time"}}, {IP: Drop}} {
		if got := eventKeys(t, rules, line)["insert_id"]; got != id {
			t.Errorf("%+v: %s, want %s", rules, got, id)
		}
	}
}

// $groupidentify events are made when a group's properties change.
func TestGroupIdentify(t *testing.T) {
	m := newMapper(compiled(Rules{GroupIdentify: Synthesise}))
	var out []byte
	var before int64
	for _, properties := range []string{
		`{"company":{"Acme":{"n":1},"Other":{}}}`, `{"company":{"Acme":{"n":1}}}`, `{"company":{"Acme":{"n":2}},"x":{"\u0061":{"b":[1]}}}`, `{}`, `{"company":"odd"}`, `5`,
	} {
		var v verdict
		out, v = m.event(out, []byte(exportLine("group_properties", properties, "groups", `{"company":["Acme"]}`)))
		before += v.before
	}
	var made []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "$groupidentify") {
			keys, members := orderedMembers(line)
			if !hashID.MatchString(members["insert_id"]) || members["device_id"] != `"device1"` || members["time"] != "1672628645678" || len(keys) != 6 {
				t.Errorf("made %s", line)
			}
			made = append(made, members["groups"]+members["group_properties"])
		}
	}
	want := []string{`{"company":"Acme"}{"$set":{"n":1}}`, `{"company":"Acme"}{"$set":{"n":2}}`, `{"x":"\u0061"}{"$set":{"b":[1]}}`}
	if fmt.Sprint(made) != fmt.Sprint(want) || before != 3 || m.made != 3 {
		t.Errorf("made %q (%d), want %q", made, before, want)
	}
	if lost := m.lostCounts(); lost["group_properties"] != 2 { // the odd ones
		t.Errorf("lost %v", lost)
	}
}
