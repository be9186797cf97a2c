// Package finding is the one form in which stages say that data is bad: a
// place, a rule, a severity and a message. Stages make findings and hand them
// to a sink; commands print them. A Go error is for what is not the data's
// fault.
package finding

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Severity tells whether a finding makes a command end with exit code 3.
type Severity string

// The severities, worst first.
const (
	Error Severity = "error" // the event cannot be sent as it is
	Warn  Severity = "warn"  // it can be sent, but something is lost or doubtful
	Info  Severity = "info"
)

// Place is where in the inputs something stands.
type Place struct {
	File   string `json:"file"`
	Member string `json:"member,omitempty"` // in an archive
	Line   int64  `json:"line,omitempty"`   // from 1, in the decompressed text; 0: the file as a whole
	Row    bool   `json:"-"`                // Line counts Parquet rows
}

func (p Place) String() string {
	var b strings.Builder
	b.WriteString(Printable(p.File))
	if p.Member != "" {
		b.WriteString("!" + Printable(p.Member))
	}
	switch {
	case p.Line > 0 && p.Row:
		fmt.Fprintf(&b, ":row %d", p.Line)
	case p.Line > 0:
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	return b.String()
}

// Finding is one thing wrong with the data. Its message holds no property
// values and no ids.
type Finding struct {
	Place
	Pointer  string   `json:"pointer,omitempty"` // JSON pointer (RFC 6901) into the event
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
}

// String is the form for people: FILE!MEMBER:LINE: /pointer: message [rule].
func (f Finding) String() string {
	s := f.Place.String() + ": "
	if f.Pointer != "" {
		s += Printable(f.Pointer) + ": "
	}
	if f.Severity != Error {
		s += string(f.Severity) + ": "
	}
	return s + f.Message + " [" + f.Rule + "]"
}

// Printable escapes, as Go does, what would break a line or steer a terminal,
// and bytes that are not UTF-8. Names come from archives, pointers from events.
func Printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// MarshalJSON adds the type that tells findings from summaries.
func (f Finding) MarshalJSON() ([]byte, error) {
	type plain Finding
	return json.Marshal(struct {
		Type string `json:"type"`
		plain
	}{"finding", plain(f)})
}

// Sink takes findings. Stages call it from one goroutine at a time.
type Sink func(Finding)
