package validate

import (
	"unicode/utf8"

	"export2batch/internal/jsonscan"
)

// accepts tells from the bytes of a value that the schema takes it for a key
// of this class. A false says nothing.
func accepts(want class, f *jsonscan.Field, text []byte, minIDLength int) bool {
	switch want {
	case aString:
		return f.Kind == jsonscan.String
	case nonEmpty:
		return f.Kind == jsonscan.String && f.End-f.Start > 2
	case anID:
		return f.Kind == jsonscan.String && !f.Escaped && acceptsID(text[f.Start+1:f.End-1], minIDLength)
	case anObject:
		return f.Kind == jsonscan.Object
	case aBoolean:
		return f.Kind == jsonscan.Bool
	case aNumber:
		return f.Kind == jsonscan.Number && isDecimal(f.Value(text))
	case anInteger:
		return f.Kind == jsonscan.Number && isShortInteger(f.Value(text))
	case positive:
		v := f.Value(text)
		return f.Kind == jsonscan.Number && isShortInteger(v) && v[0] != '-' && v[0] != '0'
	case aPlan:
		return f.Kind == jsonscan.Object && acceptsPlan(f.Value(text))
	}
	return false
}

func acceptsID(id []byte, minIDLength int) bool {
	if len(id) < 4*minIDLength && utf8.RuneCount(id) < minIDLength {
		return false
	}
	return !isPlaceholder(id)
}

// isPlaceholder tells whether Amplitude refuses an id whatever its length, in
// any letter case. The schema has the same list as a pattern.
func isPlaceholder(id []byte) bool {
	const zero = "00000000-0000-0000-0000-000000000000"
	var low [len("anonymous")]byte
	if len(id) > len(low) {
		return len(id) == len(zero) && string(id) == zero
	}
	for i, c := range id {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		low[i] = c
	}
	switch string(low[:len(id)]) {
	case "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "", "{}", "[]", "lmy47d", "0", "-1", "true", "false":
		return true
	}
	return false
}

// maxShort is how many bytes an integer may have on the fast path: so many fit
// an int64.
const maxShort = 18

func isShortInteger(number []byte) bool {
	if len(number) > maxShort {
		return false
	}
	for i, c := range number {
		if c-'0' > 9 && (c != '-' || i > 0) {
			return false
		}
	}
	return true
}

// isDecimal tells numbers without an exponent that are not so long that the
// library would have to reckon with something else in their place.
func isDecimal(number []byte) bool {
	if len(number) > decimalBytes {
		return false
	}
	for _, c := range number {
		if c|0x20 == 'e' {
			return false
		}
	}
	return true
}

func acceptsPlan(plan []byte) bool {
	var room [3]jsonscan.Field
	fields, err := jsonscan.Fields(room[:0], plan)
	if err != nil { // a key that occurs twice: the library takes the last
		return false
	}
	for i := range fields {
		switch f := &fields[i]; string(f.Key(plan)) {
		case "branch", "source", "version":
			if f.Kind != jsonscan.String {
				return false
			}
		default:
			return false
		}
	}
	return true
}
