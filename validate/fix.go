package validate

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
)

// Repairs are what can be said for certain:
//
//	time-unit        seconds, microseconds and nanoseconds become milliseconds,
//	                 where that is after the year 2000
//	string-length    strings over 1024 characters are cut as Amplitude would;
//	                 ids are not, which would make others of them
//	placeholder-id   is removed when the other id remains
//	type             null, which is no value of any key, is left out; but not
//	                 as a time: Amplitude would take that of the upload

// repair returns the event that was checked last with its repairs, or false
// where there is nothing to repair.
func (c *checker) repair(dst []byte) ([]byte, bool) {
	e := &c.event
	if len(e.fields) == 0 {
		return dst, false
	}
	changed := false
	start := len(dst)
	dst = append(dst, '{')
	for i := range e.fields {
		f := &e.fields[i]
		before := len(dst)
		if before > start+1 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, f.Key(e.text)...)
		dst = append(dst, '"', ':')
		value := len(dst)
		keep := true
		if dst, keep = c.repairField(dst, e.keys[i], f); !keep {
			dst, changed = dst[:before], true
			continue
		}
		changed = changed || !bytes.Equal(dst[value:], f.Value(e.text))
	}
	return append(dst, '}'), changed
}

// repairField appends the value of a field as it should be; keep is false
// where the field is left out.
func (c *checker) repairField(dst []byte, k key, f *jsonscan.Field) (_ []byte, keep bool) {
	value := f.Value(c.event.text)
	switch {
	case k == keyUnknown:
	case f.Kind == jsonscan.Null && k != keyTime:
		return dst, false
	case k == keyTime && f.Kind == jsonscan.Number:
		if ms, ok := inMillis(value); ok {
			return strconv.AppendInt(dst, ms, 10), true
		}
	case k == keyUserID && c.isPlaceholder(keyUserID):
		return append(dst, value...), !c.isGoodID(keyDeviceID)
	case k == keyDeviceID && c.isPlaceholder(keyDeviceID):
		return append(dst, value...), !c.isGoodID(keyUserID)
	case k == keyUserID, k == keyDeviceID, k == keyInsertID:
	case f.Kind == jsonscan.String && len(value) > maxStringLength:
		return appendCut(dst, value), true
	case k.isProperties() && f.Traits&jsonscan.LongString != 0:
		return cutStrings(dst, value), true
	}
	return append(dst, value...), true
}

// inMillis converts a time that is not in milliseconds.
func inMillis(number []byte) (int64, bool) {
	if !isShortInteger(number) {
		if len(number) > 19 {
			return 0, false
		}
		for _, c := range number {
			if c-'0' > 9 {
				return 0, false
			}
		}
	}
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return 0, false
	}
	ms := n
	switch {
	case n < leastMillis:
		ms = n * 1000
	case n >= leastNanos:
		ms = n / 1_000_000
	case n >= leastMicros:
		ms = n / 1000
	}
	// What is not a time since the year 2000 then is something else.
	return ms, ms != n && ms >= year2000
}

func (c *checker) id(k key) ([]byte, bool) {
	f := c.event.field(k)
	if f == nil || f.Kind != jsonscan.String {
		return nil, false
	}
	return decoded(c.event.text[f.Start+1:f.End-1], f.Escaped), true
}

func (c *checker) isPlaceholder(k key) bool {
	id, ok := c.id(k)
	return ok && isPlaceholder(id)
}

func (c *checker) isGoodID(k key) bool {
	id, ok := c.id(k)
	return ok && acceptsID(id, c.minIDLength)
}

// appendCut appends a string, given with its quotes, cut to its first
// characters.
func appendCut(dst, quoted []byte) []byte {
	text := jsonscan.AppendUnquoted(nil, quoted)
	if utf8.RuneCount(text) <= maxStringLength {
		return append(dst, quoted...)
	}
	n := 0
	for range maxStringLength {
		_, size := utf8.DecodeRune(text[n:])
		n += size
	}
	return jsonscan.AppendQuoted(dst, text[:n])
}

// cutStrings appends a value with its long strings cut.
func cutStrings(dst, value []byte) []byte {
	done := 0
	walk(value, func(w *walker, kind jsonscan.Kind, token []byte) {
		if kind != jsonscan.String || len(token) <= maxStringLength {
			return
		}
		at := cap(value) - cap(token) // token is a part of value
		dst = append(dst, value[done:at]...)
		dst = appendCut(dst, token)
		done = at + len(token)
	})
	return append(dst, value[done:]...)
}

// fix repairs the event that was checked last, and checks it again: what is
// told then is what is still wrong with it, and as infos what was. An event that
// is invalid all the same is left as it was. Before is the tally without it.
func (c *checker) fix(o *outcome, before tally) error {
	if len(o.found) == 0 {
		return nil
	}
	repaired, ok := c.repair(nil)
	if !ok {
		return nil
	}
	was := slices.Clone(o.found)
	tallied := c.tally
	c.tally = before
	now, err := c.check(repaired)
	if err != nil {
		return err
	}
	if c.raw || slices.ContainsFunc(now, isError) {
		c.tally, o.found = tallied, was
		return nil
	}
	var tell []finding.Finding
	for _, f := range was {
		if !slices.Contains(now, f) {
			f.Severity = finding.Info
			f.Message += "; repaired"
			tell = append(tell, f)
		}
	}
	tell = append(tell, now...)
	slices.SortFunc(tell, compare)
	*o = outcome{line: repaired, found: tell, sighting: c.sighting(repaired), time: c.event.millis(), repaired: true}
	return nil
}

func isError(f finding.Finding) bool { return f.Severity == finding.Error }
