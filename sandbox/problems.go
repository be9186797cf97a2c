package sandbox

// problems collects what is wrong with the events of a request.
type problems struct {
	count     int
	malformed bool // an event is not an object, or has a key twice
	missing   fieldIndexes
	invalid   fieldIndexes
	lengths   fieldIndexes
}

// fieldIndexes says which events have something wrong with a field.
type fieldIndexes map[string][]int

// add notes that the event with this index has something wrong with a field.
func (p *problems) add(m *fieldIndexes, field string, index int) {
	p.count++
	if *m == nil {
		*m = make(fieldIndexes)
	}
	if !m.has(field, index) {
		(*m)[field] = append((*m)[field], index)
	}
}

// has tells whether the field of the event added last is there already.
func (m fieldIndexes) has(field string, index int) bool {
	at := m[field]
	return len(at) > 0 && at[len(at)-1] == index
}

func (p *problems) any() bool { return p.malformed || p.count > 0 }

// answer words the problems as Amplitude does. An event that cannot be read is
// not given by index: that is one of the answers an uploader has to bisect.
func (p *problems) answer() answer {
	if p.malformed {
		return badRequest(errMalformedEvent)
	}
	r := refusal{Code: 400, Missing: p.missing, Invalid: p.invalid, Lengths: p.lengths}
	switch {
	case p.missing != nil:
		r.Error = errMissing
	case p.invalid != nil:
		r.Error = errInvalid
	default:
		r.Error = errIDLength
	}
	return jsonAnswer(r.Code, r)
}
