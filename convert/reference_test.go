package convert

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The reference converter does what the table of the mapping says, slowly,
// with encoding/json and the time package. It shares nothing with the mapper
// but the options and the names of the outcomes.

// copied are the keys that keep their values, by export key.
var copied = map[string]string{
	"event_type": "event_type", "event_properties": "event_properties", "user_properties": "user_properties",
	"groups": "groups", "event_id": "event_id", "session_id": "session_id", "platform": "platform",
	"os_name": "os_name", "os_version": "os_version", "device_brand": "device_brand",
	"device_manufacturer": "device_manufacturer", "device_model": "device_model", "country": "country",
	"region": "region", "city": "city", "dma": "dma", "language": "language", "location_lat": "location_lat",
	"location_lng": "location_lng", "idfa": "idfa", "adid": "adid", "library": "library",
	"version_name": "app_version", "device_carrier": "carrier", "ip_address": "ip",
}

type outcome struct {
	kind  verdictKind
	event map[string]string // written: JSON texts; insert_id "" stands for any hash
	lost  map[string]int64
}

// reference converts one line.
func reference(rules Rules, line []byte) outcome {
	export, ok := decodeLine(line)
	if !ok {
		return outcome{kind: refused}
	}
	eventType := stringOf(export["event_type"])
	if export["event_type"] == "" && export["merge_time"] != "" && export["merged_amplitude_id"] != "" {
		return outcome{kind: mergedIDs}
	}
	if eventType == "" {
		return outcome{kind: refused}
	}
	event, used := map[string]string{}, map[string]bool{}
	if id, _ := idOf(export["user_id"]); id != "" && strings.Contains(rules.IDs, "trim") { // the only --ids of ruleSets
		export["user_id"] = trimmedID(id)
	}
	if id, _ := idOf(export["device_id"]); id != "" && strings.Contains(rules.IDs, "trim") {
		export["device_id"] = trimmedID(id)
	}
	for _, key := range []string{"user_id", "device_id"} {
		id, ok := idOf(export[key])
		if !ok {
			return outcome{kind: refused}
		}
		if id != "" {
			event[key] = id
		}
		used[key] = true
	}
	sessions := false
	identify := eventType == "$identify" || eventType == "$groupidentify"
	if identify && (rules.Identify == "drop" || rules.Identify == "auto" && rules.UserProperties == "skip") {
		return outcome{kind: dropped}
	}
	if len(event) == 0 {
		return outcome{kind: refused}
	}
	if rules.SessionEvents == "drop" && (eventType == "session_start" || eventType == "session_end") {
		sessions = true
	}
	for _, key := range append([]string{cmp.Or(rules.Time, "event_time")}, "event_time", "client_event_time", "server_received_time", "server_upload_time") {
		if isEmpty(export[key]) {
			continue
		}
		ms, ok := referenceTime(stringOf(export[key]))
		if !ok {
			return outcome{kind: refused}
		}
		event["time"] = ms
		used[key] = true
		break
	}
	if event["time"] == "" {
		return outcome{kind: refused}
	}
	if ms, _ := strconv.ParseInt(event["time"], 10, 64); sessions || rules.Since != "" && ms < millis(rules.Since) || rules.Until != "" && ms >= millis(rules.Until) {
		return outcome{kind: dropped}
	}
	event["insert_id"] = ""
	for _, key := range []string{"$insert_id", "uuid"} {
		if id, ok := idOf(export[key]); ok && id != "" && (key == "uuid" || rules.InsertID == "auto") {
			event["insert_id"], used[key] = id, true
			break
		}
	}
	for key, batchKey := range copied {
		if rules.IP == "drop" && key == "ip_address" || rules.Library == "drop" && key == "library" {
			continue
		}
		if export[key] != "" && !(key == "ip_address" && stringOf(export[key]) == "$remote") {
			event[batchKey], used[key] = export[key], true
		}
	}
	if export["group_properties"] != "" && eventType == "$groupidentify" {
		event["group_properties"], used["group_properties"] = export["group_properties"], true
	}
	if rules.PartnerID == "keep" && export["partner_id"] != "" {
		event["partner_id"], used["partner_id"] = export["partner_id"], true
	}
	if rules.DeviceModel == "device-type" && event["device_model"] == "" && export["device_type"] != "" {
		event["device_model"], used["device_type"] = export["device_type"], true
	}
	lost := map[string]int64{}
	used["plan"] = true
	if p := referencePlan(export["plan"], lost); p != "" {
		event["plan"] = p
	}
	if rules.UserProperties == "skip" && !identify {
		event["$skip_user_properties_sync"] = "true"
	}
	for key, value := range export {
		if !used[key] && !isEmpty(value) {
			lost[key]++
		}
	}
	return outcome{kind: written, event: event, lost: lost}
}

func millis(bound string) int64 {
	t, err := time.Parse(time.DateOnly, bound)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

func trimmedID(id string) string {
	b, err := json.Marshal(strings.TrimSpace(stringOf(id)))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// decodeLine reads the members of an object; those that are null are left out.
func decodeLine(line []byte) (members map[string]string, ok bool) {
	if !utf8.Valid(line) || !json.Valid(line) || hasHalfPair(line) || depth(line) > 1000 {
		return nil, false
	}
	keys, members := orderedMembers(string(line))
	if keys == nil || len(keys) != len(members) {
		return nil, false
	}
	for key, value := range members {
		if value == "null" {
			delete(members, key)
		}
	}
	return members, true
}

// orderedMembers reads the members of an object and the order of its keys; a
// key that occurs twice is twice among the keys.
func orderedMembers(object string) (keys []string, members map[string]string) {
	dec := json.NewDecoder(strings.NewReader(object))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return nil, nil
	}
	keys, members = []string{}, map[string]string{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, nil
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, nil
		}
		keys = append(keys, key.(string))
		members[key.(string)] = string(value)
	}
	return keys, members
}

// hasHalfPair finds an escaped surrogate without its other half in valid JSON.
func hasHalfPair(text []byte) bool {
	unit := func(i int) int64 {
		if i+6 > len(text) || text[i] != '\\' || text[i+1] != 'u' {
			return -1
		}
		n, _ := new(big.Int).SetString(string(text[i+2:i+6]), 16)
		return n.Int64()
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		switch u := unit(i); {
		case u >= 0xdc00 && u <= 0xdfff:
			return true
		case u >= 0xd800 && u < 0xdc00:
			if low := unit(i + 6); low < 0xdc00 || low > 0xdfff {
				return true
			}
			i += 11
		default:
			i++
		}
	}
	return false
}

// depth is how many containers are open at once in valid JSON.
func depth(text []byte) (deepest int) {
	open := 0
	for i, quoted := 0, false; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			open++
			deepest = max(deepest, open)
		case c == '}' || c == ']':
			open--
		}
	}
	return deepest
}

// stringOf is what a JSON string means; "" for anything else.
func stringOf(value string) (s string) {
	if json.Unmarshal([]byte(value), &s) != nil {
		return ""
	}
	return s
}

// idOf is the id that a value stands for, as JSON, or "" for none.
func idOf(value string) (id string, ok bool) {
	switch {
	case value == "" || value == `""`:
		return "", true
	case value[0] == '"':
		return value, true
	case strings.Trim(value, "-0123456789") == "":
		return `"` + value + `"`, true
	}
	return "", false
}

func isEmpty(value string) bool {
	if value == "" {
		return true
	}
	var b bytes.Buffer
	if json.Compact(&b, []byte(value)) != nil {
		return false
	}
	s := b.String()
	return s == `""` || s == "{}" || s == "[]" || s == "null"
}

var timePattern = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d+))? ?(?:[Zz]|UTC|([+-])(\d\d):?(\d\d)?)?$`)

// referenceTime reads a time as ms since the epoch.
func referenceTime(text string) (ms string, ok bool) {
	m := timePattern.FindStringSubmatch(text)
	if m == nil || strings.HasSuffix(text, ":") {
		return "", false
	}
	zone := "Z"
	if m[4] != "" {
		if m[5] > "23" || m[6] > "59" {
			return "", false
		}
		zone = m[4] + m[5] + ":" + (m[6] + "00")[:2]
	}
	t, err := time.Parse(time.RFC3339, m[1]+"T"+m[2]+zone)
	if err != nil {
		return "", false
	}
	fraction, _ := new(big.Int).SetString((m[3] + "000")[:3], 10)
	total := new(big.Int).Mul(big.NewInt(t.Unix()), big.NewInt(1000))
	return total.Add(total, fraction).String(), true
}

// referencePlan keeps what the Batch API takes of a plan, in its order.
func referencePlan(plan string, lost map[string]int64) string {
	if isEmpty(plan) {
		return ""
	}
	keys, members := orderedMembers(plan)
	if keys == nil || len(keys) != len(members) {
		return plan // no object, or a key twice: for validate to find
	}
	var kept []string
	for _, key := range keys {
		switch value := members[key]; key {
		case "branch", "source", "version":
			if value != "null" {
				kept = append(kept, `"`+key+`":`+value)
			}
		default:
			if !isEmpty(value) {
				lost["plan."+key]++
			}
		}
	}
	if kept == nil {
		return ""
	}
	return "{" + strings.Join(kept, ",") + "}"
}
