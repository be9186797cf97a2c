package partition

import (
	"math/bits"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"export2batch/internal/jsonscan"
)

// event is what the order and the place of an event depend on.
type event struct {
	user, device idKey  // 0: none
	time         int64  // ms since the epoch
	eventID      int64  // 0 where absent
	dedup        uint64 // hash of device_id and insert_id; 0: no insert id
	content      uint64 // hash of the line; the scanner leaves it to its caller
}

// idKey stands for an id in memory: 62 bits of its hash and its kind. Two ids
// with one key, which is to be expected once in more than 10^9 ids, are taken
// for one: then two identities share a partition, and nothing else is wrong.
type idKey uint64

const (
	userKind   idKey = 1
	deviceKind idKey = 2
	otherKind  idKey = 3 // an Amplitude ID
	kindMask   idKey = 3
)

func (k idKey) kind() idKey { return k & kindMask }

func keyOf(kind idKey, id []byte) idKey {
	return idKey(xxhash.Sum64(id))&^kindMask | kind
}

// scanner reads events. It is not safe for concurrent use.
type scanner struct {
	json    jsonscan.Scanner
	roles   []role // of the keys that json has numbered
	scratch []byte
	// vouched tells that the lines are known to be JSON, each key once and
	// without escapes: convert wrote them or they were read before, as their
	// checksum will prove or else fail the command. Then not all of a line has
	// to be read.
	vouched bool
	// escaped tells that a key with an escape was met.
	escaped bool
}

// role is what a key says of an event.
type role uint8

const (
	noRole role = iota
	userRole
	deviceRole
	insertRole
	timeRole
	eventIDRole
)

var roleNames = [...]string{userRole: "user_id", deviceRole: "device_id", insertRole: "insert_id", timeRole: "time", eventIDRole: "event_id"}

func roleOf(key string) role { return role(max(0, slices.Index(roleNames[:], key))) } // no key is empty but one without a role

// role is the role of a member of line.
func (s *scanner) role(line []byte, f *jsonscan.Field) role {
	s.escaped = s.escaped || f.KeyEscaped
	if f.ID == jsonscan.NoID {
		key := f.Key(line)
		if f.KeyEscaped {
			key = jsonscan.AppendUnescaped(nil, key)
		}
		return roleOf(string(key))
	}
	for int(f.ID) >= len(s.roles) {
		s.roles = append(s.roles, roleOf(s.json.Name(uint16(len(s.roles)))))
	}
	return s.roles[f.ID]
}

// fault is why a line is no event that can be put in order.
type fault struct{ rule, reason string }

// event reads one line of an event file.
func (s *scanner) event(line []byte) (e event, f *fault) {
	var p rawFields
	if !s.vouched || !p.head(line) {
		p = rawFields{}
		if f := s.whole(&p, line); f != nil {
			return e, f
		}
	}
	if p.user != nil {
		e.user = keyOf(userKind, p.user)
	}
	if p.device != nil {
		e.device = keyOf(deviceKind, p.device)
	}
	if e.user == 0 && e.device == 0 {
		return e, &fault{"missing-id", "neither user_id nor device_id"}
	}
	if !p.hasTime {
		return e, &fault{"missing-time", "no time, so the event has no place in the order"}
	}
	e.time, e.eventID = p.time, p.eventID
	if p.insert != nil {
		e.dedup = dedupKey(e.device, p.insert)
	}
	return e, nil
}

// dedupKey hashes what Amplitude recognises an event by. Two different pairs
// have one key about once in 10^9 events of a partition; then the policy for
// collisions applies to them, and says so like for any other.
func dedupKey(device idKey, insert []byte) uint64 {
	hi, lo := bits.Mul64(xxhash.Sum64(insert)^0xa0761d6478bd642f, uint64(device)^0xe7037ed1a0b428db)
	return max(1, hi^lo)
}

// rawFields are the values of an event that matter here; nil where one is absent,
// null or empty.
type rawFields struct {
	user, device, insert []byte
	time, eventID        int64
	hasTime              bool
}

// whole reads and validates all of a line.
func (s *scanner) whole(p *rawFields, line []byte) *fault {
	fields, err := s.json.Fields(line)
	if err != nil {
		return &fault{"invalid-json", err.Error()}
	}
	s.scratch = s.scratch[:0]
	for i := range fields {
		f := &fields[i]
		role, ok := s.role(line, f), true
		if f.Kind == jsonscan.Null {
			continue
		}
		switch role {
		case userRole:
			p.user, ok = s.text(line, f)
		case deviceRole:
			p.device, ok = s.text(line, f)
		case insertRole:
			p.insert, ok = s.text(line, f)
		case timeRole:
			p.time, ok = integer(line, f)
			p.hasTime = ok
		case eventIDRole:
			p.eventID, ok = integer(line, f)
		}
		if !ok {
			return &fault{"type", roleNames[role] + " has the wrong type"}
		}
	}
	return nil
}

// text is the value of a string, nil for an empty one. It is valid until the
// next line is read.
func (s *scanner) text(line []byte, f *jsonscan.Field) (value []byte, ok bool) {
	switch {
	case f.Kind != jsonscan.String:
		return nil, false
	case f.End-f.Start == 2:
		return nil, true
	case !f.Escaped:
		return line[f.Start+1 : f.End-1], true
	}
	start := len(s.scratch)
	s.scratch = jsonscan.AppendUnquoted(s.scratch, f.Value(line))
	return s.scratch[start:], true
}

func integer(line []byte, f *jsonscan.Field) (int64, bool) {
	if f.Kind != jsonscan.Number {
		return 0, false
	}
	n, err := strconv.ParseInt(string(f.Value(line)), 10, 64)
	return n, err == nil
}
