package upload

import (
	"strconv"
	"strings"
	"unicode"

	"export2batch/internal/jsonscan"
)

// answerBody is what the body of an answer says. A key that does not have the
// documented type is as good as absent.
type answerBody struct {
	json         bool   // the body is a JSON object
	code         int    // 0: absent
	text         string // of "error"
	missingField string
	ingested     int // -1: absent

	named           []namedEvent // by index of the request; a server's mistakes left out
	silencedDevices []string     // only where no event is named as silenced
	throttled       bool         // ids or events are named as throttled
	quota           bool         // ids are named as over their daily quota
	limits          limits

	secrets *strings.Replacer // taken out of every text
}

// limits are the ids that an answer names as sending too much.
type limits struct {
	threshold float64     // events/s an id may send; 0: not said
	fast      []limitedID // over the threshold
	quota     []limitedID // over their daily quota
}

type limitedID struct {
	kind idKind
	id   string
	n    int // events/s, or events of the day, as the answer counted
}

// Bounds on what is kept of an answer's texts.
const (
	maxText = 300 // characters
	maxRule = 40
)

func parseAnswer(body []byte, events int, secrets *strings.Replacer) answerBody {
	b := answerBody{ingested: -1, secrets: secrets}
	fields, err := jsonscan.Fields(nil, body)
	if err != nil {
		return b
	}
	b.json = true
	var devices []string
	silenced := false
	for i := range fields {
		f := &fields[i]
		key, value := string(jsonscan.AppendUnescaped(nil, f.Key(body))), f.Value(body)
		switch key {
		case "code":
			b.code = integer(value, 0)
		case "error":
			b.text = clean(b.secrets.Replace(text(f.Kind, value)))
		case "missing_field":
			b.missingField = text(f.Kind, value)
		case "events_ingested":
			b.ingested = integer(value, -1)
		case "silenced_events":
			before := len(b.named)
			b.name(value, events, ruleSilenced, "silenced device")
			silenced = len(b.named) > before
		case "silenced_devices":
			devices = stringsOf(f.Kind, value)
		case "eps_threshold":
			if v, err := strconv.ParseFloat(string(value), 64); err == nil && isRate(v) {
				b.limits.threshold = v
			}
		case "throttled_devices", "throttled_users", "throttled_events":
			b.throttled = b.throttled || holds(f)
			b.limits.fast = appendLimited(b.limits.fast, kindOf(key), f, value)
		case "exceeded_daily_quota_devices", "exceeded_daily_quota_users":
			b.quota = b.quota || holds(f)
			b.limits.quota = appendLimited(b.limits.quota, kindOf(key), f, value)
		default:
			if rule, ok := strings.CutPrefix(key, "events_with_"); ok && f.Kind == jsonscan.Object {
				b.nameFields(value, events, rule)
			}
		}
	}
	if !silenced {
		b.silencedDevices = devices
	}
	return b
}

func kindOf(key string) idKind {
	if strings.HasSuffix(key, "_users") {
		return userID
	}
	return deviceID
}

// appendLimited reads a map of ids to counts.
func appendLimited(dst []limitedID, kind idKind, f *jsonscan.Field, object []byte) []limitedID {
	if f.Kind != jsonscan.Object {
		return dst
	}
	fields, err := jsonscan.Fields(nil, object)
	if err != nil {
		return dst
	}
	for i := range fields {
		e := &fields[i]
		id := string(jsonscan.AppendUnescaped(nil, e.Key(object)))
		dst = append(dst, limitedID{kind, id, integer(e.Value(object), 0)})
	}
	return dst
}

// nameFields reads a map of fields to the indexes of events.
func (b *answerBody) nameFields(object []byte, events int, rule string) {
	fields, err := jsonscan.Fields(nil, object)
	if err != nil {
		return
	}
	for i := range fields {
		f := &fields[i]
		b.name(f.Value(object), events, b.ruleName(rule), clean(b.secrets.Replace(string(jsonscan.AppendUnescaped(nil, f.Key(object))))))
	}
}

// name reads a list of indexes. One that is out of range names nothing.
func (b *answerBody) name(list []byte, events int, rule, reason string) {
	spans, err := jsonscan.Elements(nil, list)
	if err != nil {
		return
	}
	for _, s := range spans {
		if i := integer(s.Value(list), -1); i >= 0 && i < events {
			b.named = append(b.named, namedEvent{i, rule, reason})
		}
	}
}

// ruleName makes invalid-fields of invalid_fields.
func (b *answerBody) ruleName(key string) string {
	for _, r := range key {
		if r != '_' && (r < 'a' || r > 'z') {
			return ruleNamed
		}
	}
	if len(key) == 0 || len(key) > maxRule || b.secrets.Replace(key) != key {
		return ruleNamed
	}
	return strings.ReplaceAll(key, "_", "-")
}

func integer(value []byte, otherwise int) int {
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

func text(kind jsonscan.Kind, value []byte) string {
	if kind != jsonscan.String {
		return ""
	}
	return string(jsonscan.AppendUnquoted(nil, value))
}

// clean makes a foreign text fit to be shown: one line, not long.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxText {
			b.WriteString("…")
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

func stringsOf(kind jsonscan.Kind, list []byte) []string {
	if kind != jsonscan.Array {
		return nil
	}
	spans, err := jsonscan.Elements(nil, list)
	if err != nil {
		return nil
	}
	var out []string
	for _, s := range spans {
		if s.Kind == jsonscan.String {
			out = append(out, string(jsonscan.AppendUnquoted(nil, s.Value(list))))
		}
	}
	return out
}

// holds tells whether an object or array is not empty.
func holds(f *jsonscan.Field) bool {
	return (f.Kind == jsonscan.Object || f.Kind == jsonscan.Array) && f.End-f.Start > 2
}
