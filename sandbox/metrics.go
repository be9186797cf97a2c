package sandbox

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
)

// serveMetrics writes the figures in Prometheus' text format.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if r.Method == http.MethodHead {
		return
	}
	s.writeMetrics(w) // a client that is gone misses nothing
}

func (s *Server) writeMetrics(w io.Writer) {
	metric := func(kind, name, help string) {
		fmt.Fprintf(w, "# HELP export2batch_sandbox_%s %s\n# TYPE export2batch_sandbox_%s %s\n", name, help, name, kind)
	}
	value := func(name string, v any) { fmt.Fprintf(w, "export2batch_sandbox_%s %v\n", name, v) }
	one := func(kind, name, help string, v any) { metric(kind, name, help); value(name, v) }

	t := s.totals()
	one("counter", "events_accepted_total", "Lines in the ledger.", t.Accepted)
	one("counter", "events_duplicate_total", "Accepted events that were not taken again.", t.Duplicates)
	metric("counter", "requests_total", "Uploads since the start by endpoint and answer.")
	s.counting.Lock()
	paths := maps.Clone(s.paths)
	s.counting.Unlock()
	for _, k := range slices.SortedFunc(maps.Keys(paths), func(a, b pathCode) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.how, b.how))
	}) {
		fmt.Fprintf(w, "export2batch_sandbox_requests_total{path=%q,answer=%q} %d\n", k.path, k.how, paths[k])
	}
	one("counter", "body_bytes_total", "Bytes of accepted bodies since the start, decompressed.", t.BodyBytes)
	one("gauge", "event_types", "Different event types taken since the data begins.", t.Types)
	if s.content == nil {
		return
	}
	one("gauge", "people", "People: users, and devices without one.", t.People)
	one("gauge", "users", "Different user ids.", t.Users)
	one("gauge", "devices", "Different device ids.", t.Devices)
	one("gauge", "groups", "Groups with properties.", t.Groups)
	one("gauge", "event_properties", "Different event properties that are indexed.", t.EventProperties)
	one("gauge", "user_properties", "Different user properties that are indexed.", t.UserProperties)
	one("counter", "names_beyond_total", "How often an event type or property came that is over the project's limit.", t.Beyond)
	one("counter", "stored_line_bytes_total", "Bytes of stored events before compression.", t.StoredLines)
	one("gauge", "stored_bytes", "Bytes of memory or disk the stored events take.", t.Stored)
}

// totals are figures over everything that was taken.
type totals struct {
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"`
	BodyBytes  int64 `json:"body_bytes"`
	Types      int   `json:"event_types"`

	People          int   `json:"people"`
	Users           int   `json:"users"`
	Devices         int   `json:"devices"`
	Groups          int   `json:"groups"`
	EventProperties int   `json:"event_properties"`
	UserProperties  int   `json:"user_properties"`
	Beyond          int64 `json:"names_beyond"`
	StoredLines     int64 `json:"stored_line_bytes"`
	Stored          int64 `json:"stored_bytes"`
}

func (s *Server) totals() totals {
	var t totals
	s.meter.mu.Lock()
	t.BodyBytes, t.Types = s.meter.bytes, len(s.meter.names)
	s.meter.mu.Unlock()
	s.taking.Lock()
	defer s.taking.Unlock()
	t.Accepted, t.Duplicates = s.seq, s.duplicates
	if c := s.content; c != nil {
		t.People, t.Users, t.Devices, t.Groups = c.people.People(), c.people.Users(), c.people.Devices(), c.people.Groups()
		t.EventProperties, t.UserProperties = len(c.names.eventProperties.names), len(c.names.userProperties.names)
		t.Beyond = c.names.eventTypes.beyond + c.names.eventProperties.beyond + c.names.userProperties.beyond
		size := c.log.Size()
		t.StoredLines, t.Stored = size.Lines, size.Held
	}
	return t
}
