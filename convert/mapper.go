package convert

import (
	"bytes"
	"strconv"

	"export2batch/internal/jsonscan"
)

// verdict is what became of a line.
type verdict struct {
	kind   verdictKind
	rule   string // rejected: the rule; dropped: the reason it is counted under
	reason string // rejected: for people
	time   int64  // written: ms since the epoch
}

type verdictKind uint8

const (
	written verdictKind = iota
	rejected
	dropped
	mergedIDs // a line of a merged-ID file, which is no event
)

// Rules under which convert sets lines aside.
const (
	ruleInvalidJSON = "invalid-json"
	ruleEventType   = "missing-event-type"
	ruleNoID        = "missing-id"
	ruleInvalidID   = "invalid-id"
	ruleTime        = "unreadable-time"
	ruleNoTime      = "missing-time"
	ruleTooLong     = "line-too-long"
	ruleDamaged     = "damaged-input"
)

// mapper turns lines into events. It is not safe for concurrent use.
type mapper struct {
	rules  Rules
	fields []jsonscan.Field
	at     [slots]*jsonscan.Field // the fields of the line with a slot, or nil
	guess  []keyGuess

	pairs     pairSet
	hasIDKey  bool // some line had the key $insert_id, be it null
	insertIDs map[string]int64
	lostSlots [slots]int64      // events on which the slot's value was lost
	lostKeys  map[string]*int64 // the same for keys without a slot
	lost      []*int64          // of lostKeys, those of this line
	scratch   []byte
}

func newMapper(rules Rules) *mapper {
	return &mapper{rules: rules, insertIDs: map[string]int64{}, lostKeys: map[string]*int64{}}
}

// event appends the Batch event for line, and a newline, to dst.
func (m *mapper) event(dst, line []byte) ([]byte, verdict) {
	if err := m.scan(line); err != nil {
		return dst, verdict{kind: rejected, rule: ruleInvalidJSON, reason: err.Error()}
	}
	typ := m.at[eventType]
	if typ == nil && m.at[mergeTime] != nil && m.at[mergedAmplitudeID] != nil {
		return dst, verdict{kind: mergedIDs}
	}
	if typ == nil || typ.Kind != jsonscan.String || typ.End-typ.Start == 2 {
		return dst, verdict{kind: rejected, rule: ruleEventType, reason: "event_type is missing, empty or not a string"}
	}
	identify := m.identifyKind(line, typ)
	for _, s := range []slot{userID, deviceID} {
		if !usableID(line, m.at[s]) {
			return dst, verdict{kind: rejected, rule: ruleInvalidID, reason: exportNames[s] + " is neither a string nor a whole number"}
		}
	}
	m.pairs.add(line, m.at[userID], m.at[deviceID], m.at[amplitudeID])
	if identify != "" && m.rules.dropIdentify() {
		return dst, verdict{kind: dropped, rule: identify}
	}
	if m.at[userID] == nil && m.at[deviceID] == nil {
		return dst, verdict{kind: rejected, rule: ruleNoID, reason: "neither user_id nor device_id"}
	}
	ms, v := m.time(line)
	if v.kind == rejected {
		return dst, v
	}
	return m.write(dst, line, identify, ms), verdict{time: ms}
}

// scan finds the fields of the line and what they mean.
func (m *mapper) scan(line []byte) (err error) {
	m.at = [slots]*jsonscan.Field{}
	m.lost = m.lost[:0]
	if m.fields, err = jsonscan.Fields(m.fields[:0], line); err != nil {
		return err
	}
	for i := range m.fields {
		f := &m.fields[i]
		key := f.Key(line)
		if f.KeyEscaped {
			m.scratch = jsonscan.AppendUnescaped(m.scratch[:0], key)
			key = m.scratch
		}
		if i == len(m.guess) {
			m.guess = append(m.guess, m.look(key))
		}
		g := &m.guess[i]
		if string(key) != g.key {
			*g = m.look(key)
		}
		if g.slot == insertID {
			m.hasIDKey = true
		}
		switch {
		case f.Kind == jsonscan.Null:
		case g.slot == noPlace:
			if populated(line, f) {
				m.lost = append(m.lost, g.lost)
			}
		case g.slot <= deviceID && f.Kind == jsonscan.String && f.End-f.Start == 2:
			// An empty id is no id.
		default:
			m.at[g.slot] = f
		}
	}
	return nil
}

// look finds what a key means.
func (m *mapper) look(key []byte) keyGuess {
	g := keyGuess{key: string(key), slot: noPlace}
	if s, ok := exportKeys[g.key]; ok {
		g.slot = s
		return g
	}
	g.lost = m.lostKey(g.key)
	return g
}

func (m *mapper) lostKey(key string) *int64 {
	n := m.lostKeys[key]
	if n == nil {
		n = new(int64)
		m.lostKeys[key] = n
	}
	return n
}

// The event types that do nothing but sync properties.
const (
	identifyEvent      = "$identify"
	groupIdentifyEvent = "$groupidentify"
)

// identifyKind returns which of them the event is, or "".
func (m *mapper) identifyKind(line []byte, typ *jsonscan.Field) string {
	name := line[typ.Start+1 : typ.End-1]
	if typ.Escaped {
		m.scratch = jsonscan.AppendUnescaped(m.scratch[:0], name)
		name = m.scratch
	}
	switch string(name) {
	case identifyEvent:
		return identifyEvent
	case groupIdentifyEvent:
		return groupIdentifyEvent
	}
	return ""
}

// populated tells whether a value says something: null, "", {} and [] do not.
func populated(line []byte, f *jsonscan.Field) bool {
	switch f.Kind {
	case jsonscan.Null:
		return false
	case jsonscan.String:
		return f.End-f.Start > 2
	case jsonscan.Object, jsonscan.Array:
		return f.Depth > 1 || len(bytes.TrimSpace(line[f.Start+1:f.End-1])) > 0
	}
	return true
}

// usableID tells whether an id can be written as a string. A whole number is
// taken as its digits.
func usableID(line []byte, f *jsonscan.Field) bool {
	if f == nil || f.Kind == jsonscan.String {
		return true
	}
	return f.Kind == jsonscan.Number && !bytes.ContainsAny(f.Value(line), ".eE")
}

func appendID(dst, line []byte, f *jsonscan.Field) []byte {
	if f.Kind == jsonscan.Number {
		return append(append(append(dst, '"'), f.Value(line)...), '"')
	}
	return append(dst, f.Value(line)...)
}

// write appends the event; everything that could refuse it lies behind.
func (m *mapper) write(dst, line []byte, identify string, ms int64) []byte {
	comma := byte('{')
	for s := userID; s <= lastCopied; s++ {
		f := m.at[s]
		if f == nil && s != eventTime && s != insertID {
			continue
		}
		mark := len(dst)
		dst = append(dst, comma)
		dst = append(dst, batchKeys[s]...)
		switch s {
		case userID, deviceID:
			dst = appendID(dst, line, f)
		case eventTime:
			dst = strconv.AppendInt(dst, ms, 10)
		case insertID:
			dst = m.appendInsertID(dst, line, ms)
		case groupProperties:
			if identify != groupIdentifyEvent {
				dst = dst[:mark]
				if populated(line, f) {
					m.lostSlots[s]++
				}
				continue
			}
			dst = append(dst, f.Value(line)...)
		case plan:
			filled := false
			if dst, filled = m.appendPlan(dst, line, f); !filled {
				dst = dst[:mark]
				continue
			}
		case ip:
			if string(f.Value(line)) == `"$remote"` { // would geolocate the machine that uploads
				dst = dst[:mark]
				m.lostSlots[s]++
				continue
			}
			dst = append(dst, f.Value(line)...)
		default:
			dst = append(dst, f.Value(line)...)
		}
		comma = ','
	}
	if m.rules.UserProperties == Skip && identify == "" {
		dst = append(dst, `,"$skip_user_properties_sync":true`...)
	}
	m.countLost(line)
	return append(dst, '}', '\n')
}

// countLost counts the populated keys of a written event that were not used.
func (m *mapper) countLost(line []byte) {
	for _, n := range m.lost {
		*n++
	}
	for s := lastCopied + 1; s < slots; s++ {
		if f := m.at[s]; f != nil && populated(line, f) {
			m.lostSlots[s]++
		}
	}
}

// lostCounts returns the loss report by export key.
func (m *mapper) lostCounts() map[string]int64 {
	counts := map[string]int64{}
	for s, n := range m.lostSlots {
		if n > 0 {
			counts[exportNames[s]] = n
		}
	}
	for key, n := range m.lostKeys {
		if *n > 0 {
			counts[key] = *n
		}
	}
	return counts
}

// appendPlan appends the part of plan that the Batch API takes and tells
// whether there is any.
func (m *mapper) appendPlan(dst, line []byte, f *jsonscan.Field) (plan []byte, filled bool) {
	if f.Kind != jsonscan.Object {
		return append(dst, f.Value(line)...), true // wrong, for validate to find
	}
	text := f.Value(line)
	members, err := jsonscan.Fields(nil, text)
	if err != nil {
		// A key twice, which only the outermost object is checked for: validate finds it.
		return append(dst, text...), true
	}
	open := byte('{')
	for i := range members {
		p := &members[i]
		switch string(p.Key(text)) {
		case "branch", "source", "version":
			if p.Kind == jsonscan.Null {
				continue
			}
			dst = append(dst, open, '"')
			dst = append(dst, p.Key(text)...)
			dst = append(dst, '"', ':')
			dst = append(dst, p.Value(text)...)
			open = ','
		default:
			if populated(text, p) {
				*m.lostKey("plan." + string(p.Key(text)))++
			}
		}
	}
	if open == '{' {
		return dst, false
	}
	return append(dst, '}'), true
}
