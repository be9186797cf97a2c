package validate

import (
	"fmt"
	"strconv"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
	"export2batch/internal/progress"
)

// maxRequestEvents is how many events a request can have: Amplitude, Batch
// Event Upload API, limits.
const maxRequestEvents = 2000

// request is a body of the Batch API, {"api_key","events","options"}.
type request struct {
	body        []byte
	fields      []jsonscan.Field
	size        int64  // bytes
	array       []byte // the value of events
	arrayAt     int
	events      []jsonscan.Span
	minIDLength int // of the events

	found []finding.Finding
}

// isRequest tells a request body from an event. Where Amplitude's rules are off
// (batch is false), only events that are an array make a request.
func isRequest(text []byte, fields []jsonscan.Field, batch bool) bool {
	request := false
	for i := range fields {
		switch string(fields[i].Key(text)) {
		case "api_key":
			request = request || batch
		case "events":
			request = request || batch || fields[i].Kind == jsonscan.Array
		case "event_type":
			return false
		}
	}
	return request
}

// mayBeRequest tells the same of a text that is no JSON.
func mayBeRequest(text []byte) bool {
	_, ok := eventsAt(text)
	return ok
}

// readRequest takes a body for which isRequest is true.
func readRequest(body []byte, fields []jsonscan.Field) *request {
	return &request{body: body, fields: fields, size: int64(len(body))}
}

// check holds the body against the limits of a request and finds its events.
func (r *request) check(s *settings) {
	r.minIDLength = s.minIDLength
	r.checkSize(s)
	key, events := false, false
	for i := range r.fields {
		f := &r.fields[i]
		value := f.Value(r.body)
		switch name := string(f.Key(r.body)); name {
		case "api_key":
			key = true
			if f.Kind != jsonscan.String || len(value) == 2 {
				r.report(s, ruleRequestKey, "/api_key", "is no API key")
			}
		case "events":
			events = true
			if f.Kind != jsonscan.Array {
				r.report(s, ruleRequestEvents, "/events", "is no array")
				continue
			}
			r.array, r.arrayAt = value, int(f.Start)
			r.events, _ = jsonscan.Elements(nil, value) // it was scanned before
			r.checkCount(s, int64(len(r.events)))
		case "options":
			r.options(s, f)
		default:
			r.report(s, ruleRequestUnknown, keyPointer(f.Key(r.body)), "is no key of a request: Amplitude ignores it")
		}
	}
	if !key {
		r.report(s, ruleRequestKey, "", "has no api_key")
	}
	if !events {
		r.report(s, ruleRequestEvents, "", "has no events")
	}
}

func (r *request) checkSize(s *settings) {
	if r.size > maxRequestBytes {
		r.report(s, ruleRequestSize, "", "has more than 20 MB")
	}
}

func (r *request) checkCount(s *settings, events int64) {
	switch {
	case events == 0:
		r.report(s, ruleRequestEvents, "/events", "is empty")
	case events > maxRequestEvents:
		r.report(s, ruleRequestEvents, "/events", progress.Thousands(events)+" events, "+progress.Thousands(maxRequestEvents)+" are taken")
	}
}

func (r *request) options(s *settings, options *jsonscan.Field) {
	text := options.Value(r.body)
	if options.Kind != jsonscan.Object {
		r.report(s, ruleRequestOptions, "/options", "is no object")
		return
	}
	fields, err := jsonscan.Fields(nil, text)
	if err != nil {
		r.report(s, ruleRequestOptions, "/options", "has a key twice")
		return
	}
	for i := range fields {
		f := &fields[i]
		if string(f.Key(text)) != "min_id_length" {
			r.report(s, ruleRequestUnknown, "/options"+keyPointer(f.Key(text)), "is no option of a request: Amplitude ignores it")
			continue
		}
		n, err := strconv.Atoi(string(f.Value(text)))
		if f.Kind != jsonscan.Number || err != nil || n < 1 || n > maxStringLength {
			r.report(s, ruleRequestOptions, "/options/min_id_length", fmt.Sprintf("is no integer from 1 to %d", maxStringLength))
			continue
		}
		r.minIDLength = n
	}
}

func (r *request) report(s *settings, rule, pointer, message string) {
	if severity, on := s.severities[rule]; on {
		r.found = append(r.found, finding.Finding{Pointer: pointer, Rule: rule, Severity: severity, Message: message})
	}
}
