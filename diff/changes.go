package diff

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
)

const maxPointers = 100

// changes sets the pointers to what differs between two events, objects in
// order of their keys. Where one side has nothing, or another type, the
// pointer goes no deeper.
func (c *comparison) changes(d *Difference, a, b []byte) {
	w := changeWalk{values: c.o.ShowValues, d: d}
	w.walk(nil, bytes.TrimSpace(a), bytes.TrimSpace(b), c.ignore)
}

type changeWalk struct {
	canon  canonical
	values bool
	d      *Difference
}

func (w *changeWalk) walk(path []string, a, b []byte, skip *ignore) {
	switch {
	case skip.whole() || a != nil && b != nil && w.equal(a, b, skip):
	case a == nil || b == nil || a[0] != b[0]:
		w.note(path, a, b)
	case a[0] == '{':
		x, y := objectOf(a), objectOf(b)
		keys := maps.Clone(x)
		maps.Copy(keys, y)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			w.walk(append(path, key), x[key], y[key], skip.below([]byte(key)))
		}
	case a[0] == '[':
		x, y := arrayOf(a), arrayOf(b)
		for i := range max(len(x), len(y)) {
			index := strconv.Itoa(i)
			w.walk(append(path, index), at(x, i), at(y, i), skip.below([]byte(index)))
		}
	default:
		w.note(path, a, b)
	}
}

func (w *changeWalk) note(path []string, a, b []byte) {
	if len(w.d.Pointers) == maxPointers {
		w.d.More++
		return
	}
	w.d.Pointers = append(w.d.Pointers, finding.Pointer(path...))
	if w.values {
		w.d.Values = append(w.d.Values, Values{A: compact(a), B: compact(b)})
	}
}

func (w *changeWalk) equal(a, b []byte, skip *ignore) bool {
	x, _ := w.canon.append(nil, a, 0, skip)
	y, _ := w.canon.append(nil, b, 0, skip)
	return bytes.Equal(x, y)
}

func compact(value []byte) json.RawMessage {
	if value == nil {
		return nil
	}
	return jsonscan.AppendCompact(nil, value)
}

func at(list [][]byte, i int) []byte {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// objectOf and arrayOf take apart text that jsonscan has accepted. Of a key
// that stands twice the last counts.
func objectOf(text []byte) map[string][]byte {
	members := map[string][]byte{}
	for i := space(text, 1); text[i] != '}'; {
		end := stringEnd(text, i)
		key := jsonscan.AppendUnquoted(nil, text[i:end])
		i = space(text, space(text, end)+1)
		end = valueEnd(text, i)
		members[string(key)] = text[i:end]
		if i = space(text, end); text[i] == ',' {
			i = space(text, i+1)
		}
	}
	return members
}

func arrayOf(text []byte) (elements [][]byte) {
	for i := space(text, 1); text[i] != ']'; {
		end := valueEnd(text, i)
		elements = append(elements, text[i:end])
		if i = space(text, end); text[i] == ',' {
			i = space(text, i+1)
		}
	}
	return elements
}

// valueEnd is the offset behind the value that starts at text[i].
func valueEnd(text []byte, i int) int {
	for depth := 0; ; {
		switch text[i] {
		case '"':
			i = stringEnd(text, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			i++
			continue
		default: // a number or a literal
			for i < len(text) && (isNumberByte(text[i]) || text[i] >= 'a' && text[i] <= 'z') {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}
