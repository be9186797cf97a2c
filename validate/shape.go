package validate

import (
	"bytes"
	"strings"

	"export2batch/internal/jsonscan"
)

// The rules about names look at every key of properties. What is known of a key
// is kept under its hash.

// shapeFlags are what is known of a key of properties, or of all that an object
// has.
type shapeFlags uint8

const (
	hasOperation shapeFlags = 1 << iota // $set and the like
	hasRevenue                          // $revenue or $price
	hasReserved                         // a name that Amplitude keeps for itself
)

// eventType is what is known of an event type.
type eventType struct{ flags typeFlags }

type typeFlags uint8

const (
	isIdentify typeFlags = 1 << iota
	isGroupIdentify
	isReserved
)

// The names that a set of events has, by what they name.
const (
	inEvent = iota // event properties
	inUser         // user properties
	ofType         // event types
	nameKinds
)

// shapes keeps what a checker has seen. Names that it sees for the first time
// are in fresh until they are taken.
type shapes struct {
	keys  [2][]knownKey // by kind: inEvent, inUser
	types map[string]*eventType
	names [nameKinds]map[string]struct{}
	fresh []name
}

// name is one name that events have.
type name struct {
	kind uint8
	text string
}

// knownKey is the key that was met last of those whose hashes begin alike.
type knownKey struct {
	hash  uint64 // 0: none
	flags shapeFlags
}

// Bounds of what a checker keeps. What is over them is looked at anew.
const (
	keyBits  = 13     // of a hash: 8192 keys of each kind
	maxNames = 20_000 // of each kind
)

// properties returns what is known of an object with these keys.
func (s *shapes) properties(text []byte, keys []jsonscan.Key, kind int) (flags shapeFlags) {
	if s.keys[kind] == nil {
		s.keys[kind] = make([]knownKey, 1<<keyBits)
	}
	table := s.keys[kind]
	for _, k := range keys {
		h := hashKey(text, k)
		known := &table[h>>(64-keyBits)]
		if known.hash != h {
			*known = knownKey{h, s.newKey(text[k.Start:k.End], kind)}
		}
		flags |= known.flags
	}
	return flags
}

// newKey looks at a key that is not among the known ones.
func (s *shapes) newKey(raw []byte, kind int) shapeFlags {
	n := decoded(raw, bytes.IndexByte(raw, '\\') >= 0)
	if _, ok := s.names[kind][string(n)]; !ok {
		s.see(kind, string(n))
	}
	return nameFlags(string(n))
}

func (s *shapes) eventType(f *jsonscan.Field, text []byte) *eventType {
	raw := decoded(text[f.Start+1:f.End-1], f.Escaped)
	if known := s.types[string(raw)]; known != nil {
		return known
	}
	n := string(raw)
	known := &eventType{}
	switch {
	case n == "$identify":
		known.flags = isIdentify
	case n == "$groupidentify":
		known.flags = isGroupIdentify
	case isReservedName(n):
		known.flags = isReserved
	}
	s.see(ofType, n)
	if s.types == nil || len(s.types) == maxNames {
		s.types = map[string]*eventType{}
	}
	s.types[n] = known
	return known
}

// see notes a name.
func (s *shapes) see(kind int, n string) {
	if _, ok := s.names[kind][n]; ok || len(s.names[kind]) > maxNames {
		return
	}
	if s.names[kind] == nil {
		s.names[kind] = map[string]struct{}{}
	}
	s.names[kind][n] = struct{}{}
	s.fresh = append(s.fresh, name{uint8(kind), n})
}

// takeFresh returns the names seen since it was called last.
func (s *shapes) takeFresh() []name {
	fresh := s.fresh
	s.fresh = nil
	return fresh
}

func nameFlags(n string) (flags shapeFlags) {
	switch {
	case isOperation(n):
		return hasOperation
	case n == "$revenue" || n == "$price":
		return hasRevenue
	case n == "$quantity" || n == "$productId" || n == "$revenueType" || n == "$receipt" || n == "$receiptSig":
		return 0 // names that Amplitude asks for
	case isReservedName(n):
		return hasReserved
	}
	return 0
}

// isReservedName tells the names that Amplitude gives itself.
func isReservedName(n string) bool {
	return strings.HasPrefix(n, "$") || strings.HasPrefix(n, "[Amplitude]")
}
