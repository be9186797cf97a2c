package convert

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// Every row of the mapping table: an export key with a value, and what
// becomes of it. An empty key means that it has no place.
func TestMappingTable(t *testing.T) {
	for _, tt := range []struct{ export, value, batch, want string }{
		{"$insert_id", `"i9"`, "insert_id", `"i9"`},
		{"event_time", `"1970-01-01 00:00:00.001999"`, "time", "1"},
		{"version_name", `"1.2"`, "app_version", `"1.2"`},
		{"device_carrier", `"Unknown"`, "carrier", `"Unknown"`},
		{"device_carrier", `"--"`, "carrier", `"--"`},
		{"ip_address", `"1.2.3.4"`, "ip", `"1.2.3.4"`},
		{"user_id", `"user1"`, "user_id", `"user1"`},
		{"device_id", `"device2"`, "device_id", `"device2"`},
		{"event_type", `"Ünï \"code\""`, "event_type", `"Ünï \"code\""`},
		{"event_properties", `{"b": 1, "a":[ ]}`, "event_properties", `{"b": 1, "a":[ ]}`},
		{"event_properties", `{"n":9007199254740993,"m":1.10,"e":1E+2}`, "event_properties", `{"n":9007199254740993,"m":1.10,"e":1E+2}`},
		{"event_properties", `{"$revenue":9.99,"$price":3.33,"$quantity":3,"$productId":"p","$revenueType":"r","$receipt":"x"}`,
			"event_properties", `{"$revenue":9.99,"$price":3.33,"$quantity":3,"$productId":"p","$revenueType":"r","$receipt":"x"}`},
		{"user_properties", `{"x":"\u00e9","x":"twice"}`, "user_properties", `{"x":"\u00e9","x":"twice"}`},
		{"groups", `{"company":["a","b"]}`, "groups", `{"company":["a","b"]}`},
		{"event_id", "9007199254740993", "event_id", "9007199254740993"},
		{"session_id", "-1", "session_id", "-1"},
		{"platform", `"iOS"`, "platform", `"iOS"`},
		{"os_name", `"ios"`, "os_name", `"ios"`},
		{"os_version", `"17.1"`, "os_version", `"17.1"`},
		{"device_brand", `"b"`, "device_brand", `"b"`},
		{"device_manufacturer", `"m"`, "device_manufacturer", `"m"`},
		{"device_model", `"d"`, "device_model", `"d"`},
		{"country", `"Japan"`, "country", `"Japan"`},
		{"region", `"東京都"`, "region", `"東京都"`},
		{"city", `"新宿区"`, "city", `"新宿区"`},
		{"dma", `"501"`, "dma", `"501"`},
		{"language", `"Hindi"`, "language", `"Hindi"`},
		{"location_lat", "35.680000000000000001", "location_lat", "35.680000000000000001"},
		{"location_lng", "-139.69", "location_lng", "-139.69"},
		{"idfa", `"i"`, "idfa", `"i"`},
		{"adid", `"a"`, "adid", `"a"`},
		{"library", `"amplitude-js/1"`, "library", `"amplitude-js/1"`},
		{"plan", `{"version":"3","branch":"main","source":"web"}`, "plan", `{"version":"3","branch":"main","source":"web"}`},
		{"city", `""`, "city", `""`},

		{"group_properties", `{"company":{"a":{}}}`, "", ""},
		{"partner_id", `"p"`, "", ""},
		{"device_type", `"iPhone 15"`, "", ""},
		{"device_family", `"Apple iPhone"`, "", ""},
		{"price", "1.5", "", ""}, {"quantity", "2", "", ""}, {"revenue", "3", "", ""}, {"product_id", `"p"`, "", ""},
		{"amplitude_id", "1", "", ""}, {"app", "1", "", ""}, {"uuid", `"u"`, "", ""}, {"data", `{"a":1}`, "", ""},
		{"data_type", `"event"`, "", ""}, {"paying", "true", "", ""}, {"start_version", `"1"`, "", ""},
		{"user_creation_time", `"2022-01-01 00:00:00"`, "", ""}, {"client_event_time", `"2022-01-01 00:00:00"`, "", ""},
		{"client_upload_time", `"2022-01-01 00:00:00"`, "", ""}, {"processed_time", `"2022-01-01 00:00:00"`, "", ""},
		{"server_received_time", `"2022-01-01 00:00:00"`, "", ""}, {"server_upload_time", `"2022-01-01 00:00:00"`, "", ""},
		{"sample_rate", "0.5", "", ""}, {"source_id", `"s"`, "", ""}, {"$schema", "13", "", ""}, {"$insert_key", `"k"`, "", ""},
		{"amplitude_event_type", `"session_start"`, "", ""}, {"amplitude_attribution_ids", `["a"]`, "", ""},
		{"is_attribution_event", "false", "", ""}, {"global_user_properties", `{"a":1}`, "", ""},
		{"followed_an_identify", "false", "", ""}, {"first_event", "true", "", ""}, {"display_name", `"d"`, "", ""},
		{"merged_amplitude_id", "3", "", ""}, {"a key of next year", `"x"`, "", ""},
	} {
		plain := eventKeys(t, Rules{}, exportLine())
		line := exportLine(tt.export, tt.value)
		got := eventKeys(t, Rules{}, line)
		want := maps.Clone(plain)
		if tt.batch != "" {
			want[tt.batch] = tt.want
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s\nbecame %v\nwant %v", line, got, want)
		}
		_, _, m := mapLine(Rules{}, line)
		lost := map[string]int64{}
		if tt.batch == "" {
			lost[tt.export] = 1
		}
		if !maps.Equal(m.lostCounts(), lost) {
			t.Errorf("%s\nlost %v, want %v", line, m.lostCounts(), lost)
		}
		if slices.Contains([]string{"event_type", "device_id", "event_time", "$insert_id"}, tt.export) {
			continue // null has a meaning of its own, tested elsewhere
		}
		if got := eventKeys(t, Rules{}, exportLine(tt.export, "null")); !maps.Equal(got, plain) {
			t.Errorf("%s null became %v", tt.export, got)
		}
	}
}

func TestPlan(t *testing.T) {
	for _, tt := range []struct {
		plan, want string
		lost       map[string]int64
	}{
		{`{}`, "", nil},
		{` { } `, "", nil},
		{`[]`, "", nil},
		{`""`, "", nil},
		{`{"branch":null}`, "", nil},
		{`{"versionId":"v"}`, "", map[string]int64{"plan.versionId": 1}},
		{`{"versionId":"","branch":"b"}`, `{"branch":"b"}`, nil},
		{`{ "branch" : "b" , "other" : { "a" : 1 } , "source" : null , "version" : "1" }`, `{"branch":"b","version":"1"}`, map[string]int64{"plan.other": 1}},
		{`{"br\u0061nch":"b"}`, `{"branch":"b"}`, nil},
		{`{"\u006fther":1}`, "", map[string]int64{"plan.other": 1}},
		// For validate to find, as they are: what they mean cannot be known.
		{`"main"`, `"main"`, nil},
		{`{"branch":"a","branch":"b"}`, `{"branch":"a","branch":"b"}`, nil},
	} {
		line := exportLine("plan", tt.plan)
		if got := eventKeys(t, Rules{}, line)["plan"]; got != tt.want {
			t.Errorf("plan %s became %s, want %s", tt.plan, got, tt.want)
		}
		if _, _, m := mapLine(Rules{}, line); !maps.Equal(m.lostCounts(), tt.lost) {
			t.Errorf("plan %s lost %v, want %v", tt.plan, m.lostCounts(), tt.lost)
		}
	}
}

func TestRemoteAddressIsNeverSent(t *testing.T) {
	for _, value := range []string{`"$remote"`, `"\u0024remote"`, `"$remot\u0065"`} {
		line := exportLine("ip_address", value)
		if got, ok := eventKeys(t, Rules{}, line)["ip"]; ok {
			t.Errorf("%s: sent as %s", value, got)
		}
		if _, _, m := mapLine(Rules{}, line); m.lostCounts()["ip_address"] != 1 {
			t.Errorf("%s: lost %v", value, m.lostCounts())
		}
	}
}

func TestIdentifyLines(t *testing.T) {
	const flag = "$skip_user_properties_sync"
	for _, tt := range []struct {
		identify, properties string
		kept                 bool
	}{
		{IdentifyAuto, Skip, false}, {IdentifyAuto, Sync, true},
		{Keep, Skip, true}, {Keep, Sync, true},
		{Drop, Skip, false}, {Drop, Sync, false},
	} {
		rules := Rules{Identify: tt.identify, UserProperties: tt.properties}
		for _, typ := range []string{`"$identify"`, `"$groupidentify"`, `"\u0024identify"`} {
			line := exportLine("event_type", typ, "user_properties", `{"$set":{"a":1}}`, "group_properties", `{"$set":{"b":2}}`)
			event, v, m := mapLine(rules, line)
			if !tt.kept {
				want := strings.ReplaceAll(strings.Trim(typ, `"`), `\u0024`, "$")
				if v.kind != dropped || v.rule != want || event != "" || len(m.lostCounts()) > 0 {
					t.Errorf("%v %s: verdict %d %s %q, lost %v", rules, typ, v.kind, v.rule, event, m.lostCounts())
				}
				continue
			}
			got := eventKeys(t, rules, line)
			if got["event_type"] != typ || got["user_properties"] != `{"$set":{"a":1}}` || got[flag] != "" {
				t.Errorf("%v %s: %v", rules, typ, got)
			}
			isGroup := typ == `"$groupidentify"`
			if has := got["group_properties"] == `{"$set":{"b":2}}`; has != isGroup || (m.lostCounts()["group_properties"] == 0) != isGroup {
				t.Errorf("%v %s: group properties %q, lost %v", rules, typ, got["group_properties"], m.lostCounts())
			}
		}
		// Events of all other types are never dropped, and skip the sync or not.
		got := eventKeys(t, rules, exportLine("event_type", `"$identify "`))
		if has := got[flag] == "true"; has != (tt.properties == Skip) {
			t.Errorf("%v: %s is %q", rules, flag, got[flag])
		}
	}
}

func TestIDs(t *testing.T) {
	for _, tt := range []struct{ value, want, rule string }{
		{`"u"`, `"u"`, ""},
		{`"\u00e9"`, `"\u00e9"`, ""},
		{`12345`, `"12345"`, ""},
		{`9007199254740993`, `"9007199254740993"`, ""},
		{`-1`, `"-1"`, ""},
		{`0`, `"0"`, ""},
		{`""`, "", ""},
		{`null`, "", ""},
		{``, "", ""},
		{`1.5`, "", ruleInvalidID},
		{`1e5`, "", ruleInvalidID},
		{`1E5`, "", ruleInvalidID},
		{`true`, "", ruleInvalidID},
		{`false`, "", ruleInvalidID},
		{`{}`, "", ruleInvalidID},
		{`{"a":1}`, "", ruleInvalidID},
		{`[]`, "", ruleInvalidID},
		{`["u"]`, "", ruleInvalidID},
	} {
		for _, key := range []string{"user_id", "device_id"} {
			other := map[string]string{"user_id": "device_id", "device_id": "user_id"}[key]
			line := exportLine(key, tt.value, other, `"other1"`)
			_, v, _ := mapLine(Rules{}, line)
			if v.rule != tt.rule {
				t.Errorf("%s: rule %q, want %q", line, v.rule, tt.rule)
				continue
			}
			if tt.rule == "" {
				if got := eventKeys(t, Rules{}, line)[key]; got != tt.want {
					t.Errorf("%s: %s is %s, want %s", line, key, got, tt.want)
				}
			}
			if tt.want == "" && tt.rule == "" { // no id at all
				if _, v, _ := mapLine(Rules{}, exportLine(key, tt.value, other, "null")); v.rule != ruleNoID {
					t.Errorf("%s alone as %q: rule %q", key, tt.value, v.rule)
				}
			}
		}
	}
}

func TestLinesSetAside(t *testing.T) {
	for _, tt := range []struct{ line, rule string }{
		{``, ruleInvalidJSON},
		{`{`, ruleInvalidJSON},
		{`[]`, ruleInvalidJSON},
		{`null`, ruleInvalidJSON},
		{`"event"`, ruleInvalidJSON},
		{`{"event_type":"a"}}`, ruleInvalidJSON},
		{exportLine() + exportLine(), ruleInvalidJSON},
		{exportLine() + ",", ruleInvalidJSON},
		{strings.TrimSuffix(exportLine(), "}"), ruleInvalidJSON},
		{exportLine("city", `"a`+"\xff"+`"`), ruleInvalidJSON},
		{exportLine("city", `"\ud83d"`), ruleInvalidJSON},
		{exportLine("city", "\"tab\there\""), ruleInvalidJSON},
		{exportLine("city", `"a"`, `city" : 1, "city`, `"b"`), ruleInvalidJSON},
		{exportLine("n", "01"), ruleInvalidJSON},
		{exportLine("n", "NaN"), ruleInvalidJSON},
		{exportLine("n", strings.Repeat("[", 1000)+strings.Repeat("]", 1000)), ruleInvalidJSON},
		{`{}`, ruleEventType},
		{exportLine("event_type", ""), ruleEventType},
		{exportLine("event_type", "null"), ruleEventType},
		{exportLine("event_type", `""`), ruleEventType},
		{exportLine("event_type", "1"), ruleEventType},
		{exportLine("event_type", `{"a":1}`), ruleEventType},
		{exportLine("device_id", ""), ruleNoID},
	} {
		event, v, m := mapLine(Rules{}, tt.line)
		if v.kind != refused || v.rule != tt.rule || v.reason == "" || event != "" {
			t.Errorf("%.100q: verdict %d %s %q, want %s", tt.line, v.kind, v.rule, v.reason, tt.rule)
		}
		if len(m.lostCounts()) > 0 || len(m.insertIDs) > 0 {
			t.Errorf("%.100q: counted %v %v, though nothing was written", tt.line, m.lostCounts(), m.insertIDs)
		}
	}
	if _, v, _ := mapLine(Rules{}, exportLine("n", strings.Repeat("[", 999)+strings.Repeat("]", 999))); v.kind != written {
		t.Errorf("1000 levels: %s", v.reason)
	}
}

func TestMergedIDLines(t *testing.T) {
	const merged = `{"scope":328567,"merge_time":"2023-01-02 03:04:05","merge_server_time":"2023-01-02 03:04:06","amplitude_id":1,"merged_amplitude_id":2}`
	if _, v, m := mapLine(Rules{}, merged); v.kind != mergedIDs || string(m.pairs.lines) != `{"amplitude_id":1,"merged_amplitude_id":2}`+"\n" {
		t.Errorf("verdict %d, pairs %s", v.kind, m.pairs.lines)
	}
	// An event that only has such keys is an event, and one of them alone says nothing.
	if _, v, _ := mapLine(Rules{}, exportLine("merge_time", `"x"`, "merged_amplitude_id", "2")); v.kind != written {
		t.Errorf("an event: verdict %d", v.kind)
	}
	for _, line := range []string{`{"merge_time":"x"}`, `{"merged_amplitude_id":1}`, `{"merge_time":null,"merged_amplitude_id":1}`} {
		if _, v, _ := mapLine(Rules{}, line); v.rule != ruleEventType {
			t.Errorf("%s: verdict %d %s", line, v.kind, v.rule)
		}
	}
}
