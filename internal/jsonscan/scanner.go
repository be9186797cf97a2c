package jsonscan

import "strings"

// Scanner is Fields for many objects that have the same keys in nearly the
// same order. It numbers the keys it meets, and remembers which key came after
// which: where the text goes on as expected, one comparison is all a key costs.
// The zero Scanner is ready. It is not safe for concurrent use.
type Scanner struct {
	// Inner, when it is set, collects the keys of the objects that fields hold.
	Inner *Inner

	fields []Field
	keys   []knownKey // by ID
	ids    map[string]uint16
	first  uint16 // 1 + the key that objects start with
}

type knownKey struct {
	name    string
	literal string // the key as it is usually written, `"name":`
	escaped bool   // the literal holds a backslash
	next    uint16 // 1 + the key that came behind this one last
}

const (
	// maxKeys is how many keys a Scanner numbers, and maxKeyLength how many bytes
	// they may have; others are scanned as usual.
	maxKeys      = 512
	maxKeyLength = 256
	// maxKept is the number of fields whose memory is used again.
	maxKept = 4096
	noKey   = NoID
)

// NoID is the ID of a field whose key has no number.
const NoID uint16 = 0xffff

// Fields scans text as the function Fields does. What it returns is valid until
// the next call.
func (s *Scanner) Fields(text []byte) (fields []Field, err error) {
	if s.Inner != nil {
		s.Inner.keys, s.Inner.next = s.Inner.keys[:0], 0
	}
	s.fields, err = scanObject(s.fields[:0], text, s)
	return s.fields, err
}

// Name is the key that has been numbered id, decoded.
func (s *Scanner) Name(id uint16) string { return s.keys[id].name }

// follows tells whether the key that is expected behind the key last stands at
// text[i], and returns its ID.
func (s *Scanner) follows(last uint16, text []byte, i int) uint16 {
	if s == nil {
		return noKey
	}
	next := s.first
	if last != noKey {
		next = s.keys[last].next
	}
	if next == 0 {
		return noKey
	}
	literal := s.keys[next-1].literal
	// A byte more, so that the value does not begin with white space.
	if n := i + len(literal); n >= len(text) || string(text[i:n]) != literal || text[n] <= ' ' {
		return noKey
	}
	return next - 1
}

// learn returns the ID of a key that was not expected behind last.
func (s *Scanner) learn(last uint16, text []byte, f *Field) uint16 {
	if s == nil {
		return noKey
	}
	name := f.Key(text)
	if f.KeyEscaped {
		name = AppendUnescaped(nil, name)
	}
	id, ok := s.ids[string(name)]
	if !ok {
		if len(s.keys) == maxKeys || len(name) > maxKeyLength {
			return noKey
		}
		if s.ids == nil {
			s.ids = map[string]uint16{}
		}
		id = uint16(len(s.keys))
		k := string(name)
		s.ids[k] = id
		literal := string(AppendQuoted(nil, k)) + ":"
		s.keys = append(s.keys, knownKey{name: k, literal: literal, escaped: strings.Contains(literal, "\\")})
	}
	if last != noKey {
		s.keys[last].next = id + 1
	} else {
		s.first = id + 1
	}
	return id
}

// noteInner is where the keys inside fields go; nil: nowhere.
func (s *Scanner) noteInner() *Inner {
	if s == nil {
		return nil
	}
	return s.Inner
}
