package sandbox

import (
	"net/http"
	"strconv"

	"export2batch/internal/jsonscan"
)

// intake is the room to read one request in. It is used again for others.
type intake struct {
	body    []byte // decompressed
	members []jsonscan.Field
	fields  []jsonscan.Field
	spans   []jsonscan.Span
	events  []event
	inner   []jsonscan.Field // of an object inside an event
	scratch []byte           // decoded ids
	hashed  []byte

	// groupOnly says that events need no user and no device: they are about
	// groups.
	groupOnly bool
}

// keep is the size up to which the parts of an intake are used again.
const keep = 4 << 20

// reset makes the intake fit for the next request.
func (in *intake) reset() {
	if cap(in.body) > keep {
		in.body = nil
	}
	if cap(in.spans) > 2*DefaultMaxEvents {
		in.spans = nil
	}
	if cap(in.fields) > 4096 {
		in.fields = nil
	}
	if cap(in.members) > 4096 {
		in.members = nil
	}
	if cap(in.scratch) > keep {
		in.scratch = nil
	}
	if cap(in.events) > 2*DefaultMaxEvents {
		in.events = nil
	}
	clear(in.events) // they point into the body
	in.body, in.events, in.scratch = in.body[:0], in.events[:0], in.scratch[:0]
	in.groupOnly = false
}

// parse reads the body into in.events, or returns what to answer instead.
func (s *Server) parse(in *intake) (refused answer, ok bool) {
	if len(in.body) == 0 {
		return badRequest(errNoBody), false
	}
	var err error
	if in.members, err = jsonscan.Fields(in.members[:0], in.body); err != nil {
		return badRequest(errNotJSON), false
	}
	var apiKey []byte
	var events, options *jsonscan.Field
	for i := range in.members {
		f := &in.members[i]
		key := f.Key(in.body)
		if f.KeyEscaped {
			key = jsonscan.AppendUnescaped(nil, key)
		}
		if f.Kind == jsonscan.Null {
			continue
		}
		switch string(key) {
		case "api_key":
			apiKey = f.Value(in.body)
		case "events":
			events = f
		case "options":
			options = f
		}
	}
	if refused, ok = s.checkKey(apiKey, in); !ok {
		return refused, false
	}
	minIDLength := s.opts.MinIDLength
	if options != nil {
		if minIDLength, ok = minIDLengthOption(options, in.body, minIDLength); !ok {
			return badRequest("Invalid options"), false
		}
	}
	if events == nil {
		return missingField("events"), false
	}
	if events.Kind != jsonscan.Array {
		return badRequest(errNotJSON), false
	}
	list := events.Value(in.body)
	if in.spans, err = jsonscan.Elements(in.spans[:0], list); err != nil {
		return badRequest(errNotJSON), false
	}
	switch n := len(in.spans); {
	case n == 0:
		return missingField("events"), false
	case n > s.opts.MaxEvents:
		return refuse(http.StatusRequestEntityTooLarge, errTooLarge), false
	}
	return s.readEvents(in, list, minIDLength)
}

// readEvents reads the events in list whose places are in in.spans.
func (s *Server) readEvents(in *intake, list []byte, minIDLength int) (refused answer, ok bool) {
	var p problems
	for i, span := range in.spans {
		in.readEvent(i, span, list, minIDLength, &p)
		if p.any() && !s.opts.AllErrors {
			break
		}
	}
	if p.any() {
		return p.answer(), false
	}
	return answer{}, true
}

// checkKey looks at an API key as it stands in JSON, nil when it is absent.
func (s *Server) checkKey(apiKey []byte, in *intake) (refused answer, ok bool) {
	if apiKey == nil {
		return missingField("api_key"), false
	}
	if apiKey[0] != '"' {
		return badRequest(errAPIKey), false
	}
	var key []byte
	key, in.scratch = text(in.scratch, apiKey)
	return s.checkKeyText(string(key))
}

func (s *Server) checkKeyText(key string) (refused answer, ok bool) {
	switch {
	case key == "":
		return missingField("api_key"), false
	case s.opts.APIKey != "" && key != s.opts.APIKey:
		return badRequest(errAPIKey), false
	}
	return answer{}, true
}

// minIDLengthOption reads options.min_id_length; other options are ignored.
func minIDLengthOption(options *jsonscan.Field, body []byte, otherwise int) (int, bool) {
	if options.Kind != jsonscan.Object {
		return 0, false
	}
	object := options.Value(body)
	fields, err := jsonscan.Fields(nil, object)
	if err != nil {
		return 0, false
	}
	for i := range fields {
		f := &fields[i]
		if string(f.Key(object)) != "min_id_length" || f.Kind == jsonscan.Null {
			continue
		}
		n, err := strconv.Atoi(string(f.Value(object)))
		return n, err == nil && n >= 0
	}
	return otherwise, true
}
