package sandbox

import (
	"bytes"
	"math"
	"strconv"

	"export2batch/internal/jsonscan"
)

// maxDepth is how deep event and user properties may be nested, the property
// object itself included (Amplitude, HTTP V2 API, property limits).
const maxDepth = 40

// event is what the sandbox keeps of one event: values as they were sent, nil
// when absent or null, as parts of the request's body.
type event struct {
	insertID, deviceID, userID, eventType, time []byte

	raw                             []byte // all of it
	eventProperties, userProperties []byte
	groups, groupProperties         []byte
	skipSync                        bool

	device, user []byte // what the ids say, for throttle and quota
	key          dedupKey
	duplicate    bool
	keyed        bool // it has an insert_id, so it can be a duplicate
}

// fieldType is what the documentation says a key of an event holds.
type fieldType uint8

const (
	unknownField fieldType = iota
	stringField
	numberField
	integerField
	objectField
	propertiesField // an object of limited depth
	booleanField
)

// fieldTypeOf knows the keys of Amplitude, Batch Event Upload API, event
// object. Keys it does not know are taken, whatever they hold.
func fieldTypeOf(key []byte) fieldType {
	switch string(key) {
	case "user_id", "device_id", "event_type", "app_version", "platform", "os_name", "os_version",
		"device_brand", "device_manufacturer", "device_model", "carrier", "country", "region",
		"city", "dma", "language", "productId", "revenueType", "currency", "ip", "idfa", "idfv",
		"adid", "android_id", "insert_id", "library", "partner_id", "user_agent":
		return stringField
	case "price", "revenue", "location_lat", "location_lng":
		return numberField
	case "time", "event_id", "session_id", "quantity":
		return integerField
	case "groups", "group_properties", "plan", "ingestion_metadata":
		return objectField
	case "event_properties", "user_properties":
		return propertiesField
	case "$skip_user_properties_sync":
		return booleanField
	}
	return unknownField
}

// holds tells whether the value of f, in the event raw, is of this type. Null
// is the same as absent.
func (t fieldType) holds(f *jsonscan.Field, raw []byte) bool {
	if f.Kind == jsonscan.Null {
		return true
	}
	switch t {
	case stringField:
		return f.Kind == jsonscan.String
	case numberField:
		return f.Kind == jsonscan.Number && isNumber(f.Value(raw))
	case integerField:
		return f.Kind == jsonscan.Number && isInteger(f.Value(raw))
	case objectField:
		return f.Kind == jsonscan.Object
	case propertiesField:
		return f.Kind == jsonscan.Object && f.Depth <= maxDepth
	case booleanField:
		return f.Kind == jsonscan.Bool
	}
	return true
}

// isNumber tells whether a double can hold a JSON number.
func isNumber(digits []byte) bool {
	if len(digits) < 300 && !bytes.ContainsAny(digits, "eE") {
		return true
	}
	_, err := strconv.ParseFloat(string(digits), 64)
	return err == nil
}

// isInteger tells whether a JSON number is a whole one of at most 64 bits;
// 1.0 and 1e3 are.
func isInteger(digits []byte) bool {
	if len(digits) <= 18 && !bytes.ContainsAny(digits, ".eE") {
		return true
	}
	if _, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
		return true
	}
	if !bytes.ContainsAny(digits, ".eE") {
		return false
	}
	v, err := strconv.ParseFloat(string(digits), 64)
	return err == nil && v == math.Trunc(v) && math.Abs(v) < 1<<63
}

// readEvent looks at the event with this index and adds it to in.events, or
// what is wrong with it to p. It is valid JSON, since the body is.
func (in *intake) readEvent(index int, element jsonscan.Span, events []byte, minIDLength int, p *problems) {
	raw := element.Value(events)
	if element.Kind != jsonscan.Object {
		p.malformed = true
		return
	}
	var err error
	if in.fields, err = jsonscan.Fields(in.fields[:0], raw); err != nil {
		p.malformed = true // a key occurs twice
		return
	}
	e := event{raw: raw}
	before := p.count
	for i := range in.fields {
		f := &in.fields[i]
		key := f.Key(raw)
		if f.KeyEscaped {
			key = jsonscan.AppendUnescaped(nil, key)
		}
		if !fieldTypeOf(key).holds(f, raw) {
			p.add(&p.invalid, string(key), index)
			continue
		}
		if f.Kind != jsonscan.Null {
			e.set(key, f.Value(raw))
		}
	}
	in.checkEvent(&e, index, minIDLength, p)
	if p.count == before {
		in.setKey(&e)
		in.events = append(in.events, e)
	}
}

func (e *event) set(key, value []byte) {
	switch string(key) {
	case "insert_id":
		e.insertID = value
	case "device_id":
		e.deviceID = value
	case "user_id":
		e.userID = value
	case "event_type":
		e.eventType = value
	case "time":
		e.time = value
	case "event_properties":
		e.eventProperties = value
	case "user_properties":
		e.userProperties = value
	case "groups":
		e.groups = value
	case "group_properties":
		e.groupProperties = value
	case "$skip_user_properties_sync":
		e.skipSync = string(value) == "true"
	}
}

// checkEvent looks for what is required and at the ids.
func (in *intake) checkEvent(e *event, index, minIDLength int, p *problems) {
	switch {
	case e.eventType == nil && !p.invalid.has("event_type", index):
		p.add(&p.missing, "event_type", index)
	case len(e.eventType) == len(`""`):
		p.add(&p.invalid, "event_type", index)
	}
	if e.deviceID == nil && e.userID == nil && !in.groupOnly && !p.invalid.has("device_id", index) && !p.invalid.has("user_id", index) {
		p.add(&p.missing, "device_id", index)
		p.add(&p.missing, "user_id", index)
	}
	e.device = in.checkID("device_id", e.deviceID, index, minIDLength, p)
	e.user = in.checkID("user_id", e.userID, index, minIDLength, p)
}

// checkID returns what an id says, nil when it is absent.
func (in *intake) checkID(name string, raw []byte, index, minIDLength int, p *problems) (id []byte) {
	if raw == nil {
		return nil
	}
	id, in.scratch = text(in.scratch, raw)
	switch {
	case placeholder(id):
		p.add(&p.invalid, name, index)
	case idLength(id) < minIDLength:
		p.add(&p.lengths, name, index)
	}
	return id
}

// setKey finds by what the event is known again; one without insert_id is
// never a duplicate.
func (in *intake) setKey(e *event) {
	if len(e.insertID) <= len(`""`) {
		return
	}
	var insert []byte
	insert, in.scratch = text(in.scratch, e.insertID)
	e.key, in.hashed = keyOf(in.hashed, e.device, insert)
	e.keyed = true
}
