package validate

import (
	"bytes"

	"export2batch/internal/jsonscan"
)

// event is one event with its members found. It is valid until its text is.
type event struct {
	text    []byte
	fields  []jsonscan.Field
	keys    []key           // of fields, in their order
	at      [keyCount]int32 // 1 + index of the field with that key; 0 absent
	unknown int             // fields whose key is not known
	long    bool            // a field has more bytes than a string may have characters
	odd     bool            // a number may not be exact

	accepted bool // the schema library would find nothing wrong

	kind       *eventType // by the value of event_type; nil without one
	eventShape shapeFlags // of event_properties
	userShape  shapeFlags // of user_properties

	scanner jsonscan.Scanner
	inner   jsonscan.Inner
	byID    []key // by the scanner's number for the key
	shapes  shapes
}

// field returns the member with key k, or nil.
func (e *event) field(k key) *jsonscan.Field {
	if i := e.at[k]; i > 0 {
		return &e.fields[i-1]
	}
	return nil
}

// scan reads text. It is the fast path too: from the bytes it tells that the
// schema library would accept the event. Where it does not, the library decides.
func (e *event) scan(text []byte, minIDLength int) (err error) {
	e.scanner.Inner = &e.inner
	e.text, e.unknown, e.long, e.odd = text, 0, false, false
	e.kind, e.eventShape, e.userShape = nil, 0, 0
	clear(e.at[:])
	e.fields, err = e.scanner.Fields(text)
	if err != nil {
		e.fields = e.fields[:0]
		return err
	}
	if len(e.keys) < len(e.fields) {
		e.keys = make([]key, 2*len(e.fields))
	}
	e.accepted = true
	keys := e.keys[:len(e.fields)]
	for i := range e.fields {
		f := &e.fields[i]
		k := keyUnknown
		if int(f.ID) < len(e.byID) {
			k = e.byID[f.ID]
		} else {
			k = e.lookup(f)
		}
		keys[i] = k
		if k == keyUnknown {
			e.unknown++
			continue
		}
		e.at[k] = int32(i + 1)
		if f.End-f.Start > maxStringLength {
			e.long = true
		}
		if f.Kind == jsonscan.String && classes[k] == aString {
			continue // most of them
		}
		if !accepts(classes[k], f, text, minIDLength) {
			e.accepted = false
		}
		switch {
		case f.Kind == jsonscan.Number:
			e.odd = e.odd || !isPlain(f.Value(text))
		case f.Traits&jsonscan.LongNumber != 0:
			e.odd = true
		}
		switch k {
		case keyEventType:
			if f.Kind == jsonscan.String {
				e.kind = e.shapes.eventType(f, text)
			}
		case keyEventProperties:
			e.eventShape = e.shapes.properties(text, e.inner.Of(f), inEvent)
		case keyUserProperties:
			e.userShape = e.shapes.properties(text, e.inner.Of(f), inUser)
		}
	}
	e.accepted = e.accepted && e.at[keyEventType] > 0 && (e.at[keyUserID] > 0 || e.at[keyDeviceID] > 0)
	return nil
}

// lookup finds the key of a field that the scanner has numbered just now, or
// cannot number.
func (e *event) lookup(f *jsonscan.Field) key {
	if f.ID == jsonscan.NoID {
		return keysByName[string(decoded(f.Key(e.text), f.KeyEscaped))]
	}
	for id := len(e.byID); id <= int(f.ID); id++ {
		e.byID = append(e.byID, keysByName[e.scanner.Name(uint16(id))])
	}
	return e.byID[f.ID]
}

// decoded is what a key or string means, given without its quotes.
func decoded(s []byte, escaped bool) []byte {
	if escaped {
		return jsonscan.AppendUnescaped(nil, s)
	}
	return s
}

// is tells whether the event's type has all of these flags.
func (e *event) is(flag typeFlags) bool { return e.kind != nil && e.kind.flags&flag == flag }

// isPlain tells whether a number is certainly exact and in range: it has no
// exponent, and few digits or a fraction.
func isPlain(number []byte) bool {
	switch {
	case len(number) <= plainDigits:
		return isDecimal(number)
	case len(number) <= decimalBytes:
		return isDecimal(number) && bytes.IndexByte(number, '.') >= 0
	}
	return false
}
