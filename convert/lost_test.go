package convert

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// Only populated values of written events count, once an event.
func TestLostCounts(t *testing.T) {
	m := newMapper(compiled(ruleSets[0]))
	for _, line := range []string{
		exportLine("paying", "true", "app", "1"),
		exportLine("paying", `"true"`, "app", "1"),
		exportLine("paying", "null", "app", "0"),
		exportLine("paying", `""`, "app", `{}`),
		exportLine("paying", `[ ]`, "p\\u0061ying2", `"x"`),
		exportLine("event_type", `"$identify"`, "paying", "true"), // dropped
		exportLine("event_type", `""`, "paying", "true"),          // rejected
		exportLine("event_time", `"x"`, "paying", "true", "uuid", `"u"`),
		exportLine("$insert_id", `null`, "uuid", `"used"`),
		exportLine("$insert_id", `{"a":1}`, "uuid", `"used"`),
		exportLine("event_time", `""`, "client_event_time", `"2023-01-02 03:04:05"`),
	} {
		m.event(nil, []byte(line))
	}
	want := map[string]int64{"paying": 2, "app": 3, "paying2": 1, "$insert_id": 1}
	if got := m.lostCounts(); !maps.Equal(got, want) {
		t.Errorf("lost %v, want %v", got, want)
	}
}

func TestInsertIDThatIsNotUsedIsLost(t *testing.T) {
	_, _, m := mapLine(Rules{InsertID: InsertIDUUID}, exportLine("$insert_id", `"i"`, "uuid", `"u"`))
	if want := map[string]int64{"$insert_id": 1}; !maps.Equal(m.lostCounts(), want) {
		t.Errorf("lost %v, want %v", m.lostCounts(), want)
	}
}

// However many different keys there are, the account stays small.
func TestLostKeysAreBounded(t *testing.T) {
	m := newMapper(compiled(ruleSets[0]))
	var line []string
	for i := range 5 * maxLostKeys {
		line = append(line, fmt.Sprintf("key %d", i), `1`)
	}
	for range 2 {
		if out, _ := m.event(nil, []byte(exportLine(line...))); len(out) == 0 {
			t.Fatal("not written")
		}
	}
	check := func(lost map[string]int64) {
		t.Helper()
		var sum int64
		for _, n := range lost {
			sum += n
		}
		if sum != 2*5*maxLostKeys || len(lost) > maxLostKeys+1 || lost["key 0"] != 2 || lost[otherKeys] < 2*maxLostKeys {
			t.Errorf("%d keys, %d in all, %d of them others", len(lost), sum, lost[otherKeys])
		}
	}
	check(m.lostCounts())
	var s Summary
	half := map[string]int64{}
	for i := range maxLostKeys / 2 {
		half[fmt.Sprintf("key %d", i)] = 1
	}
	s.add(&Summary{Lost: half})
	s.add(&Summary{Lost: m.lostCounts()})
	if len(s.Lost) > maxLostKeys+1 || s.Lost["key 1"] != 3 {
		t.Errorf("%d keys in the sum, key 1 %d times", len(s.Lost), s.Lost["key 1"])
	}
}

func TestPairs(t *testing.T) {
	m := newMapper(compiled(ruleSets[0]))
	for _, line := range []string{
		exportLine("user_id", `"u1"`, "amplitude_id", "7"),
		exportLine("user_id", `"u1"`, "amplitude_id", "7", "city", `"x"`),
		exportLine("user_id", `null`, "amplitude_id", "7"),
		exportLine("user_id", `5`),
		exportLine("event_type", `"$identify"`, "user_id", `"dropped"`),
		exportLine("event_time", `"x"`, "user_id", `"set aside"`),
		exportLine("device_id", `null`, "amplitude_id", "8"),
		exportLine("user_id", `true`),
		exportLine("event_type", `null`, "user_id", `"no event"`),
	} {
		m.event(nil, []byte(line))
	}
	want := strings.Join([]string{
		`{"user_id":"u1","device_id":"device1","amplitude_id":7}`,
		`{"device_id":"device1","amplitude_id":7}`,
		`{"user_id":"5","device_id":"device1"}`,
		`{"user_id":"dropped","device_id":"device1"}`,
		`{"user_id":"set aside","device_id":"device1"}`,
		`{"amplitude_id":8}`, "",
	}, "\n")
	if got := string(m.pairs.lines); got != want || m.pairs.n != 6 {
		t.Errorf("%d pairs:\n%swant\n%s", m.pairs.n, got, want)
	}

	// A set that is full forgets, and then writes again rather than not at all.
	m = newMapper(compiled(ruleSets[0]))
	long := strings.Repeat("x", maxPairBytes/4)
	for _, i := range []int{1, 1, 2, 3, 4, 5, 1} {
		m.event(nil, []byte(exportLine("user_id", fmt.Sprintf(`"%d%s"`, i, long))))
		if m.pairs.size > maxPairBytes {
			t.Errorf("holds %d bytes", m.pairs.size)
		}
	}
	if m.pairs.n != 6 {
		t.Errorf("%d pairs, want 6", m.pairs.n)
	}
}
