package validate

import (
	"slices"
	"strings"
	"testing"

	"export2batch/internal/finding"
)

type ruleCase struct {
	rule    string
	breaks  string
	pointer string
	edge    string // does not break the rule, but nearly
}

func nested(depth int) string {
	return strings.Repeat(`{"k":`, depth-1) + "{}" + strings.Repeat("}", depth-1)
}

func text(n int) string { return `"` + strings.Repeat("ä", n) + `"` }

func groupTypes(n int) string {
	return "{" + strings.Join(numbered(n, `"t%":"v"`), ",") + "}"
}

func groupValues(n int) string {
	return `{"a":"one","b":[` + strings.Join(numbered(n-1, `"v%"`), ",") + "]}"
}

// padding makes the event that it is put in n bytes long.
func padding(n int) string {
	frame := `{"a":""}`
	n -= len(eventWith("event_properties", frame))
	return `{"a":"` + strings.Repeat("x", n) + `"}`
}

func numbered(n int, pattern string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.ReplaceAll(pattern, "%", string(rune('a'+i)))
	}
	return list
}

func ruleCases() []ruleCase {
	return []ruleCase{
		{ruleInvalidJSON, `{"event_type":"a"`, "", `  {"event_type":"a"}  `},
		{ruleInvalidJSON, "{\"event_type\":\"\xff\"}", "", `{"event_type":"\u00ff"}`},
		{ruleInvalidJSON, `event`, "", `"event"`},
		{ruleDuplicateKey, eventWith("ip", `"1.2.3.4","ip":"1.2.3.5"`), "", eventWith("event_properties", `{"a":1,"a":2}`)},
		{ruleType, `[]`, "", `{}`},
		{ruleType, eventWith("platform", `null`), "/platform", eventWith("platform", `""`)},
		{ruleType, eventWith("user_id", `12345678`), "/user_id", eventWith("user_id", `"12345678"`)},
		{ruleType, eventWith("revenue", `"1.5"`), "/revenue", eventWith("revenue", `1.5`)},
		{ruleType, eventWith("event_properties", `[]`), "/event_properties", eventWith("event_properties", `{}`)},
		{ruleType, eventWith("event_properties", `"{}"`), "/event_properties", eventWith("event_properties", `{"a":null}`)},
		{ruleType, eventWith("$skip_user_properties_sync", `"true"`), "/$skip_user_properties_sync", eventWith("$skip_user_properties_sync", `false`)},
		{ruleType, eventWith("plan", `{"version":1}`), "/plan/version", eventWith("plan", `{"version":"1"}`)},
		{ruleInteger, eventWith("session_id", `1.5`), "/session_id", eventWith("session_id", `-1`)},
		{ruleInteger, eventWith("quantity", `0.5`), "/quantity", eventWith("quantity", `1.0`)},
		{ruleInteger, eventWith("time", `1600000000000.5`), "/time", eventWith("time", `1.6e12`)},
		{ruleRequired, eventWith("event_type", ``), "", eventWith("event_type", `"x"`)},
		{ruleIDRequired, eventWith("user_id", ``), "", eventWith("user_id", ``, "device_id", `"device"`)},
		{ruleIDLength, eventWith("device_id", `"äöüß"`), "/device_id", eventWith("device_id", `"äöüßä"`)},
		{ruleIDLength, eventWith("user_id", `"\u0061bcd"`), "/user_id", eventWith("user_id", `"\u0061bcde"`)},
		{rulePlaceholder, eventWith("user_id", `"Undefined"`), "/user_id", eventWith("user_id", `"undefined."`)},
		{rulePlaceholder, eventWith("user_id", `"unkn\u006fwn"`), "/user_id", eventWith("user_id", `"unkn\u006fwns"`)},
		{rulePlaceholder, eventWith("device_id", `"00000000-0000-0000-0000-000000000000"`), "/device_id", eventWith("device_id", `"00000000-0000-0000-0000-000000000001"`)},
		{ruleEventType, eventWith("event_type", `""`), "/event_type", eventWith("event_type", `" "`)},
		{ruleTime, eventWith("time", `0`), "/time", eventWith("time", `1`)},
		{ruleTime, eventWith("time", `-1600000000000`), "/time", eventWith("time", `1600000000000`)},
		{rulePlan, eventWith("plan", `{"branch":"b","id":"x"}`), "/plan", eventWith("plan", `{"branch":"b","source":"s","version":"v"}`)},
		{ruleUnknownKey, eventWith("uuid", `"x"`), "/uuid", eventWith("idfa", `"x"`)},
		{ruleNesting, eventWith("event_properties", nested(41)), "/event_properties", eventWith("event_properties", nested(40))},
		{ruleNesting, eventWith("user_properties", nested(41)), "/user_properties", eventWith("user_properties", nested(40))},
		{ruleStringLength, eventWith("event_type", text(1025)), "/event_type", eventWith("event_type", text(1024))},
		{ruleStringLength, eventWith("user_id", text(1025)), "/user_id", eventWith("user_id", text(1024))},
		{ruleStringLength, eventWith("event_properties", `{"a":[1,`+text(1025)+`]}`), "/event_properties", eventWith("event_properties", `{"a":[1,`+text(1024)+`]}`)},
		{ruleStringLength, eventWith("groups", `{"a":`+text(1025)+`}`), "/groups", eventWith("groups", `{"a":`+text(1024)+`}`)},
		{ruleStringLength, eventWith("event_properties", `{"a":"\"`+strings.Repeat(`\u0061`, 1024)+`"}`), "/event_properties", eventWith("event_properties", `{"a":"`+strings.Repeat(`\u0061`, 1024)+`"}`)},
		{ruleGroupTypes, eventWith("groups", groupTypes(6)), "/groups", eventWith("groups", groupTypes(5))},
		{ruleGroupCount, eventWith("groups", groupValues(11)), "/groups", eventWith("groups", groupValues(10))},
		{ruleNumberRange, eventWith("event_properties", `{"a":1e309}`), "/event_properties", eventWith("event_properties", `{"a":1e308}`)},
		{ruleNumberRange, eventWith("price", `1e9999999999`), "/price", eventWith("price", `1e-300`)},
		{ruleNumberRange, eventWith("quantity", `1e-9999999999`), "/quantity", eventWith("quantity", `1e300`)},
		{ruleNumberPrecision, eventWith("session_id", `9007199254740993`), "/session_id", eventWith("session_id", `9007199254740992`)},
		{ruleNumberPrecision, eventWith("user_properties", `{"a":{"b":-9007199254740993}}`), "/user_properties", eventWith("user_properties", `{"a":{"b":-9007199254740992,"c":0.90071992547409931234}}`)},
		{ruleTimeUnit, eventWith("time", `1600000000`), "/time", eventWith("time", `100000000000`)},
		{ruleTimeUnit, eventWith("time", `1600000000000000`), "/time", eventWith("time", `99999999999999`)},
		{ruleTimeUnit, eventWith("time", `1600000000000000000`), "/time", eventWith("time", `1600000000000`)},
		{ruleTimeMissing, eventWith("time", ``), "", eventWith("time", `1600000000000`)},
		{ruleTimeBefore2000, eventWith("time", `946684799999`), "/time", eventWith("time", `946684800000`)},
		{ruleTimeFuture, eventWith("time", `1704067200001`), "/time", eventWith("time", `1704067200000`)},
		{ruleInsertID, eventWith("insert_id", ``), "", eventWith("insert_id", `" "`)},
		{ruleInsertID, eventWith("insert_id", `""`), "/insert_id", eventWith("insert_id", `"0"`)},
		{ruleRemoteIP, eventWith("ip", `"$remote"`), "/ip", eventWith("ip", `"remote"`)},
		{ruleRemoteIP, eventWith("ip", `"\u0024remote"`), "/ip", eventWith("ip", `"1.2.3.4"`)},
		{ruleOperation, eventWith("user_properties", `{"b":1,"$setOnce":{}}`), "/user_properties", eventWith("event_type", `"$identify"`, "user_properties", `{"$setOnce":{}}`)},
		{ruleOperation, eventWith("user_properties", `{"\u0024set":{}}`), "/user_properties", eventWith("user_properties", `{"a":{"$set":"$set"},"$sets":1}`)},
		{ruleSkippedIdentify, eventWith("event_type", `"$identify"`, "$skip_user_properties_sync", `true`), "/$skip_user_properties_sync", eventWith("event_type", `"$identify"`, "$skip_user_properties_sync", `false`)},
		{ruleRevenueTwice, eventWith("revenue", `1`, "event_properties", `{"$revenue":1}`), "/revenue", eventWith("revenue", `1`, "event_properties", `{"revenue":1,"a":{"$revenue":1}}`)},
		{ruleRevenueTwice, eventWith("price", `1`, "event_properties", `{"$price":1}`), "/price", eventWith("quantity", `1`, "event_properties", `{"$price":1}`)},
		{ruleLocation, eventWith("country", `"Germany"`, "city", `"Berlin"`), "", eventWith("country", `"Germany"`, "city", `"Berlin"`, "region", `"Berlin"`)},
		{ruleLocation, eventWith("dma", `"Miami"`), "", eventWith("language", `"English"`)},
		{ruleEventSize, eventWith("event_properties", padding(maxRequestBytes-envelopeBytes+1)), "", eventWith("event_properties", padding(maxRequestBytes-envelopeBytes))},
	}
}

func TestRules(t *testing.T) {
	c := newTestChecker(t, Options{})
	tried := map[string]bool{}
	for _, tc := range ruleCases() {
		tried[tc.rule] = true
		show := tc.breaks[:min(len(tc.breaks), 200)]
		if found := mustCheck(t, c, tc.breaks); !slices.Contains(short(found), tc.pointer+" "+tc.rule) {
			t.Errorf("%s: not found in %s, but %q", tc.rule, show, short(found))
		}
		for _, f := range mustCheck(t, c, tc.edge) {
			if f.Rule == tc.rule {
				t.Errorf("%s: found in %s", tc.rule, tc.edge[:min(len(tc.edge), 200)])
			}
		}
	}
	elsewhere := []string{ // TestRun… try these
		ruleDamaged, ruleTooLong, ruleArchive, ruleNestedArchive, ruleUnsafePath, ruleSchema,
	}
	for _, r := range Rules() {
		if !tried[r.ID] && !slices.Contains(elsewhere, r.ID) {
			t.Errorf("no event breaks %s", r.ID)
		}
	}
}

func TestRulesAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s: twice", r.ID)
		}
		seen[r.ID] = true
		if r.Source == "" || !strings.HasSuffix(r.Explain, ".") {
			t.Errorf("%s: no source, or no sentence: %q", r.ID, r.Explain)
		}
		if !slices.Contains([]finding.Severity{finding.Error, finding.Warn, finding.Info}, r.Severity) {
			t.Errorf("%s: severity %q", r.ID, r.Severity)
		}
	}
}

func TestOneFindingForOneFault(t *testing.T) {
	c := newTestChecker(t, Options{})
	for line, want := range map[string][]string{
		eventWith(): nil,
		eventWith("user_id", `"abcd"`, "platform", `null`, "ip", `"$remote"`): {"/ip remote-ip", "/platform type", "/user_id id-length"},
		eventWith("time", `1600000000.5`):                                     {"/time integer", "/time time-unit"},
		eventWith("time", `1e9999999999`):                                     {"/time number-range"},
		`{}`:                                                                  {" id-required", " insert-id-missing", " required", " time-missing"},
		eventWith("user_id", `""`):                                            {"/user_id id-length", "/user_id placeholder-id"},
	} {
		if got := short(mustCheck(t, c, line)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestSeverityOverrides(t *testing.T) {
	line := eventWith("user_id", `"abcd"`, "insert_id", ``)
	c := newTestChecker(t, Options{Rules: map[string]string{ruleIDLength: "info", ruleInsertID: Off}})
	found := mustCheck(t, c, line)
	if len(found) != 1 || found[0].Rule != ruleIDLength || found[0].Severity != finding.Info {
		t.Errorf("found %+v", found)
	}
}

func TestMinIDLength(t *testing.T) {
	for min, want := range map[int][]string{
		1: nil,
		4: nil,
		5: {"/user_id id-length"},
	} {
		c := newTestChecker(t, Options{MinIDLength: min})
		if got := short(mustCheck(t, c, eventWith("user_id", `"abcd"`))); !slices.Equal(got, want) {
			t.Errorf("least length %d: %q, want %q", min, got, want)
		}
	}
	c := newTestChecker(t, Options{MinIDLength: 1})
	if got := short(mustCheck(t, c, eventWith("user_id", `""`))); !slices.Contains(got, "/user_id placeholder-id") {
		t.Errorf("an empty id with least length 1: %q", got)
	}
}

func TestValidateOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no paths":       {},
		"negative":       {Paths: []string{"x"}, MinIDLength: -1},
		"jobs":           {Paths: []string{"x"}, Jobs: -1},
		"unknown rule":   {Paths: []string{"x"}, Rules: map[string]string{"nosuch": Off}},
		"fixed rule":     {Paths: []string{"x"}, Rules: map[string]string{ruleInvalidJSON: Off}},
		"wrong severity": {Paths: []string{"x"}, Rules: map[string]string{ruleType: "fatal"}},
	} {
		if o.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := (Options{Paths: []string{"x"}, Rules: map[string]string{ruleType: "warn"}}).Validate(); err != nil {
		t.Error(err)
	}
}
