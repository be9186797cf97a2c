package sandbox

import (
	"bytes"
	"unicode/utf8"

	"export2batch/internal/jsonscan"
)

// placeholder tells whether an id is one that stands for "no id" and is
// refused whatever its length. Amplitude, Batch Event Upload API and HTTP V2
// API, invalid ids; [], true and false were seen to be refused. The list is
// compared exactly, capitals included.
func placeholder(id []byte) bool {
	switch string(id) {
	case "", "anonymous", "nil", "none", "null", "n/a", "na", "undefined",
		"unknown", "00000000-0000-0000-0000-000000000000", "{}", "[]",
		"lmy47d", "0", "-1", "true", "false":
		return true
	}
	return false
}

// idLength counts the characters of an id.
func idLength(id []byte) int { return utf8.RuneCount(id) }

// text returns what a quoted JSON string says: a part of raw where it has no
// escapes, otherwise a part of the returned scratch, which grows.
func text(scratch, raw []byte) (id, grown []byte) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], scratch
	}
	n := len(scratch)
	scratch = jsonscan.AppendUnquoted(scratch, raw)
	return scratch[n:len(scratch):len(scratch)], scratch
}
