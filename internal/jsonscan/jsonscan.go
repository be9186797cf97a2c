// Package jsonscan walks JSON text once, validating all of it, and tells where
// the members of its outermost object are. It copies and decodes nothing.
//
// What it accepts is what RFC 8259 calls JSON, with four rules added that an
// import that cannot be undone needs: the text is valid UTF-8, an escaped
// surrogate comes in pairs, no key of the outermost object occurs twice, and
// neither MaxDepth nor MaxMembers is exceeded. An error names the offset and the
// reason, never the content.
//
// All functions are safe for concurrent use; results point into the caller's
// bytes.
package jsonscan

import (
	"fmt"
	"math"
)

// MaxDepth is how many objects and arrays may be open at once, the outermost
// included. Amplitude takes 40 levels of properties; encoding/json reads 10000.
const MaxDepth = 1000

// MaxMembers is how many members the outermost object may have; real exports
// have some sixty.
const MaxMembers = 100_000

// Kind is the type of a JSON value.
type Kind uint8

// The types of JSON values.
const (
	Null Kind = iota + 1
	Bool
	Number
	String
	Object
	Array
)

// String gives the name JSON Schema has for the kind.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "boolean"
	case Number:
		return "number"
	case String:
		return "string"
	case Object:
		return "object"
	case Array:
		return "array"
	}
	return "invalid"
}

// Field is one member of an object, as offsets into the scanned text.
type Field struct {
	KeyStart, KeyEnd uint32 // the key, without its quotes
	Start, End       uint32 // the value, with quotes, braces or brackets
	Depth            uint16 // containers open inside the value: 0 a scalar, 1 {} or [1]
	ID               uint16 // the Scanner's number for the key; NoID without one
	Kind             Kind
	Traits           Traits // of the keys, strings and numbers inside an object or array
	KeyEscaped       bool   // the key holds a backslash
	Escaped          bool   // the value is a string that holds a backslash
}

// Key returns the key as it stands in the text, which is its value unless
// KeyEscaped.
func (f *Field) Key(text []byte) []byte { return text[f.KeyStart:f.KeyEnd] }

// Value returns the value as it stands in the text.
func (f *Field) Value(text []byte) []byte { return text[f.Start:f.End] }

// Span is one element of an array, as offsets into the scanned text.
type Span struct {
	Start, End uint32
	Kind       Kind
}

// Value returns the element as it stands in the text.
func (s Span) Value(text []byte) []byte { return text[s.Start:s.End] }

// SyntaxError says where and why a text is not acceptable JSON.
type SyntaxError struct {
	Offset int // bytes before the fault
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("byte %d: %s", e.Offset+1, e.Reason)
}

func fault(at int, reason string) error { return &SyntaxError{Offset: at, Reason: reason} }

// Fields appends the members of the object that text holds to dst, in their
// order, and validates the whole text. For many objects with the same keys a
// Scanner is faster.
func Fields(dst []Field, text []byte) ([]Field, error) {
	if uint64(len(text)) > math.MaxUint32 {
		return dst, fault(0, "text of 4 GiB or more")
	}
	base := len(dst)
	i, empty, err := open(text)
	if err != nil || empty {
		return dst, err
	}
	var seen keySet
	for {
		f := Field{ID: NoID}
		if i, err = f.key(text, i); err != nil {
			return dst, err
		}
		if i, err = f.value(text, i, nil); err != nil {
			return dst, err
		}
		dst = append(dst, f)
		if err = seen.check(text, dst[base:]); err != nil {
			return dst, err
		}
		var done bool
		if i, done, err = behind(text, i); err != nil || done {
			return dst, err
		}
	}
}

// open returns where the first key of an object begins, unless it is empty.
func open(text []byte) (i int, empty bool, err error) {
	i = skipSpace(text, 0)
	if i == len(text) {
		return i, false, fault(i, "no value")
	}
	if text[i] != '{' {
		return i, false, fault(i, "not an object")
	}
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == '}' {
		return i, true, end(text, i+1)
	}
	return i, false, nil
}

// key scans the member's key, which starts at text[i], and returns where its
// value starts.
func (f *Field) key(text []byte, i int) (value int, err error) {
	if i >= len(text) {
		return i, fault(i, "text ends inside an object")
	}
	if text[i] != '"' {
		return i, fault(i, "a key is expected")
	}
	stop, escaped, err := skipString(text, i+1)
	if err != nil {
		return i, err
	}
	f.KeyStart, f.KeyEnd, f.KeyEscaped = uint32(i+1), uint32(stop), escaped
	return colon(text, stop+1)
}

// behind goes on behind a member, to the next one or to the end of the text.
func behind(text []byte, i int) (next int, done bool, err error) {
	if i = skipSpace(text, i); i >= len(text) {
		return i, false, fault(i, "text ends inside an object")
	}
	switch text[i] {
	case ',':
		return skipSpace(text, i+1), false, nil
	case '}':
		return i, true, end(text, i+1)
	}
	return i, false, fault(i, "a comma or closing brace is expected")
}

// value scans the member's value, which starts at text[i], and returns the
// offset behind it.
func (f *Field) value(text []byte, i int, inner *Inner) (stop int, err error) {
	f.Start = uint32(i)
	if i >= len(text) {
		return i, fault(i, "text ends where a value is expected")
	}
	switch c := text[i]; {
	case c == '"':
		if i, f.Escaped, err = skipString(text, i+1); err != nil {
			return i, err
		}
		i++
		f.Kind = String
	case c == 'n':
		i, err = skipLiteral(text, i, "null")
		f.Kind = Null
	case c-'0' <= 9:
		i, err = skipNumber(text, i)
		f.Kind = Number
	default:
		i, f.Depth, f.Kind, f.Traits, err = skipValue(text, i, 1, inner)
	}
	f.End = uint32(i)
	return i, err
}

// Elements appends the elements of the array that text holds to dst, in their
// order, and validates the whole text.
func Elements(dst []Span, text []byte) ([]Span, error) {
	if uint64(len(text)) > math.MaxUint32 {
		return dst, fault(0, "text of 4 GiB or more")
	}
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '[' {
		return dst, fault(i, "not an array")
	}
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == ']' {
		return dst, end(text, i+1)
	}
	for {
		i = skipSpace(text, i)
		stop, _, kind, _, err := skipValue(text, i, 1, nil)
		if err != nil {
			return dst, err
		}
		dst = append(dst, Span{Start: uint32(i), End: uint32(stop), Kind: kind})
		if i = skipSpace(text, stop); i >= len(text) {
			return dst, fault(i, "text ends inside an array")
		}
		switch text[i] {
		case ',':
			i++
		case ']':
			return dst, end(text, i+1)
		default:
			return dst, fault(i, "a comma or closing bracket is expected")
		}
	}
}

// Check validates one JSON value of any kind and returns its kind.
func Check(text []byte) (Kind, error) {
	i, _, kind, _, err := skipValue(text, skipSpace(text, 0), 0, nil)
	if err != nil {
		return 0, err
	}
	return kind, end(text, i)
}

func end(text []byte, i int) error {
	if i = skipSpace(text, i); i < len(text) {
		return fault(i, "text after the value")
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return skipMoreSpace(b, i)
}

func skipMoreSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// colon skips to the value behind a key.
func colon(b []byte, i int) (int, error) {
	if i = skipSpace(b, i); i >= len(b) {
		return i, fault(i, "text ends inside an object")
	}
	if b[i] != ':' {
		return i, fault(i, "a colon is expected")
	}
	return skipSpace(b, i+1), nil
}
