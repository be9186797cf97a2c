package jsonscan

import "bytes"

// keySet finds a key that occurs twice. Keys that a Scanner has numbered are
// bits; the others go into a hash table of 256 places, for objects of up to
// wide members, and into a map for wider ones and for escaped keys, which must
// be compared as decoded. Then all keys go there.
type keySet struct {
	ids   [idWords]uint64 // the keys with a number
	table [256]uint8      // 1 + index of the field, 0 free
	names map[string]struct{}
}

const (
	wide    = 160
	idWords = maxKeys / 64
)

// check takes the last of fields, and refuses it when its key is not new or
// there are too many.
func (s *keySet) check(text []byte, fields []Field) error {
	last := len(fields) - 1
	f := &fields[last]
	if last == MaxMembers {
		return fault(int(f.KeyStart), "more than 100000 keys")
	}
	if !s.addID(f.ID) && !s.add(text, fields) {
		return twice(f)
	}
	return nil
}

func twice(f *Field) error { return fault(int(f.KeyStart), "a key occurs twice") }

// addID reports that a numbered key is new. Otherwise add decides.
func (s *keySet) addID(id uint16) bool {
	if id >= maxKeys || s.names != nil {
		return false
	}
	word, bit := &s.ids[id/64], uint64(1)<<(id%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

// add takes the last of fields and reports whether its key is new.
func (s *keySet) add(text []byte, fields []Field) bool {
	last := len(fields) - 1
	f := &fields[last]
	if s.names != nil {
		return s.addName(text, f)
	}
	if f.ID != NoID {
		return false // addID has seen it
	}
	if last >= wide || f.KeyEscaped {
		s.names = make(map[string]struct{}, 2*len(fields))
		for i := range fields {
			if !s.addName(text, &fields[i]) {
				return false
			}
		}
		return true
	}
	key := f.Key(text)
	place := keyHash(key)
	for s.table[place] != 0 {
		if bytes.Equal(key, fields[s.table[place]-1].Key(text)) {
			return false
		}
		place++
	}
	s.table[place] = uint8(last + 1)
	return true
}

func (s *keySet) addName(text []byte, f *Field) bool {
	name := f.Key(text)
	if f.KeyEscaped {
		name = AppendUnescaped(nil, name)
	}
	if _, ok := s.names[string(name)]; ok {
		return false
	}
	s.names[string(name)] = struct{}{}
	return true
}

func keyHash(key []byte) uint8 {
	n := len(key)
	if n == 0 {
		return 0
	}
	h := uint32(n) + uint32(key[0])<<8 + uint32(key[n/2])<<16 + uint32(key[n-1])<<24
	return uint8(h * 0x9E3779B1 >> 24)
}
