package validate

import (
	"strings"
	"testing"
)

// TestTallyCounts tells how many events, one too.
func TestTallyCounts(t *testing.T) {
	raw := `{"$insert_id":"a","amplitude_id":1,"event_time":"2023-11-11 11:11:11"}`
	for n, want := range map[int][]string{
		1: {"1 event is 30 days old", "1 event has names", "1 line is that of a raw export: convert it"},
		2: {"2 events are 30 days old", "2 events have names", "2 lines are those of a raw export: convert them"},
	} {
		path := writeFile(t, "a.ndjson", strings.Repeat(lines(eventWith("event_type", `"$a"`), raw), n))
		_, found := runAll(t, quiet(Options{Paths: []string{path}, Rules: map[string]string{ruleTimeOld: "info", ruleReserved: "info"}}))
		if len(found) != len(want) {
			t.Fatalf("found %v", found)
		}
		for i, f := range found {
			if !strings.HasPrefix(f.Message, want[i]) {
				t.Errorf("told %q, want %q", f.Message, want[i])
			}
		}
	}
}
