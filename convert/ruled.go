package convert

import (
	"bytes"

	"github.com/cespare/xxhash/v2"

	"export2batch/internal/jsonscan"
)

// Reasons under which rules drop events, and rules under which they set lines
// aside.
const (
	droppedSample  = "sample-users"
	droppedSession = "session-events"
	droppedWindow  = "outside-window"
	droppedWhere   = "where"
	unmappedUser   = "unmapped-user-id" // dropped or set aside
	unmappedDevice = "unmapped-device-id"

	ruleExpression = "expression-error"
	ruleProperties = "unreadable-properties"
	ruleCollision  = "property-collision"
)

// ruled does to an event what is not in the plain mapping. Values that rules
// make stand behind the line, in a copy of it, and fields point to them as they
// point to others: nothing else needs to know.
type ruled struct {
	*program
	m *mapper

	text  []byte // the line and what was made
	grown bool   // text is in use
	made  [slots]jsonscan.Field
	kept  []*jsonscan.Field // by the index in program.kept
	extra []byte            // members of the event without a slot: ,"key":value
	hash  []byte            // the insert id by hash, where the rules come before it

	plain    [2]*jsonscan.Field // user and device id before pseudonyms
	ids      pseudonyms
	eval     evaluator
	types    map[string]*typeRules
	props    objectEditor
	changes  groupChanges
	unmapped map[string]int64 // events, by key
	mapped   map[string]int64
	trace    *tracer // nil but for explain
}

func newRuled(m *mapper, p *program) *ruled {
	return &ruled{program: p, m: m, kept: make([]*jsonscan.Field, len(p.kept)), types: map[string]*typeRules{},
		unmapped: map[string]int64{}, mapped: map[string]int64{}}
}

// begin is called before the line is scanned.
func (r *ruled) begin() {
	clear(r.kept)
	r.text, r.extra, r.hash = r.text[:0], r.extra[:0], r.hash[:0]
	r.grown = false
}

// room returns the buffer that made values are appended to.
func (r *ruled) room(line []byte) []byte {
	if !r.grown {
		r.text, r.grown = append(r.text[:0], line...), true
	}
	return r.text
}

// set makes what was appended to room since start the value of s, and returns
// the text that all fields now point into.
func (r *ruled) set(s slot, text []byte, start int, kind jsonscan.Kind) []byte {
	r.text = text
	f := jsonscan.Field{Start: uint32(start), End: uint32(len(text)), Kind: kind}
	switch kind {
	case jsonscan.String:
		f.Escaped = bytes.IndexByte(text[start:], '\\') >= 0
	case jsonscan.Object:
		f.Depth = 1
	}
	r.made[s] = f
	r.m.at[s] = &r.made[s]
	return text
}

// people applies the rules about who the event is of: sample, ids, pseudonyms.
func (r *ruled) people(line []byte) ([]byte, verdict) {
	m := r.m
	for i := range r.program.kept {
		if k := &r.program.kept[i]; k.slot != noPlace {
			r.kept[i] = m.at[k.slot]
		}
	}
	if r.trim || r.lower {
		line = r.normalise(line)
	}
	if r.sampled && !r.inSample(line, m.at[amplitudeID], m.at[userID], m.at[deviceID]) {
		r.trace.step("sample-users", "this user is not in the sample: dropped")
		return line, verdict{kind: dropped, rule: droppedSample}
	}
	line, v := r.mapIDs(line)
	if v.kind != written {
		return line, v
	}
	r.plain = [2]*jsonscan.Field{m.at[userID], m.at[deviceID]}
	if r.pseudonymKey != nil {
		line = r.pseudonymise(line, userID, deviceID, amplitudeID)
	}
	return line, verdict{}
}

// inSample tells whether the first of ids that is there is in the sample. The
// hash is that of the id's characters, so a larger share has all users of a
// smaller one.
func (r *ruled) inSample(line []byte, ids ...*jsonscan.Field) bool {
	for _, f := range ids {
		if f == nil {
			continue
		}
		text := f.Value(line)
		if f.Kind == jsonscan.String {
			if text = text[1 : len(text)-1]; f.Escaped {
				r.m.scratch = jsonscan.AppendUnescaped(r.m.scratch[:0], text)
				text = r.m.scratch
			}
		}
		return xxhash.Sum64(text) < r.sample
	}
	return true // for other rules to judge
}

// shape applies the rules that are left, filters first.
func (r *ruled) shape(line []byte, identify string, ms int64) ([]byte, verdict) {
	m := r.m
	typ := r.typeOf(line)
	if typ.session && r.dropSessions {
		r.trace.step("session-events", "an event of a session: dropped")
		return line, verdict{kind: dropped, rule: droppedSession}
	}
	if ms < r.since || ms >= r.until {
		r.trace.step("since, until", "outside the window: dropped")
		return line, verdict{kind: dropped, rule: droppedWindow}
	}
	r.eval.reset()
	if r.where != nil {
		at := m.at
		at[userID], at[deviceID] = r.plain[0], r.plain[1]
		result, err := r.eval.run(r.where, line, &at, ms)
		if err != nil {
			return line, verdict{kind: refused, rule: ruleExpression, reason: "--where: " + plainError(err)}
		}
		if result != true {
			r.trace.step("where", "false: dropped")
			return line, verdict{kind: dropped, rule: droppedWhere}
		}
		r.trace.step("where", "true")
		r.eval.forget(userID)
		r.eval.forget(deviceID)
	}
	if m.needsHash(line) {
		r.hash = m.appendHash(r.hash[:0], line, ms)
	}
	line, v := r.properties(line, typ, identify, ms)
	if v.kind != written {
		return line, v
	}
	line = r.columns(line)
	if typ.renamed != "" {
		text := r.room(line)
		start := len(text)
		line = r.set(eventType, append(text, typ.renamed...), start, jsonscan.String)
		r.trace.made("event_type", "event_type", "event-rename")
	}
	return line, verdict{}
}

// columns applies the rules for single keys.
func (r *ruled) columns(line []byte) []byte {
	m := r.m
	if r.modelFromType && m.at[deviceModel] == nil {
		if f := r.kept[r.keptAt[deviceTypeKey]]; f != nil {
			m.at[deviceModel] = f
			r.trace.made("device_model", deviceTypeKey, "device-model")
			r.carried(line, deviceTypeKey)
		}
	}
	for _, d := range []struct {
		drop bool
		slot slot
		name string
	}{{r.dropIP, ip, "ip"}, {r.dropLibrary, library, "library"}} {
		if f := m.at[d.slot]; d.drop && f != nil {
			if populated(line, f) {
				m.lostSlots[d.slot]++
			}
			m.at[d.slot] = nil
			r.trace.step(d.name, exportNames[d.slot]+" left out")
		}
	}
	if r.keepPartner {
		if f := r.kept[r.keptAt[partnerIDKey]]; f != nil {
			r.extra = append(append(r.extra, `,"partner_id":`...), f.Value(line)...)
			r.trace.made("partner_id", partnerIDKey, "partner-id")
			r.carried(line, partnerIDKey)
		}
	}
	return line
}

// carried takes a key that has found a place out of the loss report of this
// event, unless it is a kept property and was never in it.
func (r *ruled) carried(line []byte, key string) {
	i := r.keptAt[key]
	if r.program.kept[i].property == "" && populated(line, r.kept[i]) {
		*r.m.lostKey(key)--
	}
}

// typeRules are the rules that apply to events of one type.
type typeRules struct {
	session bool
	renamed string // as JSON; "" for none
	event   objectRules
	user    objectRules
}

// maxTypes bounds the event types whose rules are remembered. Amplitude takes
// 2000 types.
const maxTypes = 4096

func (r *ruled) typeOf(line []byte) *typeRules {
	f := r.m.at[eventType]
	name := line[f.Start+1 : f.End-1]
	if f.Escaped {
		r.m.scratch = jsonscan.AppendUnescaped(r.m.scratch[:0], name)
		name = r.m.scratch
	}
	t := r.types[string(name)]
	if t == nil {
		if len(r.types) >= maxTypes {
			clear(r.types)
		}
		t = r.rulesFor(string(name))
		r.types[string(name)] = t
	}
	return t
}

func (r *ruled) rulesFor(eventType string) *typeRules {
	t := &typeRules{
		session: eventType == "session_start" || eventType == "session_end",
		event:   r.objectRulesFor(eventType, false), user: r.objectRulesFor(eventType, true),
	}
	if eventType == identifyEvent || eventType == groupIdentifyEvent {
		return t // it would no longer be one
	}
	for _, e := range r.eventRenames {
		if e.events.match(eventType) {
			t.renamed = string(jsonscan.AppendQuoted(nil, e.name))
			break
		}
	}
	return t
}
