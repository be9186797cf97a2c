package validate

import (
	"bytes"
	"math"
	"strconv"

	"export2batch/internal/jsonscan"
)

// Limits of an event: Amplitude, Batch Event Upload API.
const (
	maxRequestBytes = 20_000_000 // "20 MB", taken as the smaller of its two meanings
	maxNesting      = 40
	maxStringLength = 1024 // characters
	plainDigits     = 15   // bytes of a number that is certainly below 2^53, without an exponent
	decimalBytes    = 300  // bytes of a number that is certainly below 10^308, without an exponent
	maxGroupTypes   = 5
	maxGroups       = 10
)

// envelopeBytes is what a request with one event has besides the event, the
// key being 32 characters:
//
//	{"api_key":"…","events":[…],"options":{"min_id_length":5}}
const envelopeBytes = 90

func checkSize(c *checker, e *event) {
	if len(e.text) > maxRequestBytes-envelopeBytes {
		c.report(ruleEventSize, "", "makes a request of more than 20 MB by itself", 1)
	}
}

func checkNesting(c *checker, e *event) {
	for _, k := range [...]key{keyEventProperties, keyUserProperties} {
		if f := e.field(k); f != nil && f.Depth > maxNesting {
			c.report(ruleNesting, k.pointer(), "is "+strconv.Itoa(int(f.Depth))+" levels deep, "+strconv.Itoa(maxNesting)+" are allowed", 1)
		}
	}
}

// checkStrings looks at the strings of known keys. What is not longer in bytes
// is not longer in characters.
func checkStrings(c *checker, e *event) {
	if e.doubts&doubtLength == 0 {
		return
	}
	for i := range e.fields {
		f := &e.fields[i]
		k := e.keys[i]
		if k == keyUnknown || f.End-f.Start <= maxStringLength {
			continue
		}
		switch {
		case f.Kind == jsonscan.String:
			if characters(f.Value(e.text)) > maxStringLength {
				c.report(ruleStringLength, k.pointer(), tooLong, 1)
			}
		case k.isProperties() && f.Traits&jsonscan.LongString != 0:
			c.within(e, k, ruleStringLength, tooLong, count(f.Value(e.text), isTooLong), isTooLong)
		}
	}
}

func isTooLong(kind jsonscan.Kind, token []byte) bool {
	return kind == jsonscan.String && len(token) > maxStringLength && characters(token) > maxStringLength
}

const tooLong = "is longer than 1024 characters: Amplitude truncates it"

// checkNumbers looks at the range and precision of numbers.
func checkNumbers(c *checker, e *event) {
	if e.doubts&doubtNumber == 0 {
		return
	}
	for _, k := range e.keys[:len(e.fields)] {
		if k == keyUnknown || e.before.doubts[k]&doubtNumber == 0 {
			continue
		}
		n := e.before.numbers[k]
		c.within(e, k, ruleNumberRange, outOfRange, n.outside, func(kind jsonscan.Kind, token []byte) bool {
			return kind == jsonscan.Number && !inRange(token)
		})
		c.within(e, k, ruleNumberPrecision, imprecise, n.inexact, func(kind jsonscan.Kind, token []byte) bool {
			return kind == jsonscan.Number && losesDigits(token) && inRange(token)
		})
	}
}

// numberCounts are the numbers of a field that are out of range, and those that
// lose digits.
type numberCounts struct{ outside, inexact int }

func (n *numberCounts) add(number []byte) {
	switch {
	case isPlain(number):
	case !inRange(number):
		n.outside++
	case losesDigits(number):
		n.inexact++
	}
}

// countNumbers counts them. It needs no way to them, as a walk has it.
func countNumbers(f *jsonscan.Field, text []byte) (n numberCounts) {
	value := f.Value(text)
	if f.Kind == jsonscan.Number {
		n.add(value)
		return n
	}
	for i := 0; i < len(value); {
		switch c := value[i]; {
		case c == '"':
			i = stringEnd(value, i+1) + 1
		case c == '-' || c-'0' <= 9:
			start := i
			for i++; i < len(value) && (value[i]-'0' <= 9 || value[i] == '.' || value[i]|0x20 == 'e' || value[i] == '+' || value[i] == '-'); i++ {
			}
			n.add(value[start:i])
		default:
			i++
		}
	}
	return n
}

const (
	outOfRange = "is a number outside the range of 64-bit floating point"
	imprecise  = "is an integer beyond 2^53: its last digits may get lost"
)

// Limits of the numbers that are given to the schema library, which reckons
// with all of their digits. Every 64-bit floating point number is within.
const (
	maxNumberBytes    = 1100
	maxNumberExponent = 400
)

// inRange tells whether a JSON number fits a 64-bit floating point number.
func inRange(number []byte) bool {
	if isDecimal(number) {
		return true
	}
	if len(number) > maxNumberBytes {
		return false
	}
	if i := bytes.IndexAny(number, "eE"); i >= 0 {
		exponent, err := strconv.Atoi(string(number[i+1:]))
		if err != nil || exponent > maxNumberExponent || exponent < -maxNumberExponent {
			return false
		}
	}
	f, err := strconv.ParseFloat(string(number), 64)
	return err == nil && !math.IsInf(f, 0)
}

// losesDigits tells whether number, written as an integer, is beyond 2^53.
func losesDigits(number []byte) bool {
	const beyond = "9007199254740992"
	digits := bytes.TrimPrefix(number, []byte("-"))
	if bytes.ContainsAny(digits, ".eE") {
		return false
	}
	return len(digits) > len(beyond) || len(digits) == len(beyond) && string(digits) > beyond
}

// checkGroups counts the group types, and the groups: a type's value is one
// group or an array of them.
func checkGroups(c *checker, e *event) {
	f := e.field(keyGroups)
	if f == nil || f.Kind != jsonscan.Object || f.End-f.Start <= 2 {
		return
	}
	groups := f.Value(e.text)
	if bytes.Count(groups, []byte(",")) < maxGroupTypes {
		return
	}
	var room [8]jsonscan.Field
	types, err := jsonscan.Fields(room[:0], groups)
	if err != nil { // a type that occurs twice: what was counted until there counts
		return
	}
	n := 0
	for i := range types {
		if types[i].Kind != jsonscan.Array {
			n++
			continue
		}
		var room [maxGroups + 1]jsonscan.Span
		values, err := jsonscan.Elements(room[:0], types[i].Value(groups))
		if err != nil {
			return
		}
		n += len(values)
	}
	if len(types) > maxGroupTypes {
		c.report(ruleGroupTypes, keyGroups.pointer(), strconv.Itoa(len(types))+" group types, "+strconv.Itoa(maxGroupTypes)+" are tracked", 1)
	}
	if n > maxGroups {
		c.report(ruleGroupCount, keyGroups.pointer(), strconv.Itoa(n)+" groups, "+strconv.Itoa(maxGroups)+" are tracked", 1)
	}
}
