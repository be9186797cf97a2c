package diff

import (
	"encoding/json"
	"fmt"
	"strings"

	"export2batch/internal/finding"
)

// Kind says how two sets differ in an event.
type Kind string

// The kinds of differences.
const (
	Missing Kind = "missing" // in A but not in B
	Extra   Kind = "extra"   // in B but not in A
	Changed Kind = "changed" // in both, with different content
)

// Difference is one event in which the sets differ. The keys of properties
// are part of it, their values only where the caller asked for them.
type Difference struct {
	Kind     Kind            `json:"kind"`
	InsertID string          `json:"insert_id,omitempty"` // where events are matched by it
	Key      json.RawMessage `json:"key,omitempty"`       // the value of another key, with Options.ShowValues
	A        *finding.Place  `json:"a,omitempty"`
	B        *finding.Place  `json:"b,omitempty"`
	Pointers []string        `json:"pointers,omitempty"` // JSON pointers to what changed, at most 100, objects by key
	More     int             `json:"more_pointers,omitempty"`
	Values   []Values        `json:"values,omitempty"` // what stands at Pointers, with Options.ShowValues
}

// Values is what the two sets hold at one pointer; nil where there is nothing.
type Values struct {
	A json.RawMessage `json:"a,omitempty"`
	B json.RawMessage `json:"b,omitempty"`
}

// String is the form for people, in one line:
//
//	FILE:LINE: changed against FILE:LINE: /event_properties/x, /time
//	FILE:LINE: missing: "insert id"
func (d Difference) String() string {
	place := d.A
	if place == nil {
		place = d.B
	}
	s := place.String() + ": " + string(d.Kind)
	if d.Kind == Changed {
		return s + " against " + d.B.String() + ": " + d.changes()
	}
	switch {
	case d.InsertID != "":
		s += fmt.Sprintf(": %q", d.InsertID)
	case d.Key != nil:
		s += ": " + shown(d.Key)
	}
	return s
}

func (d Difference) changes() string {
	var parts []string
	for i, p := range d.Pointers {
		p = finding.Printable(p)
		if d.Values != nil {
			p += " (" + shown(d.Values[i].A) + " → " + shown(d.Values[i].B) + ")"
		}
		parts = append(parts, p)
	}
	if d.More > 0 {
		parts = append(parts, fmt.Sprintf("%d more", d.More))
	}
	return strings.Join(parts, ", ")
}

// shown cuts a value to what a line of text can hold.
func shown(value json.RawMessage) string {
	const most = 80
	if value == nil {
		return "absent"
	}
	if runes := []rune(string(value[:min(len(value), 4*most+4)])); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(value)
}

// MarshalJSON adds the type that tells differences from summaries.
func (d Difference) MarshalJSON() ([]byte, error) {
	type plain Difference
	return json.Marshal(struct {
		Type string `json:"type"`
		plain
	}{"difference", plain(d)})
}

// Summary is the account of a comparison, in events:
//
//	A = Equal + Changed + Missing + WithoutKey.A
//	B = Equal + Changed + Extra   + WithoutKey.B
type Summary struct {
	A          int64 `json:"a"` // lines of A that are not blank
	B          int64 `json:"b"`
	Equal      int64 `json:"equal"`
	Changed    int64 `json:"changed"`
	Missing    int64 `json:"missing"`
	Extra      int64 `json:"extra"`
	Duplicates int64 `json:"duplicates"`           // events of either set beyond the first of their key; counted above as well
	WithoutKey Sides `json:"without_key,omitzero"` // lines that are no JSON object, too long, or without a key; each is a finding
	Damaged    int64 `json:"damaged,omitempty"`    // inputs that could not be read to their end; each is a finding
	Omitted    int64 `json:"omitted,omitempty"`    // differences counted but not handed to the sink
}

// Sides counts something for each set.
type Sides struct {
	A int64 `json:"a"`
	B int64 `json:"b"`
}

// Same tells whether the sets were read whole and hold the same events.
func (s Summary) Same() bool {
	return s.Changed+s.Missing+s.Extra+s.WithoutKey.A+s.WithoutKey.B+s.Damaged == 0
}

// Balanced tells whether every line is accounted for.
func (s Summary) Balanced() bool {
	return s.A == s.Equal+s.Changed+s.Missing+s.WithoutKey.A && s.B == s.Equal+s.Changed+s.Extra+s.WithoutKey.B
}

// String is the form for people.
func (s Summary) String() string {
	t := fmt.Sprintf("%d and %d events: %d equal, %d changed, %d missing, %d extra, %d duplicates",
		s.A, s.B, s.Equal, s.Changed, s.Missing, s.Extra, s.Duplicates)
	for _, part := range []struct {
		n    int64
		what string
	}{{s.WithoutKey.A + s.WithoutKey.B, "without a key"}, {s.Damaged, "inputs damaged"}, {s.Omitted, "differences not shown"}} {
		if part.n > 0 {
			t += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return t
}
