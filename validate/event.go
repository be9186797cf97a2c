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
	doubts  doubts          // about any of the fields

	accepted bool // the schema library would find nothing wrong

	kind       nameFlags // of the event type
	eventShape nameFlags // of event_properties
	userShape  nameFlags // of user_properties

	scanner jsonscan.Scanner
	inner   jsonscan.Inner
	byID    []key // by the scanner's number for the key
	shapes  shapes

	// Of the event before, for the members that are the same in this one:
	before struct {
		doubts      [keyCount]doubts
		numbers     [keyCount]numberCounts
		minIDLength int

		kind, eventShape, userShape nameFlags
	}
}

// doubts are what may be wrong with a field.
type doubts uint8

const (
	doubtSchema doubts = 1 << iota // the schema may refuse the value
	doubtLength                    // it has more bytes than a string may have characters
	doubtNumber                    // it has numbers that are out of range or inexact
)

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
	e.text, e.unknown, e.doubts, e.accepted = text, 0, 0, false
	e.kind, e.eventShape, e.userShape = 0, 0, 0
	clear(e.at[:])
	e.fields, err = e.scanner.Fields(text)
	if err != nil {
		e.fields = e.fields[:0]
		return err
	}
	if len(e.keys) < len(e.fields) {
		e.keys = make([]key, 2*len(e.fields))
	}
	was := &e.before
	known := jsonscan.Same // the trait of fields whose doubts are known
	if was.minIDLength != minIDLength {
		was.minIDLength, known = minIDLength, 0
	}
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
		if f.Traits&known == 0 {
			e.look(k, f, minIDLength)
		}
		e.doubts |= was.doubts[k]
	}
	if e.at[keyEventType] > 0 {
		e.kind = was.kind
	}
	if e.at[keyEventProperties] > 0 {
		e.eventShape = was.eventShape
	}
	if e.at[keyUserProperties] > 0 {
		e.userShape = was.userShape
	}
	e.accepted = e.doubts&doubtSchema == 0 && e.at[keyEventType] > 0 && (e.at[keyUserID] > 0 || e.at[keyDeviceID] > 0)
	return nil
}

// look finds out about a field whose member is not the same as before.
func (e *event) look(k key, f *jsonscan.Field, minIDLength int) {
	var d doubts
	was := &e.before
	if f.End-f.Start > maxStringLength {
		d = doubtLength
	}
	if f.Kind == jsonscan.String && classes[k] == aString {
		was.doubts[k] = d // most of them
		return
	}
	if !accepts(classes[k], f, e.text, minIDLength) {
		d |= doubtSchema
	}
	if f.Kind == jsonscan.Number || f.Traits&jsonscan.LongNumber != 0 && k.isProperties() {
		if was.numbers[k] = countNumbers(f, e.text); was.numbers[k] != (numberCounts{}) {
			d |= doubtNumber
		}
	}
	was.doubts[k] = d
	switch k {
	case keyEventType:
		if was.kind = 0; f.Kind == jsonscan.String {
			was.kind = e.shapes.of(e.text, ofType, jsonscan.Key{Start: f.Start + 1, End: f.End - 1})
		}
	case keyEventProperties:
		was.eventShape = e.shapes.of(e.text, inEvent, e.inner.Of(f)...)
	case keyUserProperties:
		was.userShape = e.shapes.of(e.text, inUser, e.inner.Of(f)...)
	}
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

// is tells whether the event's type has this flag.
func (e *event) is(flag nameFlags) bool { return e.kind&flag != 0 }

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
