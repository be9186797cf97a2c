package convert

import "export2batch/internal/jsonscan"

// appendPlan appends the part of plan that the Batch API takes and tells
// whether there is any.
func (m *mapper) appendPlan(dst, line []byte, f *jsonscan.Field) (plan []byte, filled bool) {
	if !populated(line, f) {
		return dst, false
	}
	if f.Kind != jsonscan.Object {
		return append(dst, f.Value(line)...), true // wrong, for validate to find
	}
	text := f.Value(line)
	members, err := m.plans.Fields(text)
	if err != nil {
		// A key twice, which only the outermost object is checked for: validate finds it.
		return append(dst, text...), true
	}
	open := byte('{')
	for i := range members {
		p := &members[i]
		key := p.Key(text)
		if p.KeyEscaped {
			m.scratch = jsonscan.AppendUnescaped(m.scratch[:0], key)
			key = m.scratch
		}
		switch string(key) {
		case "branch", "source", "version":
			if p.Kind == jsonscan.Null {
				continue
			}
			dst = append(dst, open, '"')
			dst = append(dst, key...)
			dst = append(dst, '"', ':')
			dst = append(dst, p.Value(text)...)
			open = ','
		default:
			if populated(text, p) {
				*m.lostKey("plan." + string(key))++
			}
		}
	}
	if open == '{' {
		return dst, false
	}
	return append(dst, '}'), true
}
