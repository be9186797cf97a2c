package convert

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"export2batch/internal/jsonscan"
)

// appendInsertID appends the event's insert id as a JSON string and takes the
// field it used out of the line, so that it does not count as lost.
func (m *mapper) appendInsertID(dst, line []byte, ms int64) []byte {
	from := []slot{insertID, uuid}
	if m.rules.InsertID == InsertIDUUID {
		from = from[1:]
	}
	for _, s := range from {
		if f := m.at[s]; f != nil && populated(line, f) && usableID(line, f) {
			m.at[s] = nil
			if s == uuid {
				m.insertIDs["uuid"]++
			} else {
				m.insertIDs["export"]++
			}
			return appendID(dst, line, f)
		}
	}
	m.insertIDs["hash"]++
	return m.appendHash(dst, line, ms)
}

// appendHash appends an insert id made of what the event is: 128 bits of the
// SHA-256 over device, user, type, event id, time and properties, each with
// its length before it, strings as decoded and the rest without white space,
// so that the same event has the same id however it is written.
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
				m.scratch = jsonscan.AppendCompact(m.scratch, f.Value(line))
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
