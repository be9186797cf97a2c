package convert

import "export2batch/internal/jsonscan"

// maxPairs bounds the memory of a pairSet. When it is reached the set is
// emptied, and a pair may be written again, which does no harm.
const maxPairs = 100_000

// pairSet collects who occurred with whom in an input, each pair once:
// {"user_id","device_id","amplitude_id"}, absent where null.
type pairSet struct {
	seen  map[string]struct{}
	lines []byte // not yet taken
	key   []byte
	n     int64
}

// add notes the ids of one line. Equal ids in different spelling (an escape
// here, none there) are two pairs.
func (p *pairSet) add(line []byte, user, device, amplitude *jsonscan.Field) {
	p.key = p.key[:0]
	open := byte('{')
	for _, id := range [...]struct {
		key   string
		field *jsonscan.Field
	}{{`"user_id":`, user}, {`"device_id":`, device}, {`"amplitude_id":`, amplitude}} {
		if id.field == nil {
			continue
		}
		p.key = append(p.key, open)
		p.key = append(p.key, id.key...)
		if id.field == amplitude {
			p.key = append(p.key, id.field.Value(line)...)
		} else {
			p.key = appendID(p.key, line, id.field)
		}
		open = ','
	}
	if open == '{' {
		return
	}
	p.key = append(p.key, '}', '\n')
	if _, ok := p.seen[string(p.key)]; ok {
		return
	}
	if p.seen == nil || len(p.seen) >= maxPairs {
		p.seen = map[string]struct{}{}
	}
	p.seen[string(p.key)] = struct{}{}
	p.lines = append(p.lines, p.key...)
	p.n++
}
