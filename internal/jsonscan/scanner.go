package jsonscan

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Scanner is Fields for many objects that are alike. It numbers the keys it
// meets, and remembers the object before: members that stand there too, byte
// for byte, are not scanned again, wherever in the object they are. In exports
// that is more than half of the text. The zero Scanner is ready. It is not
// safe for concurrent use.
type Scanner struct {
	// Inner, when it is set, collects the keys of the objects that fields hold.
	Inner *Inner
	// Borrow: a text given to Fields stays as it is until the next call, or until
	// Forget. Otherwise it is copied.
	Borrow bool

	fields []Field
	before object
	copied []byte   // text of the object before, unless it is borrowed
	keys   []string // by ID
	ids    map[string]uint16
}

// object is what is remembered of one; no fields: nothing.
type object struct {
	text   []byte
	fields []Field
	inner  []Key
}

const (
	// maxKeys is how many keys a Scanner numbers, and maxKeyLength how many bytes
	// they may have; others are scanned as usual.
	maxKeys      = 512
	maxKeyLength = 256
	// maxKept is the longest object that is remembered, in bytes.
	maxKept = 64 << 10
)

// NoID is the ID of a field whose key has no number.
const NoID uint16 = 0xffff

// Name is the key that has been numbered id, decoded.
func (s *Scanner) Name(id uint16) string { return s.keys[id] }

// Fields scans text as the function Fields does. What it returns is valid until
// the next call; with an error it is nothing.
func (s *Scanner) Fields(text []byte) ([]Field, error) {
	if uint64(len(text)) > math.MaxUint32 {
		return nil, fault(0, "text of 4 GiB or more")
	}
	if s.Inner != nil {
		s.Inner.keys, s.Inner.next = s.Inner.keys[:0], 0
	}
	fields, err := s.scan(s.fields[:0], text)
	s.fields = fields
	if err != nil || len(text) > maxKept {
		s.before.fields = s.before.fields[:0]
		if err != nil {
			return nil, err
		}
		return fields, nil
	}
	// What was remembered is overwritten by the call after the next.
	s.fields, s.before.fields = s.before.fields, fields
	if s.Borrow {
		s.before.text = text
	} else {
		s.copied = append(s.copied[:0], text...)
		s.before.text = s.copied
	}
	if s.Inner != nil {
		s.before.inner = append(s.before.inner[:0], s.Inner.keys...)
	}
	return fields, nil
}

// Forget makes the next object the first.
func (s *Scanner) Forget() {
	s.before.text, s.before.fields = nil, s.before.fields[:0]
}

func (s *Scanner) scan(dst []Field, text []byte) ([]Field, error) {
	i, empty, err := open(text)
	if err != nil || empty {
		return dst, err
	}
	var (
		seen  keySet
		done  bool
		was   = s.before.fields
		next  int // the member of was that is expected
		inner int // the key of s.before.inner that is
	)
	for {
		known := false // that the key of was[next] stands here
		if next < len(was) {
			// A member of was is here too if it is the same with the byte that ends it. Offsets here are delta more than there.
			start, first := was[next].KeyStart-1, next
			delta := uint32(i) - start
			same := start + uint32(common(s.before.text[start:], text[i:]))
			for next < len(was) && was[next].End < same {
				next++
			}
			if len(dst)+next-first > MaxMembers {
				next = first // too many, but which is the first of these?
			}
			if next > first {
				n := len(dst)
				dst = append(dst, was[first:next]...)
				for ; n < len(dst); n++ {
					f := &dst[n]
					f.move(delta)
					f.Traits |= Same
					if !seen.addID(f.ID) && !seen.add(text, dst[:n+1]) {
						return dst, twice(f)
					}
				}
				end := was[next-1].End
				if s.Inner != nil {
					inner = s.Inner.carry(s.before.inner, inner, was[first].Start, end, delta)
				}
				if i, done, err = behind(text, int(end+delta)); err != nil || done {
					return dst, err
				}
			}
			if next < len(was) && was[next].Start <= same && uint32(i) == was[next].KeyStart-1+delta {
				value := int(was[next].Start + delta)
				known = value < len(text) && text[value] > ' '
			}
		}
		// Made in place: a copy would wait for the stores.
		dst = append(dst, Field{ID: NoID})
		f := &dst[len(dst)-1]
		if known {
			delta := uint32(i) - (was[next].KeyStart - 1)
			f.ID, f.KeyEscaped = was[next].ID, was[next].KeyEscaped
			f.KeyStart, f.KeyEnd = was[next].KeyStart+delta, was[next].KeyEnd+delta
			i = int(was[next].Start + delta)
			next++
		} else {
			if i, err = f.key(text, i); err != nil {
				return dst, err
			}
			f.ID = s.learn(text, f)
			next = s.find(f.ID, next)
		}
		if i, err = f.value(text, i, s.Inner); err != nil {
			return dst, err
		}
		if err = seen.check(text, dst); err != nil {
			return dst, err
		}
		if i, done, err = behind(text, i); err != nil || done {
			return dst, err
		}
	}
}

// find returns where to go on in the object before, behind the key that was
// not expected at next: after that key, if it stands near, or there still.
func (s *Scanner) find(id uint16, next int) int {
	const near = 16
	was := s.before.fields
	for i := next; i < min(len(was), next+near) && id != NoID; i++ {
		if was[i].ID == id {
			return i + 1
		}
	}
	return next
}

// learn returns the ID of the field's key.
func (s *Scanner) learn(text []byte, f *Field) uint16 {
	name := f.Key(text)
	if f.KeyEscaped {
		name = AppendUnescaped(nil, name)
	}
	id, ok := s.ids[string(name)]
	if !ok {
		if len(s.keys) == maxKeys || len(name) > maxKeyLength {
			return NoID
		}
		if s.ids == nil {
			s.ids = map[string]uint16{}
		}
		id = uint16(len(s.keys))
		s.keys = append(s.keys, string(name))
		s.ids[s.keys[id]] = id
	}
	return id
}

func (f *Field) move(delta uint32) {
	f.KeyStart += delta
	f.KeyEnd += delta
	f.Start += delta
	f.End += delta
}

// common is how many bytes a and b begin with together.
func common(a, b []byte) int {
	i := 0
	for len(a) >= 32 && len(b) >= 32 {
		le := binary.LittleEndian
		w, x, y, z := le.Uint64(a)^le.Uint64(b), le.Uint64(a[8:])^le.Uint64(b[8:]), le.Uint64(a[16:])^le.Uint64(b[16:]), le.Uint64(a[24:])^le.Uint64(b[24:])
		if w|x|y|z != 0 {
			break
		}
		a, b = a[32:], b[32:]
		i += 32
	}
	for len(a) >= 8 && len(b) >= 8 {
		if x := binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
		a, b = a[8:], b[8:]
		i += 8
	}
	for j := range min(len(a), len(b)) {
		if a[j] != b[j] {
			break
		}
		i++
	}
	return i
}
