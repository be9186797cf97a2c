package validate

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzFastPath holds the fast path to the library's verdict, and the rules
// that look at bytes to a plain reading of the decoded event.
func FuzzFastPath(f *testing.F) {
	f.Add([]byte(goodEvent))
	for _, tc := range Examples() {
		if len(tc.Breaks) < 1<<20 {
			f.Add([]byte(tc.Breaks))
			f.Add([]byte(tc.Edge))
		}
	}
	c := newTestChecker(f, Options{})
	f.Fuzz(func(t *testing.T, line []byte) { compareWithLibrary(t, c, line) })
}

// FuzzFastPathBehind does the same for an event behind another one: what is the
// same in it is not looked at again.
func FuzzFastPathBehind(f *testing.F) {
	f.Add([]byte(goodEvent), []byte(goodEvent))
	for _, tc := range Examples() {
		if len(tc.Breaks) < 1<<20 {
			f.Add([]byte(tc.Breaks), []byte(tc.Edge))
			f.Add([]byte(tc.Edge), []byte(tc.Breaks))
		}
	}
	c := newTestChecker(f, Options{})
	f.Fuzz(func(t *testing.T, before, line []byte) {
		compareWithLibrary(t, c, before)
		compareBehind(t, c, before, line)
	})
}

// compareBehind holds what is found in a line behind another to what a checker
// finds that has not seen any.
func compareBehind(t *testing.T, c *checker, before, line []byte) {
	t.Helper()
	mustCheck(t, c, string(before))
	got := mustCheck(t, c, string(line))
	fresh := &checker{settings: c.settings, common: c.common}
	want := mustCheck(t, fresh, string(line))
	if !slices.Equal(got, want) {
		t.Errorf("%s\nbehind %s\nfound %v, alone %v", line, before, got, want)
	}
	if a, b := &c.event, &fresh.event; a.accepted != b.accepted || a.eventShape != b.eventShape || a.userShape != b.userShape || a.is(isIdentify) != b.is(isIdentify) || a.is(isReserved) != b.is(isReserved) {
		t.Errorf("%s\nbehind %s\nis another event than alone", line, before)
	}
}

// TestEventsBehindEachOther does it for all examples and for mutated events.
func TestEventsBehindEachOther(t *testing.T) {
	t.Parallel()
	c := newTestChecker(t, Options{})
	rng := rand.New(rand.NewPCG(7, 8))
	before := []byte(goodEvent)
	for range 2000 {
		line := mutate(rng)
		compareBehind(t, c, before, line)
		before = line
	}
	for _, tc := range Examples() {
		if len(tc.Breaks) < 1<<20 && !strings.HasSuffix(tc.Breaks, "\n") {
			compareBehind(t, c, []byte(tc.Breaks), []byte(tc.Edge))
			compareBehind(t, c, []byte(tc.Edge), []byte(tc.Breaks))
			compareBehind(t, c, []byte(tc.Breaks), []byte(tc.Breaks))
		}
	}
}

// TestMinIDLengthBetweenEvents changes it between two events that are the same.
func TestMinIDLengthBetweenEvents(t *testing.T) {
	t.Parallel()
	c := newTestChecker(t, Options{})
	line := eventWith("user_id", `"abcdef"`)
	for _, tc := range []struct{ min, found int }{{5, 0}, {8, 1}, {8, 1}, {5, 0}} {
		if err := c.useMinIDLength(tc.min); err != nil {
			t.Fatal(err)
		}
		if found := mustCheck(t, c, line); len(found) != tc.found {
			t.Errorf("least length %d: %v, want %d", tc.min, found, tc.found)
		}
	}
}

// TestMutatedEvents does the same over events with members exchanged.
func TestMutatedEvents(t *testing.T) {
	t.Parallel()
	c := newTestChecker(t, Options{})
	rng := rand.New(rand.NewPCG(1, 2))
	accepted, refused := 0, 0
	for range 1000 {
		switch compareWithLibrary(t, c, mutate(rng)) {
		case fastAccepted:
			accepted++
		case libraryRefused:
			refused++
		}
	}
	if accepted < 150 || refused < 150 {
		t.Errorf("%d accepted and %d refused of 1000: the mutations say little", accepted, refused)
	}
}

type verdict int

const (
	notJSON verdict = iota
	fastAccepted
	libraryAccepted
	libraryRefused
)

const secret = "s3cr3t"

func compareWithLibrary(t *testing.T, c *checker, line []byte) verdict {
	t.Helper()
	found, err := c.check(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	for _, f := range found {
		if strings.Contains(f.String(), secret) {
			t.Errorf("%s: a finding gives a value away: %v", line, f)
		}
	}
	e := &c.event
	if e.scan(line, c.minIDLength) != nil {
		if len(found) == 0 {
			t.Errorf("%q: not JSON, but nothing found", line)
		}
		return notJSON
	}
	rules := map[string]bool{}
	for _, f := range found {
		rules[f.Rule] = true
	}
	for rule, want := range reference(t, line) {
		if rules[rule] != want {
			t.Errorf("%s: %s is %t, a plain reading says %t", line, rule, rules[rule], want)
		}
	}
	accepted := e.accepted
	c.found = c.found[:0]
	if err := c.schemaErrors(e); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	switch {
	case accepted && len(c.found) > 0:
		t.Errorf("%s: the fast path accepts, the library finds %q", line, short(c.found))
	case accepted:
		return fastAccepted
	case len(c.found) == 0:
		return libraryAccepted
	}
	return libraryRefused
}

// reference is a slow reading of the rules that look into values.
func reference(t *testing.T, line []byte) map[string]bool {
	t.Helper()
	found := map[string]bool{ruleNesting: false, ruleStringLength: false, ruleNumberRange: false, ruleNumberPrecision: false, ruleOperation: false}
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.UseNumber()
	eventType, operation := "", false
	var top string
	var value func(depth int) int
	value = func(depth int) int {
		tok, err := d.Token()
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%s: %v", line, err)
		}
		k := keysByName[top]
		switch tok := tok.(type) {
		case string:
			if depth == 1 && top == "event_type" {
				eventType = tok
			}
			if k != keyUnknown && (depth == 1 || k.isProperties()) && utf8.RuneCountInString(tok) > 1024 {
				found[ruleStringLength] = true
			}
		case json.Number:
			if k == keyUnknown || depth > 1 && !k.isProperties() {
				break
			}
			if !inRange([]byte(tok)) {
				found[ruleNumberRange] = true
			} else if n, err := strconv.ParseInt(string(tok), 10, 64); err == nil && (n > 1<<53 || n < -1<<53) || errors.Is(err, strconv.ErrRange) {
				found[ruleNumberPrecision] = true
			}
		case json.Delim:
			deepest := 0
			for d.More() {
				if tok == '{' {
					name, err := d.Token()
					if err != nil {
						t.Fatalf("%s: %v", line, err)
					}
					if depth == 0 {
						top = name.(string)
					}
					operation = operation || depth == 1 && top == "user_properties" && isOperation(name.(string))
				}
				deepest = max(deepest, value(depth+1))
			}
			if _, err := d.Token(); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if depth == 1 && (top == "event_properties" || top == "user_properties") && deepest+1 > 40 {
				found[ruleNesting] = true
			}
			return deepest + 1
		}
		return 0
	}
	value(0)
	found[ruleOperation] = operation && eventType != "$identify"
	return found
}

// mutate changes some members of a good event.
func mutate(rng *rand.Rand) []byte {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(goodEvent), &members); err != nil {
		panic(err)
	}
	names := slices.Sorted(maps.Keys(members))
	values := []string{
		`null`, `true`, `0`, `-1`, `1`, `1.0`, `1.5`, `1e3`, `1e-3`, `12345678901234567`, `123456789012345678901`, `1e400`, `-0`, `1600000000`,
		`""`, `"abcd"`, `"abcde"`, `"` + secret + `"`, `"\u0061bcd"`, `"NULL"`, `"äöüß"`, `"$remote"`, `"$identify"`, umlauts(1024), umlauts(1025),
		`{}`, `[]`, `{"` + secret + `":"` + secret + `"}`, `{"$set":{"a":1}}`, `{"\u0024set":1}`, `{"version":"1"}`, `{"version":1}`, `{"version":"1","version":2}`,
		`{"a":{"a":1},"a":{"a":9007199254740993}}`, `[ "a" , { "b" : [ 1E400 ] } ]`, nested(40), nested(41), `{"a\"b":"\\","` + strings.Repeat("k", 1025) + `":1}`,
	}
	for range 1 + rng.IntN(3) {
		name := names[rng.IntN(len(names))]
		switch rng.IntN(8) {
		case 0:
			delete(members, name)
		case 1:
			members[keyTable[1+rng.IntN(keyCount-1)].name] = json.RawMessage(values[rng.IntN(len(values))])
		case 2: // nothing: many events must stay good
		case 3:
			members["event_properties"] = json.RawMessage(values[rng.IntN(len(values))])
		default:
			members[name] = json.RawMessage(values[rng.IntN(len(values))])
		}
	}
	var b strings.Builder
	b.WriteByte('{')
	names = slices.Sorted(maps.Keys(members))
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for i, name := range names {
		if i > 0 {
			b.WriteString([]string{",", " ,\t"}[rng.IntN(2)])
		}
		value := members[name]
		if rng.IntN(20) == 0 { // a key that is written with an escape
			name = `\u00` + strconv.FormatInt(int64(name[0]), 16) + name[1:]
		}
		b.WriteString(`"` + name + `":`)
		b.Write(value)
	}
	b.WriteByte('}')
	line := []byte(b.String())
	if rng.IntN(20) == 0 {
		line[rng.IntN(len(line))] = byte(rng.IntN(256))
	}
	return line
}
