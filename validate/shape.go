package validate

import (
	"bytes"
	"strings"

	"export2batch/internal/jsonscan"
)

// The rules about names look at every key of properties. What is known of a key
// is kept under its hash.

// nameFlags are what is known of a name, or of all that an object has.
type nameFlags uint8

const (
	hasOperation nameFlags = 1 << iota // $set and the like
	hasRevenue                         // $revenue or $price
	isReserved                         // a name that Amplitude keeps for itself
	isIdentify                         // of event types: $identify
	isGroupIdentify
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
	known [nameKinds][]knownName
	names [nameKinds]map[string]struct{}
	fresh []name
}

// name is one name that events have.
type name struct {
	kind uint8
	text string
}

// knownName is the name that was met last of those whose hashes begin alike.
type knownName struct {
	hash  uint64 // 0: none
	flags nameFlags
}

// Bounds of what a checker keeps. What is over them is looked at anew.
const (
	knownBits = 13     // of a hash: 8192 names of each kind
	maxNames  = 20_000 // of each kind
)

// of returns what is known of names that stand in text, as strings without
// their quotes.
func (s *shapes) of(text []byte, kind int, names ...jsonscan.Key) (flags nameFlags) {
	if s.known[kind] == nil {
		s.known[kind] = make([]knownName, 1<<knownBits)
	}
	table := s.known[kind]
	for _, n := range names {
		h := hashKey(text, n)
		known := &table[h>>(64-knownBits)]
		if known.hash != h {
			*known = knownName{h, s.newName(text[n.Start:n.End], kind)}
		}
		flags |= known.flags
	}
	return flags
}

// newName looks at a name that is not among the known ones.
func (s *shapes) newName(raw []byte, kind int) nameFlags {
	n := decoded(raw, bytes.IndexByte(raw, '\\') >= 0)
	if _, ok := s.names[kind][string(n)]; !ok {
		s.see(kind, string(n))
	}
	if kind == ofType {
		return flagsOfType(string(n))
	}
	return flagsOfProperty(string(n))
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

func flagsOfType(n string) nameFlags {
	switch {
	case n == "$identify":
		return isIdentify
	case n == "$groupidentify":
		return isGroupIdentify
	case isReservedName(n):
		return isReserved
	}
	return 0
}

func flagsOfProperty(n string) nameFlags {
	switch {
	case isOperation(n):
		return hasOperation
	case n == "$revenue" || n == "$price":
		return hasRevenue
	case n == "$quantity" || n == "$productId" || n == "$revenueType" || n == "$receipt" || n == "$receiptSig":
		return 0 // names that Amplitude asks for
	case isReservedName(n):
		return isReserved
	}
	return 0
}

// isReservedName tells the names that Amplitude gives itself.
func isReservedName(n string) bool {
	return strings.HasPrefix(n, "$") || strings.HasPrefix(n, "[Amplitude]")
}
