package people

import (
	"bytes"

	"export2batch/sandbox/properties"
)

// Event is what the table needs of one event. Absent parts are nil; JSON is
// valid as part of a larger text. The bytes stay the caller's.
type Event struct {
	Number          int64  // goes up
	User, Device    []byte // decoded; one of them may be nil, both only with a group
	Type            []byte // decoded
	Time            int64  // ms since 1970
	UserProperties  []byte // JSON object
	Groups          []byte // JSON object
	GroupProperties []byte // JSON object
	SkipSync        bool
}

// The event types that change properties and do nothing else.
const (
	Identify      = "$identify"
	GroupIdentify = "$groupidentify"
)

// Shown is what Amplitude makes of an event when it takes it.
type Shown struct {
	// Person is whose event it is; nil for a $groupidentify without ids.
	Person *Person
	// Previous is the number of the event before under the same Amplitude ID.
	Previous int64
	// UserProperties is the object that the event shows, nil when it shows
	// what it carries.
	UserProperties []byte
	// GroupProperties is {type:{group:{…}}} of the event's groups, nil when
	// nothing is known of them.
	GroupProperties []byte
}

// Take takes the next event. The parts of Shown are appended to b, which is
// returned.
func (t *Table) Take(e *Event, b []byte) (Shown, []byte) {
	var s Shown
	kind := string(e.Type)
	if kind == GroupIdentify {
		t.groups.identify(e.Groups, e.GroupProperties)
	}
	if e.Groups != nil {
		start := len(b)
		if b = t.groups.appendShown(b, e.Groups); len(b) > start {
			s.GroupProperties = b[start:len(b):len(b)]
		}
	}
	if e.User == nil && e.Device == nil {
		return s, b
	}
	p := t.meet(e.User, e.Device)
	s.Person, s.Previous = p, p.Last
	p.Last = e.Number
	if kind != Identify && kind != GroupIdentify {
		p.count(e.Time, e.Time, 1)
	}
	start := len(b)
	switch {
	case !e.SkipSync:
		if len(e.UserProperties) > len(`{}`) {
			p.Properties.Apply(e.UserProperties) // what does not fit is dropped
		}
		if p.Properties.Len() == 0 && e.UserProperties == nil {
			return s, b
		}
		b = p.Properties.AppendJSON(b)
		if bytes.Equal(b[start:], e.UserProperties) {
			return s, b[:start] // the common case of snapshots sent in order
		}
	case properties.HasOperations(e.UserProperties):
		var alone properties.Set
		alone.Apply(e.UserProperties)
		b = alone.AppendJSON(b)
	default:
		return s, b
	}
	s.UserProperties = b[start:len(b):len(b)]
	return s, b
}
