package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"export2batch/sandbox/export"
	"export2batch/sandbox/people"
	"export2batch/sandbox/store"
)

const (
	newestPeople = 12
	maxFound     = 20
	maxScanned   = 200_000 // people looked at for a part of an id
	pageEvents   = 50      // of a person at a time
	maxEvents    = 500
)

// personLabel is a person in a list.
type personLabel struct {
	ID      int64  `json:"amplitude_id"`
	User    string `json:"user_id,omitempty"`
	Device  string `json:"device_id,omitempty"`
	Devices int    `json:"devices"`
	Events  int64  `json:"events"`
}

// person is one with all that is known.
type person struct {
	personLabel
	DeviceIDs  []string        `json:"device_ids"`
	Merged     []int64         `json:"merged_amplitude_ids"`
	Properties json.RawMessage `json:"user_properties"`
	Created    int64           `json:"first"` // ms
	Latest     int64           `json:"last"`  // ms
}

func label(p *people.Person) personLabel {
	l := personLabel{ID: p.ID, User: p.User, Devices: len(p.Devices), Events: p.Events}
	if len(p.Devices) > 0 {
		l.Device = p.Devices[0]
	}
	return l
}

func (s *Server) newest() []personLabel {
	list := []personLabel{}
	if s.content == nil {
		return list
	}
	s.taking.Lock()
	defer s.taking.Unlock()
	for _, p := range s.content.people.Newest(newestPeople) {
		list = append(list, label(p))
	}
	return list
}

// servePeople finds people by ?q=: a user id, a device id or an Amplitude ID,
// or a part of the first two.
func (s *Server) servePeople(w http.ResponseWriter, r *http.Request) {
	q := strings.TrimSpace(r.URL.Query().Get("q"))
	found := []personLabel{}
	s.taking.Lock()
	seen := map[*people.Person]bool{}
	add := func(p *people.Person) {
		if p != nil && !seen[p.Root()] && len(found) < maxFound {
			seen[p.Root()] = true
			found = append(found, label(p.Root()))
		}
	}
	if q != "" {
		t := s.content.people
		add(t.ByUser(q))
		add(t.ByDevice(q))
		if id, err := strconv.ParseInt(q, 10, 64); err == nil {
			add(t.ByID(id))
		}
		for _, p := range t.Newest(maxScanned) {
			if strings.Contains(p.User, q) || slices.ContainsFunc(p.Devices, func(d string) bool { return strings.Contains(d, q) }) {
				add(p)
			}
		}
	}
	s.taking.Unlock()
	serveJSON(w, map[string]any{"people": found})
}

// serveEvents tells a person, ?amplitude_id=, and their events as an export
// shows them, the newest first, at most ?limit=. ?next= is the next of the
// answer before, joined by commas: the events that come after it.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	id, err := strconv.ParseInt(query.Get("amplitude_id"), 10, 64)
	if err != nil {
		badRequest("amplitude_id is not a number").write(w)
		return
	}
	limit := pageEvents
	if n, err := strconv.Atoi(query.Get("limit")); err == nil && n > 0 {
		limit = min(n, maxEvents)
	}
	who, heads := s.look(id)
	if heads == nil {
		refuse(http.StatusNotFound, "nobody has this Amplitude ID").write(w)
		return
	}
	if from := query.Get("next"); from != "" {
		heads = nil
		for part := range strings.SplitSeq(from, ",") {
			if n, err := strconv.ParseInt(part, 10, 64); err == nil {
				heads = append(heads, n)
			}
		}
	}
	events, next, err := s.stream(heads, limit, who.Created)
	if err != nil {
		refuse(http.StatusInternalServerError, "Internal server error").write(w)
		return
	}
	serveJSON(w, map[string]any{"person": who, "events": events, "next": next})
}

// look returns a person and the numbers of the last events under each of
// their Amplitude IDs.
func (s *Server) look(id int64) (who person, heads []int64) {
	s.taking.Lock()
	defer s.taking.Unlock()
	p := s.content.people.ByID(id)
	if p == nil {
		return who, nil
	}
	p = p.Root()
	who = person{personLabel: label(p), DeviceIDs: append([]string{}, p.Devices...), Merged: []int64{},
		Properties: p.Properties.AppendJSON(nil), Created: p.Created, Latest: p.Latest}
	heads = []int64{p.Last}
	for _, m := range p.Merged {
		who.Merged = append(who.Merged, m.ID)
		heads = append(heads, m.Last)
	}
	return who, heads
}

// shownEvent is an event in the stream of a person.
type shownEvent struct {
	Number int64           `json:"seq"`
	Row    json.RawMessage `json:"row"`
}

// stream follows the chains of events that end at heads, the newest first, and
// returns where they go on.
func (s *Server) stream(heads []int64, limit int, created int64) (events []shownEvent, next []int64, err error) {
	lines, err := s.content.log.Reader()
	if err != nil {
		return nil, nil, err
	}
	defer lines.Close() // only read
	events, next = []shownEvent{}, []int64{}
	row := s.row()
	var rec record
	for len(events) < limit {
		newest := 0
		for i, n := range heads {
			if n > heads[newest] {
				newest = i
			}
		}
		if len(heads) == 0 || heads[newest] == 0 {
			break
		}
		e, previous, err := storedAt(lines, &rec, heads[newest])
		if err != nil {
			return nil, nil, err
		}
		heads[newest] = previous
		if e == nil {
			continue // forgotten, or not yet on the disk
		}
		e.Created = created
		text, err := row.Append(nil, e)
		if err != nil {
			return nil, nil, err
		}
		events = append(events, shownEvent{e.Number, text})
	}
	for _, n := range heads {
		if n > 0 {
			next = append(next, n)
		}
	}
	return events, next, nil
}

// storedAt reads the event with a number and that of the one before it, nil
// when it is not there.
func storedAt(lines *store.Reader, rec *record, number int64) (*export.Event, int64, error) {
	line, err := lines.Line(number)
	if err != nil || line == nil {
		return nil, 0, err
	}
	e, err := rec.stored(line)
	if err != nil {
		return nil, 0, err
	}
	previous := rec.integer("previous")
	if rec.bad == nil && previous >= number {
		previous = 0 // it would never end
	}
	return &e, previous, rec.bad
}
