package people

import (
	"fmt"
	"testing"
)

// who sends events and tells what each shows.
type who struct {
	*testing.T
	table *Table
	n     int64
}

func (w *who) send(user, device, kind, userProperties string, skip bool) Shown {
	w.Helper()
	w.n++
	e := Event{Number: w.n, Type: []byte(kind), Time: 1000 * w.n, SkipSync: skip}
	if user != "" {
		e.User = []byte(user)
	}
	if device != "" {
		e.Device = []byte(device)
	}
	if userProperties != "" {
		e.UserProperties = []byte(userProperties)
	}
	s, _ := w.table.Take(&e, nil)
	if s.UserProperties == nil {
		s.UserProperties = e.UserProperties
	}
	return s
}

// want sends an event and compares the properties it shows.
func (w *who) want(user, kind, userProperties string, skip bool, shown string) {
	w.Helper()
	if got := w.send(user, "", kind, userProperties, skip); string(got.UserProperties) != shown {
		w.Errorf("%s %s shows %s, want %s", kind, userProperties, got.UserProperties, shown)
	}
}

// TestSkipSync is the example of Amplitude's backfill guide: what a user has
// now is not what an old event carries.
func TestSkipSync(t *testing.T) {
	w := who{t, New(), 0}
	w.want("user-1", "live", `{"city":"Berlin","subscriptionStatus":"paid"}`, false, `{"city":"Berlin","subscriptionStatus":"paid"}`)
	w.want("user-1", "old", `{"subscriptionStatus":"trial"}`, true, `{"subscriptionStatus":"trial"}`)
	w.want("user-1", "old", ``, true, ``)
	w.want("user-1", "live", ``, false, `{"city":"Berlin","subscriptionStatus":"paid"}`)
	// Without the flag the old value overwrites the live one, and the old
	// event shows a city it never had.
	w.want("user-1", "old", `{"subscriptionStatus":"trial"}`, false, `{"city":"Berlin","subscriptionStatus":"trial"}`)
	w.want("user-1", "live", ``, false, `{"city":"Berlin","subscriptionStatus":"trial"}`)
}

// TestOrder is the example of order: the same events and $identify calls in
// another order show other colours.
func TestOrder(t *testing.T) {
	red, blue := `{"$set":{"color":"red"}}`, `{"$set":{"color":"blue"}}`
	w := who{t, New(), 0}
	w.want("user-1", Identify, red, false, `{"color":"red"}`)
	w.want("user-1", "A", ``, false, `{"color":"red"}`)
	w.want("user-1", Identify, blue, false, `{"color":"blue"}`)
	w.want("user-1", "B", ``, false, `{"color":"blue"}`)

	w.want("user-2", Identify, red, false, `{"color":"red"}`)
	w.want("user-2", Identify, blue, false, `{"color":"blue"}`)
	w.want("user-2", "A", ``, false, `{"color":"blue"}`)
	w.want("user-2", "B", ``, false, `{"color":"blue"}`)
	w.want("user-2", "skipped", `{"$set":{"color":"green"}}`, true, `{"color":"green"}`)
	w.want("user-2", "C", ``, false, `{"color":"blue"}`)
}

func TestIdentity(t *testing.T) {
	w := who{t, New(), 0}
	id := func(user, device string) int64 { return w.send(user, device, "x", "", false).Person.ID - FirstID }
	for i, c := range []struct {
		user, device string
		want         int64
	}{
		{"", "phone-1", 0},
		{"", "phone-1", 0},
		{"alice", "phone-1", 0}, // signs up: takes the anonymous person over
		{"", "phone-1", 0},      // the device is hers
		{"", "laptop", 1},       // somebody anonymous
		{"alice", "laptop", 0},  // signs in: merged
		{"", "laptop", 0},       //
		{"bob", "laptop", 2},    // a new user on a device that is somebody's
		{"", "laptop", 2},       // the last user of the device
		{"alice", "", 0},        // a device is not needed
		{"carol", "", 3},        //
		{"carol", "phone-1", 3}, // known user on another's device: no merge
		{"alice", "tablet", 0},  //
		{"", "tablet", 0},       //
	} {
		if got := id(c.user, c.device); got != c.want {
			t.Errorf("event %d of %q on %q: person %d, want %d", i+1, c.user, c.device, got, c.want)
		}
	}
	alice := w.table.ByUser("alice")
	if len(alice.Merged) != 1 || alice.Merged[0].Root() != alice || w.table.ByID(FirstID+1) != alice.Merged[0] || w.table.ByID(FirstID+9) != nil {
		t.Errorf("merged: %+v", alice.Merged)
	}
	if w.table.People() != 3 || w.table.Users() != 3 || w.table.Devices() != 3 || len(alice.Devices) != 3 || alice.Events != 10 {
		t.Errorf("%d people, %d users, %d devices, alice %+v", w.table.People(), w.table.Users(), w.table.Devices(), alice)
	}
	if got := w.table.Newest(2); len(got) != 2 || got[0].User != "carol" || got[1].User != "bob" {
		t.Errorf("newest %+v", got)
	}
}

// TestCreated holds that the earliest event is the creation, also one that
// comes late or from a merged device, and that $identify is none.
func TestCreated(t *testing.T) {
	table := New()
	take := func(n int64, user, device, kind string, ms int64) *Person {
		e := Event{Number: n, Type: []byte(kind), Time: ms}
		if user != "" {
			e.User = []byte(user)
		}
		if device != "" {
			e.Device = []byte(device)
		}
		s, _ := table.Take(&e, nil)
		return s.Person
	}
	take(1, "", "device-1", "open", 500)
	take(2, "user-1", "", Identify, 100)
	p := take(3, "user-1", "", "open", 900)
	if p.Created != 900 || p.Latest != 900 {
		t.Errorf("after one event %d to %d", p.Created, p.Latest)
	}
	take(4, "user-1", "", "open", 800)
	if p.Created != 800 {
		t.Errorf("after a backfill %d", p.Created)
	}
	take(5, "user-1", "device-1", "open", 1000)
	if p.Created != 500 || p.Latest != 1000 || p.Events != 4 {
		t.Errorf("after a merge %+v", p)
	}
}

func TestPrevious(t *testing.T) {
	w := who{t, New(), 0}
	for i, c := range []struct {
		user     string
		previous int64
	}{{"user-1", 0}, {"user-2", 0}, {"user-1", 1}, {"user-1", 3}, {"user-2", 2}} {
		if got := w.send(c.user, "", "x", "", false).Previous; got != c.previous {
			t.Errorf("event %d follows %d, want %d", i+1, got, c.previous)
		}
	}
}

func TestMergedProperties(t *testing.T) {
	w := who{t, New(), 0}
	w.send("", "device-1", "x", `{"a":"anonymous","b":"anonymous"}`, false)
	w.send("user-1", "", "x", `{"b":"user","c":"user"}`, false)
	if got := w.send("user-1", "device-1", "x", "", false); string(got.UserProperties) != `{"a":"anonymous","b":"user","c":"user"}` {
		t.Errorf("shows %s", got.UserProperties)
	}
}

func TestGroups(t *testing.T) {
	table := New()
	n := int64(0)
	take := func(user, kind, groups, properties string) string {
		n++
		e := Event{Number: n, Type: []byte(kind), Groups: []byte(groups)}
		if user != "" {
			e.User = []byte(user)
		}
		if properties != "" {
			e.GroupProperties = []byte(properties)
		}
		s, _ := table.Take(&e, nil)
		return string(s.GroupProperties)
	}
	if got := take("user-1", "x", `{"org":["acme"]}`, ""); got != "" {
		t.Errorf("an unknown group shows %s", got)
	}
	for _, c := range []struct{ user, kind, groups, properties, want string }{
		{"", GroupIdentify, `{"org":"acme"}`, `{"plan":"a","seats":3}`, `{"org":{"acme":{"plan":"a","seats":3}}}`},
		{"user-1", GroupIdentify, `{"org":["acme","beta"]}`, `{"$set":{"plan":"b"}}`, `{"org":{"acme":{"plan":"b","seats":3},"beta":{"plan":"b"}}}`},
		{"user-1", GroupIdentify, `{"org":"beta"}`, `{"org":{"beta":{"exported":true}}}`, `{"org":{"beta":{"exported":true,"plan":"b"}}}`},
		{"user-1", "x", `{"team":"t","org":["beta","gamma"]}`, "", `{"org":{"beta":{"exported":true,"plan":"b"}}}`},
		{"", GroupIdentify, `{"team":7}`, `{"n":1}`, `{"team":{"7":{"n":1}}}`},
		{"user-1", "x", `{"team":"7","org":["acme"]}`, "", `{"team":{"7":{"n":1}},"org":{"acme":{"plan":"b","seats":3}}}`},
		{"user-1", "x", `{"org":["a","b","c","d","e","f","g","h","i","j","acme"]}`, "", ``}, // the eleventh
	} {
		if got := take(c.user, c.kind, c.groups, c.properties); got != c.want {
			t.Errorf("%s %s shows %s, want %s", c.kind, c.groups, got, c.want)
		}
	}
	for i := range 10 {
		take("user-1", GroupIdentify, fmt.Sprintf(`{"type-%d":"x"}`, i), `{"a":1}`)
	}
	if got := table.GroupTypes(); len(got) != MaxGroupTypes || got[0] != "org" || got[4] != "type-2" {
		t.Errorf("group types %v", got)
	}
	if got := take("user-1", "x", `{"type-3":"x"}`, ""); got != "" {
		t.Errorf("the sixth group type shows %s", got)
	}
}
