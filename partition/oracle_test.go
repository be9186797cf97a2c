package partition

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// expectation is what a naive partitioning of the same events gives: for each
// identity the lines of its events in order.
type expectation struct {
	identities map[string][]string
	identity   map[string]string // of each line
	duplicates int
	collisions int
}

// oracle partitions in memory, in the simplest way, without any of the code
// under test.
func oracle(samples []sample, rules Rules) expectation {
	parent := map[string]string{}
	var find func(string) string
	find = func(id string) string {
		if parent[id] == "" || parent[id] == id {
			return id
		}
		return find(parent[id])
	}
	users := map[string]map[string]bool{}
	for _, s := range samples {
		if s.user != "" && s.device != "" {
			if users[s.device] == nil {
				users[s.device] = map[string]bool{}
			}
			users[s.device][s.user] = true
		}
	}
	for device, list := range users {
		for user := range list {
			if len(list) <= rules.SharedDeviceUsers && rules.By == ByIdentity {
				parent[find("d:"+device)] = find("u:" + user)
			}
		}
	}
	identityOf := func(s sample) string {
		if s.user == "" || rules.By == ByDevice && s.device != "" {
			return find("d:" + s.device)
		}
		return find("u:" + s.user)
	}

	type event struct {
		sample
		line        string
		first, last int
	}
	byKey := map[string][]*event{} // of one dedup key, different ones
	var all []*event
	e := expectation{identities: map[string][]string{}, identity: map[string]string{}}
	for i, s := range samples {
		line := s.line()
		key := s.device + "\x00" + s.insert
		n := slices.IndexFunc(byKey[key], func(e *event) bool { return e.line == line })
		if s.insert != "" && n >= 0 {
			byKey[key][n].last = i
			e.duplicates++
			continue
		}
		ev := &event{s, line, i, i}
		if s.insert != "" {
			byKey[key] = append(byKey[key], ev)
		}
		all = append(all, ev)
	}
	gone := map[*event]bool{}
	for _, list := range byKey {
		order := func(e *event) int { return e.first }
		if rules.Collisions == KeepLast {
			order = func(e *event) int { return -e.last }
		}
		slices.SortFunc(list, func(a, b *event) int {
			c := cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.eventID, b.eventID))
			if rules.Collisions == KeepLast {
				c = -c
			}
			return cmp.Or(c, cmp.Compare(order(a), order(b)))
		})
		for _, loser := range list[1:] {
			e.collisions++
			if rules.Collisions == Suffix {
				loser.line = strings.Replace(loser.line, fmt.Sprintf("%q", loser.insert), fmt.Sprintf(`"%s-%016x"`, loser.insert, xxhash.Sum64String(loser.line)), 1)
			} else {
				gone[loser] = true
			}
		}
	}
	slices.SortFunc(all, func(a, b *event) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.eventID, b.eventID), cmp.Compare(a.first, b.first))
	})
	for _, ev := range all {
		if !gone[ev] {
			id := identityOf(ev.sample)
			e.identities[id] = append(e.identities[id], ev.line)
			e.identity[ev.line] = id
		}
	}
	return e
}

// holds compares partitions with what is expected of them.
func (e expectation) holds(t *testing.T, parts map[string][]string) {
	t.Helper()
	got := map[string][]string{}
	where := map[string]string{}
	for name, lines := range parts {
		var last [2]int64
		for i, line := range lines {
			id, ok := e.identity[line]
			if !ok {
				t.Fatalf("%s has a line that was to be left out, or never was: %s", name, line)
			}
			if where[id] != "" && where[id] != name {
				t.Errorf("%s is in %s and in %s", id, where[id], name)
			}
			where[id] = name
			got[id] = append(got[id], line)
			now := [2]int64{number(t, line, "time"), number(t, line, "event_id")}
			if i > 0 && slices.Compare(last[:], now[:]) > 0 {
				t.Errorf("%s: line %d is out of order: %v behind %v", name, i+1, now, last)
			}
			last = now
		}
	}
	for id, want := range e.identities {
		if !slices.Equal(got[id], want) {
			t.Errorf("%s has %d events, want %d:\n%s\nwant\n%s", id, len(got[id]), len(want), strings.Join(got[id], "\n"), strings.Join(want, "\n"))
		}
	}
}

func number(t *testing.T, line, key string) int64 {
	t.Helper()
	n, ok := field(t, line, key).(json.Number)
	if !ok {
		return 0
	}
	v, err := n.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
