package sandbox

import (
	"net/http"
	"net/url"

	"export2batch/internal/jsonscan"
	"export2batch/sandbox/people"
)

// parseForm reads the form of /identify or /groupidentify into in.events: each
// identification becomes the event that Amplitude makes of it.
//
//	api_key=KEY&identification={"user_id":"…","user_properties":{…}}
//	api_key=KEY&identification=[{"group_type":"org","group_value":"acme","group_properties":{…}}]
func (s *Server) parseForm(in *intake, at *endpoint) (refused answer, ok bool) {
	form, err := url.ParseQuery(string(in.body))
	if err != nil {
		return badRequest("Invalid form"), false
	}
	if refused, ok = s.checkKeyText(form.Get("api_key")); !ok {
		return refused, false
	}
	list := []byte(form.Get("identification"))
	if len(list) == 0 {
		return missingField("identification"), false
	}
	kind, err := jsonscan.Check(list)
	switch {
	case err != nil:
		return badRequest(errNotJSON), false
	case kind == jsonscan.Object:
		list = append(append([]byte{'['}, list...), ']')
	case kind != jsonscan.Array:
		return badRequest(errNotJSON), false
	}
	if in.spans, err = jsonscan.Elements(in.spans[:0], list); err != nil {
		return badRequest(errNotJSON), false
	}
	switch n := len(in.spans); {
	case n == 0:
		return missingField("identification"), false
	case n > s.opts.MaxEvents:
		return refuse(http.StatusRequestEntityTooLarge, errTooLarge), false
	}
	events := []byte{'['}
	for i, span := range in.spans {
		if i > 0 {
			events = append(events, ',')
		}
		missing := ""
		if events, missing, ok = appendIdentification(events, span.Value(list), at.group); !ok {
			return badRequest(errMalformedEvent), false
		}
		if missing != "" {
			return missingField(missing), false
		}
	}
	events = append(events, ']')
	if in.spans, err = jsonscan.Elements(in.spans[:0], events); err != nil {
		return badRequest(errNotJSON), false
	}
	in.groupOnly = at.group
	return s.readEvents(in, events, s.opts.MinIDLength)
}

// appendIdentification appends the event of an identification, or tells which
// field it lacks. It is not ok when it is no object, or has a key twice.
func appendIdentification(b, identification []byte, group bool) (event []byte, missing string, ok bool) {
	fields, err := jsonscan.Fields(nil, identification)
	if err != nil {
		return b, "", false
	}
	kind := people.Identify
	if group {
		kind = people.GroupIdentify
	}
	b = jsonscan.AppendQuoted(append(b, `{"event_type":`...), kind)
	var groupType, groupValue []byte
	for i := range fields {
		f := &fields[i]
		switch key := string(jsonscan.AppendUnescaped(nil, f.Key(identification))); {
		case key == "event_type":
		case group && key == "group_type" && f.Kind == jsonscan.String:
			groupType = f.Value(identification)
		case group && key == "group_value" && f.Kind != jsonscan.Null:
			groupValue = f.Value(identification)
		case group && key == "groups":
		default:
			b = jsonscan.AppendQuoted(append(b, ','), key)
			b = append(append(b, ':'), f.Value(identification)...)
		}
	}
	if group {
		switch {
		case groupType == nil:
			return b, "group_type", true
		case groupValue == nil:
			return b, "group_value", true
		}
		b = append(append(b, `,"groups":{`...), groupType...)
		b = append(append(append(b, ':'), groupValue...), '}')
	}
	return append(b, '}'), "", true
}
