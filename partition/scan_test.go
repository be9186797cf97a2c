package partition

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// TestHeadReadsWhatTheWholeLineSays takes lines apart in both ways, in any
// order of the keys and with what convert may write between them.
func TestHeadReadsWhatTheWholeLineSays(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	keys := []string{`"user_id":"u\u0031"`, `"user_id":"us\"er"`, `"user_id":"anna"`, `"user_id":""`, `"user_id":null`, `"device_id":"d-1"`,
		`"time":1700000000000`, `"time":-12`, `"time":99999999999999999999`, `"time":1.5`, `"insert_id":"i"`, `"insert_id":"\\"`, `"event_id":7`, `"event_id":0`,
		`"event_type":"a b"`, `"event_type":"\"user_id\":\"x\""`, `"session_id":-1`, `"event_properties":{"user_id":"inner","a":[{"time":3}]}`,
		`"user_properties":{}`, `"groups":{"x":["event_id"]}`, `"library":"x/1"`, `"app_version":"\"event_id\""`}
	headed := 0
	for range 30_000 {
		var members []string
		seen := map[string]bool{}
		for _, i := range rnd.Perm(len(keys))[:rnd.IntN(len(keys))] {
			if name, _, _ := strings.Cut(keys[i], ":"); !seen[name] {
				seen[name] = true
				members = append(members, keys[i])
			}
		}
		line := []byte("{" + strings.Join(members, ",") + "}")
		var head, whole rawFields
		var s scanner
		f := s.whole(&whole, line)
		if !head.head(line) {
			continue
		}
		headed++
		if f != nil {
			t.Fatalf("%s: the head is read of a line that is refused: %v", line, f)
		}
		if !reflect.DeepEqual(head, whole) {
			t.Fatalf("%s: the head says %+v, the line %+v", line, head, whole)
		}
	}
	if headed < 500 {
		t.Errorf("only %d heads were read", headed)
	}
}

func TestHeadOfBrokenLines(t *testing.T) {
	line := `{"user_id":"u","device_id":"d","event_type":"e","time":5,"insert_id":"i","event_id":3}`
	for n := range len(line) {
		var p rawFields
		if p.head([]byte(line[:n])) && n < strings.Index(line, "3}") {
			t.Errorf("%s: a head is read", line[:n])
		}
	}
	var p rawFields
	if !p.head([]byte(line)) || string(p.insert) != "i" || p.eventID != 3 {
		t.Errorf("%+v", p)
	}
}

func TestEscapedKeysAndValuesAreUnderstood(t *testing.T) {
	plain := `{"user_id":"ann/a","device_id":"d1","insert_id":"i1","time":5,"event_id":2}`
	escaped := `{"\u0075ser_id":"ann\/a","device_id":"d\u0031","insert_i\u0064":"i\u0031","tim\u0065":5,"event_id":2}`
	var s scanner
	a, f := s.event([]byte(plain))
	b, g := s.event([]byte(escaped))
	if f != nil || g != nil || a != b || a.user == 0 || a.device == 0 || a.dedup == 0 {
		t.Errorf("%+v %v and %+v %v", a, f, b, g)
	}
}

func TestFaults(t *testing.T) {
	for line, rule := range map[string]string{
		`{"user_id":"u","time":1`:     "invalid-json",
		`[]`:                          "invalid-json",
		`{"user_id":"u"}`:             "missing-time",
		`{"user_id":"u","time":null}`: "missing-time",
		`{"time":1}`:                  "missing-id",
		`{"user_id":"","device_id":null,"time":1}`:   "missing-id",
		`{"user_id":5,"time":1}`:                     "type",
		`{"device_id":{},"time":1}`:                  "type",
		`{"user_id":"u","time":"1"}`:                 "type",
		`{"user_id":"u","time":1e3}`:                 "type",
		`{"user_id":"u","time":1,"insert_id":4}`:     "type",
		`{"user_id":"u","time":1,"event_id":"4"}`:    "type",
		`{"user_id":"u","user_id":"u","time":1}`:     "invalid-json",
		"{\"user_id\":\"\xff\",\"time\":1}":          "invalid-json",
		`{"user_id":"u","time":1} {}`:                "invalid-json",
		`{"user_id":"u","time":9223372036854775808}`: "type",
	} {
		var s scanner
		if _, f := s.event([]byte(line)); f == nil || f.rule != rule {
			t.Errorf("%s: %+v, want %s", line, f, rule)
		}
	}
}

// TestDedupKeys tells which events are one to the server: the device and the
// insert id, whatever the user.
func TestDedupKeys(t *testing.T) {
	key := func(device, insert string) uint64 {
		var s scanner
		e, f := s.event(fmt.Appendf(nil, `{"user_id":"u","device_id":%q,"insert_id":%q,"time":1}`, device, insert))
		if f != nil {
			t.Fatal(f)
		}
		return e.dedup
	}
	if again := key("a", "b"); key("a", "b") != again || again == key("b", "a") || key("", "b") == key("b", "b") || key("ab", "c") == key("a", "bc") {
		t.Error("dedup keys do not tell events apart")
	}
	if key("a", "") != 0 || key("", "b") == 0 {
		t.Error("0 is for events without an insert id, and only for them")
	}
}
