package convert

import (
	"bytes"

	"export2batch/internal/jsonscan"
)

// maxPairs and maxPairBytes bound the memory of a pairSet. When one is reached
// the set is emptied, and a pair may be written again, which does no harm.
const (
	maxPairs     = 100_000
	maxPairBytes = 16 << 20
)

// pairSet collects who occurred with whom in an input, each pair once:
// {"user_id","device_id","amplitude_id"}, absent where null, and
// {"amplitude_id","merged_amplitude_id"}.
type pairSet struct {
	seen   map[string]struct{}
	size   int    // bytes in seen
	lines  []byte // not yet taken
	key    []byte // of the line that was added last
	before []byte // of the one before
	n      int64
	last   int // bytes of lines that the last line added
}

// add notes the ids of one line. Equal ids in different spelling (an escape
// here, none there) are two pairs.
func (p *pairSet) add(line []byte, user, device, amplitude *jsonscan.Field) {
	p.before, p.key, p.last = p.key, p.before[:0], 0
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
	if !bytes.Equal(p.key, p.before) { // most lines have the ids of the one before
		p.note()
	}
}

// addMerged notes that two Amplitude IDs are one user:
// {"amplitude_id","merged_amplitude_id"}.
func (p *pairSet) addMerged(line []byte, a, b *jsonscan.Field) {
	p.last = 0
	p.key = append(append(p.key[:0], `{"amplitude_id":`...), a.Value(line)...)
	p.key = append(append(p.key, `,"merged_amplitude_id":`...), b.Value(line)...)
	p.key = append(p.key, '}', '\n')
	p.note()
}

func (p *pairSet) note() {
	if _, ok := p.seen[string(p.key)]; ok {
		return
	}
	if p.seen == nil || len(p.seen) >= maxPairs || p.size+len(p.key) > maxPairBytes {
		p.seen, p.size = map[string]struct{}{}, 0
	}
	p.seen[string(p.key)] = struct{}{}
	p.size += len(p.key)
	p.lines = append(p.lines, p.key...)
	p.last = len(p.key)
	p.n++
}

// undo forgets what the last line added.
func (p *pairSet) undo() {
	if p.last == 0 {
		return
	}
	delete(p.seen, string(p.lines[len(p.lines)-p.last:]))
	p.size -= p.last
	p.lines = p.lines[:len(p.lines)-p.last]
	p.key, p.last = p.key[:0], 0
	p.n--
}
