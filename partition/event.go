package partition

import (
	"encoding/binary"
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
	content      uint64 // hash of the line
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
	fields  []jsonscan.Field
	scratch []byte
}

// fault is why a line is no event that can be put in order.
type fault struct{ rule, reason string }

// event reads one line of an event file.
func (s *scanner) event(line []byte) (e event, f *fault) {
	var err error
	if s.fields, err = jsonscan.Fields(s.fields[:0], line); err != nil {
		return e, &fault{"invalid-json", err.Error()}
	}
	var deviceID, insertID *jsonscan.Field
	hasTime := false
	for i := range s.fields {
		fd := &s.fields[i]
		if fd.Kind == jsonscan.Null {
			continue
		}
		ok := true
		switch string(fd.Key(line)) {
		case "user_id":
			e.user, ok = s.id(line, fd, userKind)
		case "device_id":
			deviceID = fd
			e.device, ok = s.id(line, fd, deviceKind)
		case "insert_id":
			insertID = fd
			ok = fd.Kind == jsonscan.String
		case "time":
			e.time, ok = integer(line, fd)
			hasTime = ok
		case "event_id":
			e.eventID, ok = integer(line, fd)
		}
		if !ok {
			return e, &fault{"type", string(fd.Key(line)) + " has the wrong type"}
		}
	}
	if e.user == 0 && e.device == 0 {
		return e, &fault{"missing-id", "neither user_id nor device_id"}
	}
	if !hasTime {
		return e, &fault{"missing-time", "no time, so the event has no place in the order"}
	}
	e.content = xxhash.Sum64(line)
	if insertID != nil && insertID.End-insertID.Start > 2 {
		e.dedup = s.dedupKey(line, deviceID, insertID)
	}
	return e, nil
}

func (s *scanner) id(line []byte, f *jsonscan.Field, kind idKey) (idKey, bool) {
	if f.Kind != jsonscan.String {
		return 0, false
	}
	if f.End-f.Start == 2 {
		return 0, true
	}
	return keyOf(kind, s.text(line, f)), true
}

// text is the value of a string, valid until the next call.
func (s *scanner) text(line []byte, f *jsonscan.Field) []byte {
	if !f.Escaped {
		return line[f.Start+1 : f.End-1]
	}
	s.scratch = jsonscan.AppendUnquoted(s.scratch[:0], f.Value(line))
	return s.scratch
}

// dedupKey hashes what Amplitude recognises an event by.
func (s *scanner) dedupKey(line []byte, device, insert *jsonscan.Field) uint64 {
	var seed [8]byte
	if device != nil {
		binary.LittleEndian.PutUint64(seed[:], xxhash.Sum64(s.text(line, device)))
	}
	var d xxhash.Digest
	d.Reset()
	d.Write(seed[:])
	d.Write(s.text(line, insert))
	return max(1, d.Sum64())
}

func integer(line []byte, f *jsonscan.Field) (int64, bool) {
	if f.Kind != jsonscan.Number {
		return 0, false
	}
	n, err := strconv.ParseInt(string(f.Value(line)), 10, 64)
	return n, err == nil
}
