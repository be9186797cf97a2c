package convert

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"export2batch/internal/jsonscan"
)

// groupChanges remembers what was last said about each group, to make an event
// only of what is new.
type groupChanges struct {
	last map[[2]uint64]uint64 // hash of the properties, by hashes of type and name
}

// maxGroups bounds the groups that are remembered.
const maxGroups = 1 << 16

// changed notes the properties of a group.
func (g *groupChanges) changed(typ, name, properties []byte) bool {
	if g.last == nil {
		g.last = map[[2]uint64]uint64{}
	}
	if len(g.last) >= maxGroups {
		clear(g.last)
	}
	key, hash := [2]uint64{xxhash.Sum64(typ), xxhash.Sum64(name)}, xxhash.Sum64(properties)
	if was, ok := g.last[key]; ok && was == hash {
		return false
	}
	g.last[key] = hash
	return true
}

// groupEvents appends a $groupidentify event for each group whose properties,
// {"TYPE":{"NAME":{…}}} in the export, are not those it had before, and returns
// how many. They stand before the event that shows them.
func (r *ruled) groupEvents(dst, line []byte, ms int64) ([]byte, int64) {
	f := r.m.at[groupProperties]
	if f == nil || f.Kind != jsonscan.Object {
		return dst, 0
	}
	n := int64(0)
	whole := r.eachGroup(f.Value(line), func(typ, name, properties []byte) {
		if !r.changes.changed(typ, name, properties) {
			return
		}
		dst = append(dst, '{')
		for _, s := range [...]slot{userID, deviceID} {
			if id := r.m.at[s]; id != nil {
				dst = append(append(dst, batchKeys[s]...), appendID(nil, line, id)...)
				dst = append(dst, ',')
			}
		}
		dst = append(dst, `"event_type":"$groupidentify","time":`...)
		dst = strconv.AppendInt(dst, ms, 10)
		dst = r.appendGroupInsertID(append(dst, `,"insert_id":`...), typ, name, properties, ms)
		dst = append(append(append(append(dst, `,"groups":{`...), typ...), ':'), name...)
		dst = append(append(dst, `},"group_properties":{"$set":`...), properties...)
		dst = append(dst, '}', '}', '\n')
		n++
	})
	if whole {
		r.m.at[groupProperties] = nil // carried over
	}
	return dst, n
}

// eachGroup calls do with type and name, as JSON strings, and the properties.
// It tells whether all of them had that form.
func (r *ruled) eachGroup(object []byte, do func(typ, name, properties []byte)) bool {
	types, err := jsonscan.Fields(nil, object)
	if err != nil {
		return false
	}
	whole := true
	for i := range types {
		t := &types[i]
		if t.Kind != jsonscan.Object {
			whole = false
			continue
		}
		value := t.Value(object)
		names, err := jsonscan.Fields(nil, value)
		if err != nil {
			whole = false
			continue
		}
		for j := range names {
			switch g := &names[j]; {
			case g.Kind != jsonscan.Object:
				whole = false
			case populated(value, g):
				do(object[t.KeyStart-1:t.KeyEnd+1], value[g.KeyStart-1:g.KeyEnd+1], g.Value(value))
			}
		}
	}
	return whole
}

// appendGroupInsertID makes an id of all that the event says.
func (r *ruled) appendGroupInsertID(dst, typ, name, properties []byte, ms int64) []byte {
	h := sha256.New()
	for _, part := range [...][]byte{typ, name, properties} {
		h.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		h.Write(part)
	}
	h.Write(strconv.AppendInt(nil, ms, 10))
	dst = append(dst, `"e2b-`...)
	dst = hex.AppendEncode(dst, h.Sum(nil)[:16])
	return append(dst, '"')
}
