package validate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
)

func osFS() durable.FS { return durable.OS }

// TestRepeats compares insert ids over several files, with much memory and
// with so little that all of them go to the file.
func TestRepeats(t *testing.T) {
	dir := t.TempDir()
	same := eventWith("insert_id", `"same"`)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var many strings.Builder
	for i := range 5000 {
		many.WriteString(eventWith("insert_id", fmt.Sprintf("%q", fmt.Sprint("i", i))) + "\n")
	}
	write("1.ndjson", lines(same, eventWith("insert_id", `"d"`, "device_id", `"device1"`)))
	write("2.ndjson", many.String())
	write("3.json", "["+eventWith("insert_id", `"\u0073ame"`, "ip", `"1.2.3.4"`)+",\n"+eventWith("insert_id", `"d"`, "device_id", `"device2"`)+"]")
	write("4.ndjson", lines(same, eventWith("insert_id", `"i4999"`), eventWith("insert_id", `""`), eventWith("insert_id", `""`)))
	want := []string{
		"4.ndjson:1: /insert_id: warn: the same event stands at 1.ndjson:1 too: Amplitude takes one of them [insert-id-repeated]",
		"4.ndjson:2: /insert_id: warn: the same event stands at 2.ndjson:5000 too: Amplitude takes one of them [insert-id-repeated]",
		"3.json:1: /0/insert_id: warn: another event with this insert_id stands at 1.ndjson:1: Amplitude takes one of them [insert-id-conflict]",
		"3.json:2: /1/insert_id: warn: an event of another device has this insert_id, at 1.ndjson:2: Amplitude may take one of them only [insert-id-devices]",
	}
	for _, memory := range []int64{1, 64 << 10, DefaultMemory} {
		for _, jobs := range []int{1, 4} {
			_, found := runAll(t, Options{Paths: []string{dir}, Memory: memory, Jobs: jobs, Rules: map[string]string{ruleTimeOld: Off, ruleInsertID: Off}})
			var got []string
			for _, f := range found {
				got = append(got, strings.ReplaceAll(f.String(), dir+string(filepath.Separator), ""))
			}
			if !slices.Equal(got, want) {
				t.Errorf("memory %d, jobs %d:\n%s\nwant\n%s", memory, jobs, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

// TestRepeatsOfDevices compares an event with those of its device before
// those of others.
func TestRepeatsOfDevices(t *testing.T) {
	event := func(device, ip string) string { return eventWith("device_id", device, "ip", ip) }
	path := writeFile(t, "a.ndjson", lines(event(`"device1"`, `"1.1.1.1"`), event(`"device2"`, `"1.1.1.1"`), event(`"device2"`, `"1.1.1.1"`), event(`"device2"`, `"1.1.1.2"`),
		event(`"device3"`, `"1.1.1.1"`), eventWith("ip", `"1.1.1.1"`), event(`"device4"`, `"1.1.1.1"`), event(`"device2"`, `"1.1.1.1"`)))
	_, found := runAll(t, Options{Paths: []string{path}, Rules: map[string]string{ruleTimeOld: Off}})
	var got []string
	for _, f := range found {
		at := regexp.MustCompile(`ndjson:(\d+)`).FindStringSubmatch(f.Message)
		if at == nil {
			t.Fatal(f)
		}
		got = append(got, fmt.Sprintf("%d after %s %s", f.Line, at[1], f.Rule))
	}
	want := []string{
		"3 after 2 insert-id-repeated", "8 after 2 insert-id-repeated",
		"4 after 2 insert-id-conflict", "6 after 1 insert-id-conflict", "7 after 6 insert-id-conflict",
		"2 after 1 insert-id-devices", "5 after 1 insert-id-devices",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRepeatsAgainstMap holds the parts and the file to a plain list of what
// was met before, in any order of inputs.
func TestRepeatsAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	type key struct {
		input uint32
		place uint64
	}
	for _, memory := range []int64{1, 3 * blockSize, 1 << 30} {
		r := repeats{most: memory}
		defer r.close()
		met := map[uint64][]sighting{} // by id
		want := map[key]key{}          // place of the one before
		lists := make([][]sighting, 5)
		for input := range lists {
			for place := range 5000 {
				s := sighting{id: rng.Uint64N(8_000) + 1, device: uint32(rng.IntN(4)), input: uint32(input), place: uint64(place)}
				if before := met[s.id]; len(before) > 0 {
					i := max(0, slices.IndexFunc(before, func(b sighting) bool { return b.device == s.device || b.device == 0 || s.device == 0 }))
					want[key{s.input, s.place}] = key{before[i].input, before[i].place}
				}
				met[s.id] = append(met[s.id], s)
				lists[input] = append(lists[input], s)
			}
		}
		for _, input := range rng.Perm(len(lists)) {
			if err := r.add(lists[input], input); err != nil {
				t.Fatal(err)
			}
		}
		got := map[key]key{}
		for i := range r.parts {
			list, err := r.part(i)
			if err != nil {
				t.Fatal(err)
			}
			eachRepeat(list, func(a, b *sighting) { got[key{b.input, b.place}] = key{a.input, a.place} })
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("memory %d: %d repeats, want %d", memory, len(got), len(want))
		}
		if (r.spill != nil) != (memory < 1<<30) {
			t.Errorf("memory %d: file %t", memory, r.spill != nil)
		}
	}
}

// TestManyRepeats tells the first of them, and how many more there are, and
// counts all.
func TestManyRepeats(t *testing.T) {
	for more, message := range map[int]string{1: "and 1 more event like the 1 000 above", 5: "and 5 more events like the 1 000 above"} {
		path := writeFile(t, "a.ndjson", strings.Repeat(eventWith()+"\n", 1+maxRepeats+more))
		s, found := runUncounted(t, Options{Paths: []string{path}, Rules: map[string]string{ruleTimeOld: Off}})
		if n := int64(maxRepeats + more); s.Warnings != n || s.Rules[ruleInsertIDRepeated] != n {
			t.Errorf("%d more: summary %+v", more, s)
		}
		last := found[len(found)-1]
		if len(found) != maxRepeats+1 || found[0].Line != 2 || found[maxRepeats-1].Line != maxRepeats+1 || last.Message != message {
			t.Errorf("%d found, the last %v, want %q", len(found), last, message)
		}
	}
}

// TestNames does not depend on the order of events, nor on more names than are kept.
func TestNames(t *testing.T) {
	var n nameSets
	for i := range maxNames + 10 {
		n.add([]name{{inUser, fmt.Sprint("p", i)}})
	}
	n.add([]name{{ofType, "a B"}, {ofType, "A b"}, {ofType, "a b"}, {ofType, "x"}, {inEvent, "Ä"}, {inEvent, "ä"}, {inUser, "P1"}})
	var got []string
	for _, show := range []bool{false, true} {
		got = nil
		n.findings(finding.Place{File: "set"}, show, func(f finding.Finding) {
			got = append(got, f.Pointer+" "+f.Rule+" "+f.Message)
		})
	}
	want := []string{
		"/event_properties name-case 1 event property differs from others only in letter case, which Amplitude tells apart: Ä, ä",
		"/user_properties user-property-count more than 20 000 user properties in all, Amplitude indexes 1 000 in a project",
		"/event_type name-case 1 event type differs from others only in letter case, which Amplitude tells apart: A b, a B, a b",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestShapes sees that lists of keys that differ are told apart.
func TestShapes(t *testing.T) {
	c := newTestChecker(t, Options{})
	rng := rand.New(rand.NewPCG(5, 6))
	keys := []string{"$revenue", "revenue", "", "a", "ab", "abc", "abcd", "abcdefgh", "abcdefghi", "abcdefghijklmnop", "abcdefghijklmnopq", "abcdefghijklmnoX", strings.Repeat("z", 40), `\u0024revenue`, "[Amplitude] x"}
	for range 3000 {
		var members []string
		revenue, reserved := false, false
		for _, i := range rng.Perm(len(keys))[:rng.IntN(len(keys))] {
			if keys[i] == `\u0024revenue` && revenue || keys[i] == "$revenue" && revenue {
				continue
			}
			revenue = revenue || strings.HasSuffix(keys[i], "24revenue") || keys[i] == "$revenue"
			reserved = reserved || keys[i] == "[Amplitude] x"
			members = append(members, `"`+keys[i]+`":1`)
		}
		before := c.tally[onceReserved]
		line := eventWith("revenue", "1", "event_properties", "{"+strings.Join(members, ",")+"}")
		if got := slices.Contains(short(mustCheck(t, c, line)), "/revenue revenue-twice"); got != revenue {
			t.Fatalf("%s: revenue twice %t", line, got)
		}
		if got := c.tally[onceReserved] > before; got != reserved {
			t.Fatalf("%s: reserved %t", line, got)
		}
	}
}

// TestShowValues shows what is wrong, and only when it is asked for.
func TestShowValues(t *testing.T) {
	line := eventWith("user_id", `"`+"undefined"+`"`, "event_properties", `{"a/b":{"c":1e999}}`)
	for show, want := range map[bool]bool{true: true, false: false} {
		all := fmt.Sprint(mustCheck(t, newTestChecker(t, Options{ShowValues: show}), line))
		if strings.Contains(all, `"undefined"`) != want || strings.Contains(all, "1e999") != want || strings.Contains(all, "a~1b") != want {
			t.Errorf("show %t: %s", show, all)
		}
	}
}
