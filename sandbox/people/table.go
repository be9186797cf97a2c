package people

import (
	"slices"

	"export2batch/sandbox/properties"
)

// FirstID is the Amplitude ID of the first person; the next ones follow.
const FirstID = 100_000_000_001

// maxDevices is how many devices are listed with a person; all are known.
const maxDevices = 100

// Person is one user, or one device without a user.
type Person struct {
	ID         int64  // the Amplitude ID
	User       string // the user_id; empty while anonymous
	Devices    []string
	Properties properties.Set
	Created    int64 // ms since 1970 of the earliest event; meaningful with Events
	Latest     int64 // the same of the latest
	Events     int64 // $identify and $groupidentify left out
	Last       int64 // number of the last event, $identify included; 0: none
	Merged     []*Person
	into       *Person
}

// Root returns the person that this one was merged into, or itself.
func (p *Person) Root() *Person {
	for p.into != nil {
		p = p.into
	}
	return p
}

// Table is everybody. It is not safe for concurrent use.
type Table struct {
	all     []*Person // by Amplitude ID
	users   map[string]*Person
	devices map[string]*Person
	groups  groups
	merged  int // of all
}

// New returns a table in which nobody is.
func New() *Table {
	return &Table{users: map[string]*Person{}, devices: map[string]*Person{}, groups: groups{of: map[groupKey]*properties.Set{}}}
}

// Users and Devices return how many ids are known, People how many people
// there are, those merged into others left out.
func (t *Table) Users() int   { return len(t.users) }
func (t *Table) Devices() int { return len(t.devices) }
func (t *Table) People() int  { return len(t.all) - t.merged }

// ByID returns the person that got this Amplitude ID, even when it was merged
// since, or nil.
func (t *Table) ByID(id int64) *Person {
	if i := id - FirstID; i >= 0 && i < int64(len(t.all)) {
		return t.all[i]
	}
	return nil
}

// ByUser and ByDevice return who has an id now, or nil.
func (t *Table) ByUser(id string) *Person   { return t.users[id] }
func (t *Table) ByDevice(id string) *Person { return t.devices[id] }

// Newest returns the n people who came last, the newest first.
func (t *Table) Newest(n int) []*Person {
	var last []*Person
	for _, p := range slices.Backward(t.all) {
		if len(last) == n {
			break
		}
		if p.into == nil {
			last = append(last, p)
		}
	}
	return last
}

// meet returns the person of these ids, nil for an absent one, and joins them.
func (t *Table) meet(user, device []byte) *Person {
	var onDevice *Person
	if device != nil {
		onDevice = t.devices[string(device)]
	}
	if user == nil {
		if onDevice == nil {
			onDevice = t.add()
			t.devices[string(device)] = onDevice
			onDevice.Devices = []string{string(device)}
		}
		return onDevice
	}
	p := t.users[string(user)]
	switch anonymous := onDevice != nil && onDevice.User == ""; {
	case p == nil && anonymous: // signs up
		p = onDevice
		p.User = string(user)
		t.users[p.User] = p
	case p == nil:
		p = t.add()
		p.User = string(user)
		t.users[p.User] = p
	case anonymous: // signs in on another device
		p.merge(onDevice)
		t.merged++
	}
	if device != nil && onDevice != p {
		t.devices[string(device)] = p
		if len(p.Devices) < maxDevices && !slices.Contains(p.Devices, string(device)) {
			p.Devices = append(p.Devices, string(device))
		}
	}
	return p
}

func (t *Table) add() *Person {
	p := &Person{ID: FirstID + int64(len(t.all))}
	t.all = append(t.all, p)
	return p
}

// merge takes the anonymous person a into p.
func (p *Person) merge(a *Person) {
	a.into = p
	p.Merged = append(p.Merged, a)
	if a.Events > 0 {
		p.count(a.Created, a.Latest, a.Events)
	}
	if a.Properties.Len() > 0 {
		own := p.Properties.AppendJSON(nil)
		both := a.Properties
		if both.Apply(own) {
			p.Properties = both
		}
	}
}

// count counts events between these times, in ms.
func (p *Person) count(first, last, events int64) {
	if p.Events == 0 {
		p.Created, p.Latest = first, last
	}
	p.Created, p.Latest = min(p.Created, first), max(p.Latest, last)
	p.Events += events
}
