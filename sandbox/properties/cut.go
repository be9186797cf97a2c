package properties

import (
	"unicode/utf8"

	"export2batch/internal/jsonscan"
)

// MaxText is the number of characters of a string; longer ones are cut
// (Amplitude, HTTP V2 API, property limits).
const MaxText = 1024

// cut returns a copy of a value with its long strings cut.
func cut(value []byte) []byte { return AppendCut(make([]byte, 0, len(value)), value) }

// AppendCut appends a JSON value with every string in it, keys too, cut to
// MaxText characters. A value without long strings is copied byte for byte.
func AppendCut(b, value []byte) []byte {
	if len(value) <= MaxText {
		return append(b, value...)
	}
	start := 0 // of what is not yet copied
	for i := 0; i < len(value); i++ {
		if value[i] != '"' {
			continue
		}
		end := i + 1
		for value[end] != '"' {
			if value[end] == '\\' {
				end++
			}
			end++
		}
		if end-i-1 > MaxText {
			if short, isCut := cutString(value[i : end+1]); isCut {
				b = append(b, value[start:i]...)
				b = append(b, short...)
				start = end + 1
			}
		}
		i = end
	}
	return append(b, value[start:]...)
}

func cutString(quoted []byte) ([]byte, bool) {
	text := jsonscan.AppendUnquoted(nil, quoted)
	if utf8.RuneCount(text) <= MaxText {
		return nil, false
	}
	end := 0
	for range MaxText {
		_, size := utf8.DecodeRune(text[end:])
		end += size
	}
	return jsonscan.AppendQuoted(nil, text[:end]), true
}
