package convert

import (
	"bytes"
	"strconv"

	"export2batch/internal/jsonscan"
)

// verdict is what became of a line.
type verdict struct {
	kind   verdictKind
	rule   string // refused: the rule; dropped: the reason it is counted under
	reason string // refused: for people
	time   int64  // written: ms since the epoch
	before int64  // written: how many events that are no line's stand before it
}

type verdictKind uint8

const (
	written verdictKind = iota
	refused
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
	ruleNotMerged   = "not-merged-ids"
)

// mapper turns lines into events. It is not safe for concurrent use.
type mapper struct {
	rules    Rules
	scanner  jsonscan.Scanner
	plans    jsonscan.Scanner       // for what plan holds
	meanings []meaning              // by the scanner's numbers
	rare     meaning                // of a key without one
	at       [slots]*jsonscan.Field // the fields of the line with a slot, or nil

	pairs     pairSet
	hasIDKey  bool // some line had the key $insert_id, be it null
	insertIDs map[string]int64
	lostSlots [slots]int64      // events on which the slot's value was lost
	lostKeys  map[string]*int64 // the same for keys without a slot
	lost      []*int64          // of lostKeys, those of this line
	scratch   []byte

	timeSources [len(timeSources)]slot
	ruled       *ruled // rules beyond the plain mapping; nil: none
	made        int64  // events written that are no line's
}

const (
	// maxLostKeys bounds what the keys of hostile lines take of memory: it is how many keys without a place are counted apart; real
	// exports have some dozen. Those beyond are counted under otherKeys.
	maxLostKeys = 1000
	otherKeys   = "(other keys)"
)

func newMapper(p *program) *mapper {
	m := &mapper{rules: p.rules, timeSources: p.timeSources, insertIDs: map[string]int64{}, lostKeys: map[string]*int64{}}
	if p.active {
		m.ruled = newRuled(m, p)
	}
	return m
}

// event appends the Batch event for line, and a newline, to dst.
func (m *mapper) event(dst, line []byte) ([]byte, verdict) {
	if m.ruled != nil {
		m.ruled.begin()
	}
	if err := m.scan(line); err != nil {
		return dst, verdict{kind: refused, rule: ruleInvalidJSON, reason: err.Error()}
	}
	typ := m.at[eventType]
	if m.isMerged() {
		m.ruled.merged(line, m)
		return dst, verdict{kind: mergedIDs}
	}
	if typ == nil || typ.Kind != jsonscan.String || typ.End-typ.Start == 2 {
		return dst, verdict{kind: refused, rule: ruleEventType, reason: "event_type is missing, empty or not a string"}
	}
	identify := m.identifyKind(line, typ)
	for _, s := range []slot{userID, deviceID} {
		if !usableID(line, m.at[s]) {
			return dst, verdict{kind: refused, rule: ruleInvalidID, reason: exportNames[s] + " is neither a string nor a whole number"}
		}
	}
	if m.ruled != nil {
		var v verdict
		if line, v = m.ruled.people(line); v.kind != written {
			return dst, v
		}
	}
	m.pairs.add(line, m.at[userID], m.at[deviceID], m.at[amplitudeID])
	if identify != "" && m.rules.dropIdentify() {
		return dst, verdict{kind: dropped, rule: identify}
	}
	if m.at[userID] == nil && m.at[deviceID] == nil {
		return dst, verdict{kind: refused, rule: ruleNoID, reason: "neither user_id nor device_id"}
	}
	ms, v := m.time(line)
	if v.kind == refused {
		return dst, v
	}
	if m.ruled == nil {
		return m.write(dst, line, identify, ms), verdict{time: ms}
	}
	if line, v = m.ruled.shape(line, identify, ms); v.kind != written {
		if v.kind == dropped {
			m.pairs.undo()
		}
		return dst, v
	}
	if m.ruled.program.groups && identify == "" {
		var n int64
		dst, n = m.ruled.groupEvents(dst, line, ms)
		v.before = n
		m.made += n
	}
	v.time = ms
	return m.write(dst, line, identify, ms), v
}

// isMerged tells whether the line is one of a merged-ID file.
func (m *mapper) isMerged() bool {
	return m.at[eventType] == nil && m.at[mergeTime] != nil && m.at[mergedAmplitudeID] != nil
}

// mergedLine takes a line of a merged-ID file, and tells whether it is one.
func (m *mapper) mergedLine(line []byte) bool {
	if m.ruled != nil {
		m.ruled.begin()
	}
	if m.scan(line) != nil || !m.isMerged() {
		return false
	}
	m.ruled.merged(line, m)
	return true
}

// scan finds the fields of the line and what they mean.
func (m *mapper) scan(line []byte) (err error) {
	m.at = [slots]*jsonscan.Field{}
	m.lost = m.lost[:0]
	fields, err := m.scanner.Fields(line)
	if err != nil {
		return err
	}
	for i := range fields {
		f := &fields[i]
		var g *meaning
		if int(f.ID) < len(m.meanings) {
			g = &m.meanings[f.ID]
		} else {
			g = m.meaningOf(line, f)
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
		case g.slot == wanted:
			m.ruled.kept[g.kept] = f
			if g.lost != nil && populated(line, f) {
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

// meaningOf returns what the field's key means.
func (m *mapper) meaningOf(line []byte, f *jsonscan.Field) *meaning {
	if f.ID == jsonscan.NoID {
		m.scratch = jsonscan.AppendUnescaped(m.scratch[:0], f.Key(line))
		m.rare = m.look(string(m.scratch))
		return &m.rare
	}
	for int(f.ID) >= len(m.meanings) {
		m.meanings = append(m.meanings, m.look(m.scanner.Name(uint16(len(m.meanings)))))
	}
	return &m.meanings[f.ID]
}

func (m *mapper) look(key string) meaning {
	if s, ok := exportKeys[key]; ok {
		return meaning{slot: s}
	}
	if m.ruled != nil {
		if i, ok := m.ruled.keptAt[key]; ok {
			g := meaning{slot: wanted, kept: i}
			if m.ruled.program.kept[i].property == "" { // a rule may use it, or not
				g.lost = m.lostKey(key)
			}
			return g
		}
	}
	return meaning{slot: noPlace, lost: m.lostKey(key)}
}

func (m *mapper) lostKey(key string) *int64 {
	n := m.lostKeys[key]
	if n == nil && len(m.lostKeys) >= maxLostKeys {
		key = otherKeys
		n = m.lostKeys[key]
	}
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
			if f != nil && populated(line, f) { // the time is another key's
				m.lostSlots[s]++
			}
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
			if m.isRemote(line, f) {
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
	if m.ruled != nil {
		dst = append(dst, m.ruled.extra...)
	}
	m.countLost(line)
	return append(dst, '}', '\n')
}

// isRemote tells whether an ip address stands for the machine that uploads,
// which the server would geolocate.
func (m *mapper) isRemote(line []byte, f *jsonscan.Field) bool {
	if f.Kind != jsonscan.String {
		return false
	}
	if !f.Escaped {
		return string(f.Value(line)) == `"$remote"`
	}
	m.scratch = jsonscan.AppendUnquoted(m.scratch[:0], f.Value(line))
	return string(m.scratch) == "$remote"
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
		if n > 0 && (m.ruled == nil || !m.ruled.keptSlots[s]) {
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
