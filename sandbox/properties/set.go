// Package properties is a table of user or group properties as Amplitude keeps
// one for each user: plain objects are merged into it, operations ($set,
// $append, …) change it.
//
// Values keep the bytes they were sent in, so numbers keep their digits; only
// what is over Amplitude's length for texts is cut. A table takes at most
// MaxBytes: an update that would make it larger is left out as a whole.
package properties

import (
	"bytes"
	"slices"
	"strings"

	"export2batch/internal/jsonscan"
)

// MaxBytes is the size of a table as JSON text. Amplitude documents none; it
// keeps a hostile sender from growing a user without end, since every synced
// event shows the whole table.
const MaxBytes = 128 << 10

// Set is one table. The zero value is empty. It is not safe for concurrent
// use.
type Set struct {
	members []member // by key
	size    int      // bytes of keys and values
}

// member is one property. The bytes of a value are never changed, only
// replaced.
type member struct {
	key   string // as JSON, without needless escapes
	value []byte // as JSON
}

// Len returns the number of properties.
func (s *Set) Len() int { return len(s.members) }

// AppendJSON appends the table as an object, its keys in order.
func (s *Set) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	for i := range s.members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, s.members[i].key...)
		b = append(b, ':')
		b = append(b, s.members[i].value...)
	}
	return append(b, '}')
}

// Apply merges an object of properties, or does the operations it holds. The
// object is one that jsonscan accepts in a larger text. It tells whether it
// was done: not when the object holds a key twice, or would make the table too
// large.
func (s *Set) Apply(object []byte) bool {
	fields, err := jsonscan.Fields(nil, object)
	if err != nil {
		return false
	}
	if s.size+len(object) > MaxBytes {
		// It may still fit: what it replaces goes.
		copied := Set{members: slices.Clone(s.members), size: s.size}
		copied.apply(object, fields)
		if copied.size > MaxBytes {
			return false
		}
		*s = copied
		return true
	}
	s.apply(object, fields)
	return true
}

func (s *Set) apply(object []byte, fields []jsonscan.Field) {
	if hasOperation(object, fields) {
		s.operate(object, fields)
		return
	}
	s.merge(object, fields)
}

// merge sets every field. Those that are new are sorted in together, so that
// an object of many keys costs no more than sorting them.
func (s *Set) merge(object []byte, fields []jsonscan.Field) {
	known := len(s.members)
	for i := range fields {
		key, value := keyOf(object, &fields[i]), fields[i].Value(object)
		if at, ok := s.find(key, known); ok {
			s.replace(at, value)
			continue
		}
		s.members = append(s.members, member{string(key), cut(value)})
		s.size += len(key) + len(s.members[len(s.members)-1].value)
	}
	if len(s.members) > known {
		slices.SortFunc(s.members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	}
}

// find looks among the first n members.
func (s *Set) find(key []byte, n int) (int, bool) {
	return slices.BinarySearchFunc(s.members[:n], key, func(m member, k []byte) int { return strings.Compare(m.key, string(k)) })
}

func (s *Set) get(key []byte) []byte {
	if at, ok := s.find(key, len(s.members)); ok {
		return s.members[at].value
	}
	return nil
}

func (s *Set) replace(at int, value []byte) {
	if m := &s.members[at]; !bytes.Equal(m.value, value) {
		s.size -= len(m.value)
		m.value = cut(value)
		s.size += len(m.value)
	}
}

func (s *Set) set(key, value []byte) {
	at, ok := s.find(key, len(s.members))
	if ok {
		s.replace(at, value)
		return
	}
	value = cut(value)
	s.members = slices.Insert(s.members, at, member{string(key), value})
	s.size += len(key) + len(value)
}

func (s *Set) unset(key []byte) {
	if at, ok := s.find(key, len(s.members)); ok {
		s.size -= len(key) + len(s.members[at].value)
		s.members = slices.Delete(s.members, at, at+1)
	}
}

func (s *Set) clear() { *s = Set{} }

// keyOf returns a key in the form the table has.
func keyOf(object []byte, f *jsonscan.Field) []byte {
	if f.KeyEscaped {
		return jsonscan.AppendQuoted(nil, jsonscan.AppendUnescaped(nil, f.Key(object)))
	}
	return object[f.KeyStart-1 : f.KeyEnd+1] // with its quotes
}
