package convert

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"export2batch/internal/jsonscan"
)

// appendInsertID appends the event's insert id as a JSON string and takes the
// field it used out of the line, so that it does not count as lost. An id of
// the export that is not used does.
func (m *mapper) appendInsertID(dst, line []byte, ms int64) []byte {
	for _, s := range [...]slot{insertID, uuid} {
		f := m.at[s]
		if f == nil || !populated(line, f) {
			continue
		}
		if usableID(line, f) && (s == uuid || m.rules.InsertID != InsertIDUUID) {
			m.at[s] = nil
			if s == uuid {
				m.insertIDs["uuid"]++
			} else {
				m.insertIDs["export"]++
			}
			return appendID(dst, line, f)
		}
		if s == insertID { // countLost sees to uuid
			m.lostSlots[s]++
		}
	}
	m.insertIDs["hash"]++
	if m.ruled != nil && len(m.ruled.hash) > 0 {
		return append(dst, m.ruled.hash...)
	}
	return m.appendHash(dst, line, ms)
}

// needsHash tells whether appendInsertID will hash.
func (m *mapper) needsHash(line []byte) bool {
	for _, s := range [...]slot{insertID, uuid} {
		if f := m.at[s]; f != nil && populated(line, f) && usableID(line, f) && (s == uuid || m.rules.InsertID != InsertIDUUID) {
			return false
		}
	}
	return true
}

// appendHash appends an insert id made of what the event is: 128 bits of the
// SHA-256 over device, user, type, event id, time and properties, each with
// its length before it, strings as decoded and the rest in canonical form, so
// that the same event has the same id however it is written.
func (m *mapper) appendHash(dst, line []byte, ms int64) []byte {
	h := sha256.New()
	var n [8]byte
	add := func(b []byte) {
		binary.LittleEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	for _, s := range []slot{deviceID, userID, eventType, eventID, eventProperties} {
		m.scratch = m.scratch[:0]
		if f := m.at[s]; f != nil {
			if f.Kind == jsonscan.String {
				m.scratch = jsonscan.AppendUnquoted(m.scratch, f.Value(line))
			} else {
				m.scratch = appendCanonical(m.scratch, f.Value(line), f.Kind)
			}
		}
		add(m.scratch)
	}
	binary.LittleEndian.PutUint64(n[:], uint64(ms))
	h.Write(n[:])
	dst = append(dst, `"e2b-`...)
	dst = hex.AppendEncode(dst, h.Sum(nil)[:16])
	return append(dst, '"')
}

// appendCanonical appends an accepted value as it would be written with its
// keys sorted, without white space and with no escape that is not needed.
// Numbers keep their digits, and an object in which a key occurs twice keeps
// the order of its keys and their escapes.
func appendCanonical(dst, text []byte, kind jsonscan.Kind) []byte {
	switch kind {
	case jsonscan.String:
		return jsonscan.AppendQuoted(dst, jsonscan.AppendUnquoted(nil, text))
	case jsonscan.Array:
		elements, err := jsonscan.Elements(nil, text)
		if err != nil {
			return jsonscan.AppendCompact(dst, text)
		}
		dst = append(dst, '[')
		for i, e := range elements {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendCanonical(dst, e.Value(text), e.Kind)
		}
		return append(dst, ']')
	case jsonscan.Object:
		fields, err := jsonscan.Fields(nil, text)
		if err != nil {
			return jsonscan.AppendCompact(dst, text)
		}
		type member struct {
			key   []byte
			field *jsonscan.Field
		}
		members := make([]member, len(fields))
		for i := range fields {
			members[i] = member{jsonscan.AppendUnescaped(nil, fields[i].Key(text)), &fields[i]}
		}
		slices.SortFunc(members, func(a, b member) int { return bytes.Compare(a.key, b.key) })
		dst = append(dst, '{')
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(jsonscan.AppendQuoted(dst, m.key), ':')
			dst = appendCanonical(dst, m.field.Value(text), m.field.Kind)
		}
		return append(dst, '}')
	}
	return append(dst, text...)
}
