package validate

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Example is an event that breaks a rule, and one that does not but nearly. A
// text that ends with a newline is a whole input.
type Example struct {
	Rule    string
	Breaks  string
	Pointer string // where
	Edge    string
}

// ExampleOf returns the first example of a rule.
func ExampleOf(rule string) (Example, bool) {
	list := Examples()
	i := slices.IndexFunc(list, func(e Example) bool { return e.Rule == rule })
	if i < 0 {
		return Example{}, false
	}
	return list[i], true
}

// maxExample is how many bytes of a line of an example are shown.
const maxExample = 400

// Abbreviate makes an example fit to be shown.
func Abbreviate(text string) string {
	list := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	n := len(list)
	if n > 3 {
		list = list[:2]
	}
	for i, line := range list {
		if len(line) > maxExample {
			line = strings.ToValidUTF8(line[:maxExample], "")
			line = longRun.ReplaceAllString(line, "$1$2$1$2$1$2…")
			list[i] = fmt.Sprintf("%s… (%d bytes)", line[:min(len(line), 200)], len(text))
		}
	}
	if n > 3 {
		list = append(list, "… ("+strconv.Itoa(n)+" lines)")
	}
	return strings.ToValidUTF8(strings.Join(list, " ⏎ "), "�")
}

var longRun = regexp.MustCompile(`(?:(ä)ä{20,}|(x)x{20,})`)

// Examples are events that break the rules, and events that nearly do: several
// for most rules, none for those about files and about schemas of the user.
// They are told as of the first of January 2024.
func Examples() []Example {
	list := []Example{
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
		{rulePlan, eventWith("plan", `{"version":"1","version":"2","id":"x"}`), "/plan", eventWith("plan", `{"version":"1","version":"2"}`)},
		{ruleUnknownKey, eventWith("uuid", `"x"`), "/uuid", eventWith("idfa", `"x"`)},
		{ruleNesting, eventWith("event_properties", nested(41)), "/event_properties", eventWith("event_properties", nested(40))},
		{ruleNesting, eventWith("user_properties", nested(41)), "/user_properties", eventWith("user_properties", nested(40))},
		{ruleStringLength, eventWith("event_type", umlauts(1025)), "/event_type", eventWith("event_type", umlauts(1024))},
		{ruleStringLength, eventWith("user_id", umlauts(1025)), "/user_id", eventWith("user_id", umlauts(1024))},
		{ruleStringLength, eventWith("event_properties", `{"a":[1,`+umlauts(1025)+`]}`), "/event_properties", eventWith("event_properties", `{"a":[1,`+umlauts(1024)+`]}`)},
		{ruleStringLength, eventWith("groups", `{"a":`+umlauts(1025)+`}`), "/groups", eventWith("groups", `{"a":`+umlauts(1024)+`}`)},
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
		{ruleCurrency, eventWith("currency", `"EURO"`), "/currency", eventWith("currency", `"EUR"`)},
		{ruleCurrency, eventWith("currency", `"QQQ"`), "/currency", eventWith("currency", `"XCG"`)},
		{ruleCountry, eventWith("country", `"ZX"`), "/country", eventWith("country", `"DE"`)},
		{ruleCountry, eventWith("country", `"1"`), "/country", eventWith("country", `"Oman"`)},
	}
	return append(list, inputExamples()...)
}

// inputExamples are those of rules about more than one event.
func inputExamples() []Example {
	raw := `{"$insert_id":"a","event_type":"a","user_id":"user1","event_time":"2023-12-31 12:00:00.000000"}`
	device := func(id, insertID, kind string) string {
		return eventWith("user_id", ``, "device_id", `"`+id+`"`, "insert_id", `"`+insertID+`"`, "event_type", `"`+kind+`"`)
	}
	body := func(head, tail string, events ...string) string {
		return "{" + head + `"events":[` + strings.Join(events, ",") + "]" + tail + "}\n"
	}
	key := `"api_key":"k",`
	return []Example{
		{ruleTimeOld, lines(eventWith("time", `1701475200000`)), "", lines(eventWith("time", `1701475200001`))},
		{ruleReserved, lines(eventWith("event_properties", `{"[Amplitude] Page":"x"}`)), "", lines(eventWith("event_properties", `{"Amplitude":"x","$revenue":1}`))},
		{ruleReserved, lines(eventWith("event_type", `"$mine"`)), "", lines(eventWith("event_type", `"$identify"`))},
		{ruleRawExport, lines(raw), "", lines(eventWith("uuid", `"a"`))},
		{ruleInsertIDRepeated, lines(eventWith(), eventWith()), "/insert_id", lines(eventWith(), eventWith("insert_id", `"j"`))},
		{ruleInsertIDConflict, lines(eventWith(), eventWith("event_type", `"b"`)), "/insert_id", lines(eventWith(), eventWith())},
		{ruleInsertIDDevices, lines(device("device1", "i", "a"), device("device2", "i", "a")), "/insert_id", lines(device("device1", "i", "a"), device("device1", "i", "b"))},
		{ruleManyEventTypes, lines(many(maxEventTypes+1, "event_type", `"type%"`)...), "/event_type", lines(many(maxEventTypes, "event_type", `"type%"`)...)},
		{ruleManyEventProperties, lines(many(maxEventProperties+1, "event_properties", `{"p%":1}`)...), "/event_properties", lines(many(maxEventProperties, "event_properties", `{"p%":1}`)...)},
		{ruleManyUserProperties, lines(many(maxUserProperties+1, "user_properties", `{"p%":1}`)...), "/user_properties", lines(many(maxUserProperties, "user_properties", `{"p%":1}`)...)},
		{ruleNameCase, lines(eventWith("event_properties", `{"Page":1}`), eventWith("event_properties", `{"page":1}`)), "/event_properties", lines(eventWith("event_properties", `{"Page":1}`), eventWith("user_properties", `{"page":1}`))},
		{ruleNameCase, lines(eventWith(), eventWith("event_type", `"A"`)), "/event_type", lines(eventWith(), eventWith("event_type", `"B"`))},

		{ruleRequestKey, body("", "", eventWith()), "", body(key, "", eventWith())},
		{ruleRequestKey, body(`"api_key":null,`, "", eventWith()), "/api_key", body(key, "", eventWith())},
		{ruleRequestEvents, body(key, ""), "/events", body(key, "", eventWith())},
		{ruleRequestEvents, body(key, "", many(maxRequestEvents+1, "insert_id", `"%"`)...), "/events", body(key, "", many(maxRequestEvents, "insert_id", `"%"`)...)},
		{ruleRequestSize, body(key, "", eventWith("event_properties", padding(maxRequestBytes/2)), eventWith("event_properties", padding(maxRequestBytes/2))), "", body(key, "", eventWith("event_properties", padding(maxRequestBytes/2)))},
		{ruleRequestOptions, body(key, `,"options":{"min_id_length":0}`, eventWith()), "/options/min_id_length", body(key, `,"options":{"min_id_length":1}`, eventWith())},
		{ruleRequestOptions, body(key, `,"options":[]`, eventWith()), "/options", body(key, `,"options":{}`, eventWith())},
		{ruleRequestUnknown, body(key, `,"option":{}`, eventWith()), "/option", body(key, `,"options":{}`, eventWith())},
		{ruleRequestUnknown, body(key, `,"options":{"a":1}`, eventWith()), "/options/a", body(key, `,"options":{}`, eventWith())},
	}
}

func nested(depth int) string {
	return strings.Repeat(`{"k":`, depth-1) + "{}" + strings.Repeat("}", depth-1)
}

func umlauts(n int) string { return `"` + strings.Repeat("ä", n) + `"` }

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

// lines joins events to an input.
func lines(events ...string) string { return strings.Join(events, "\n") + "\n" }

// many makes n events that differ in one key.
func many(n int, name, pattern string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = eventWith(name, strings.ReplaceAll(pattern, "%", strconv.Itoa(i)))
	}
	return list
}

// eventWith makes an event that nothing is wrong with, but for the members given
// as key and JSON text; an empty text takes the member out.
func eventWith(members ...string) string {
	all := []string{"event_type", `"a"`, "user_id", `"user1"`, "insert_id", `"i"`, "time", "1600000000000"}
	for i := 0; i < len(members); i += 2 {
		at := -1
		for j := 0; j < len(all); j += 2 {
			if all[j] == members[i] {
				at = j
			}
		}
		switch {
		case at >= 0 && members[i+1] == "":
			all = slices.Delete(all, at, at+2)
		case at >= 0:
			all[at+1] = members[i+1]
		default:
			all = append(all, members[i], members[i+1])
		}
	}
	var b strings.Builder
	for i := 0; i < len(all); i += 2 {
		fmt.Fprintf(&b, `,%q:%s`, all[i], all[i+1])
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}
