package diff

import (
	"bytes"
	"slices"
	"strconv"

	"export2batch/internal/jsonscan"
)

// canonical writes JSON so that two values mean the same if and only if they
// are written the same: no white space, members sorted by key, strings with
// the fewest escapes, numbers as appendNumber writes them. It is not safe for
// concurrent use; its buffers are kept between events.
type canonical struct {
	members []member // of all open objects
	scratch []byte
}

// member is one member of an object, as offsets into what was written.
type member struct {
	start, keyEnd, end int // "key":value,
}

// append writes the value that starts at text[i] to dst and returns the offset
// behind it. The text must be one that jsonscan has accepted.
func (c *canonical) append(dst, text []byte, i int, skip *ignore) ([]byte, int) {
	i = space(text, i)
	switch text[i] {
	case '{':
		return c.object(dst, text, i, skip)
	case '[':
		return c.array(dst, text, i, skip)
	case '"':
		end := stringEnd(text, i)
		return appendString(dst, text[i:end]), end
	case 't', 'n':
		return append(dst, text[i:i+4]...), i + 4
	case 'f':
		return append(dst, text[i:i+5]...), i + 5
	}
	end := i + 1
	for end < len(text) && isNumberByte(text[end]) {
		end++
	}
	return appendNumber(dst, text[i:end]), end
}

func (c *canonical) object(dst, text []byte, i int, skip *ignore) ([]byte, int) {
	dst = append(dst, '{')
	first, start := len(c.members), len(dst)
	inOrder := true
	for i = space(text, i+1); text[i] != '}'; {
		m := member{start: len(dst)}
		end := stringEnd(text, i)
		dst = appendString(dst, text[i:end])
		m.keyEnd = len(dst)
		i = space(text, end) + 1 // the colon
		inside := c.inside(skip, dst[m.start:m.keyEnd])
		dst = append(dst, ':')
		dst, i = c.append(dst, text, i, inside)
		if i = space(text, i); text[i] == ',' {
			i = space(text, i+1)
		}
		if inside.whole() {
			dst = dst[:m.start]
			continue
		}
		dst = append(dst, ',')
		m.end = len(dst)
		if n := len(c.members); n > first && bytes.Compare(c.members[n-1].key(dst), m.key(dst)) >= 0 {
			inOrder = false
		}
		c.members = append(c.members, m)
	}
	if !inOrder {
		dst = c.sort(dst, start, c.members[first:])
	}
	c.members = c.members[:first]
	return append(dst, '}'), i + 1
}

// inside is what is ignored below the member whose key is written as quoted.
func (c *canonical) inside(skip *ignore, quoted []byte) *ignore {
	if skip == nil {
		return nil
	}
	c.scratch = jsonscan.AppendUnquoted(c.scratch[:0], quoted)
	return skip.below(c.scratch)
}

// sort puts the members, written from start to the end of dst, in order.
func (c *canonical) sort(dst []byte, start int, members []member) []byte {
	slices.SortStableFunc(members, func(a, b member) int { return bytes.Compare(a.key(dst), b.key(dst)) })
	c.scratch = c.scratch[:0]
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(m.key(dst), members[i+1].key(dst)) {
			continue // the last of a key counts
		}
		c.scratch = append(c.scratch, dst[m.start:m.end]...)
	}
	return append(dst[:start], c.scratch...)
}

func (m member) key(dst []byte) []byte { return dst[m.start:m.keyEnd] }

func (c *canonical) array(dst, text []byte, i int, skip *ignore) ([]byte, int) {
	dst = append(dst, '[')
	ignored := 0 // elements in a row: they keep their places if others follow
	for n, at := 0, space(text, i+1); ; n++ {
		if text[at] == ']' {
			return append(dst, ']'), at + 1
		}
		var inside *ignore
		if skip != nil {
			inside = skip.below(strconv.AppendInt(nil, int64(n), 10))
		}
		if inside.whole() {
			ignored++
			_, at = c.append(dst, text, at, inside)
		} else {
			for ; ignored > 0; ignored-- {
				dst = append(dst, ',')
			}
			dst, at = c.append(dst, text, at, inside)
			dst = append(dst, ',')
		}
		if at = space(text, at); text[at] == ',' {
			at = space(text, at+1)
		}
	}
}

// appendString writes a quoted string with the fewest escapes.
func appendString(dst, quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return append(dst, quoted...)
	}
	return jsonscan.AppendQuoted(dst, jsonscan.AppendUnquoted(nil, quoted))
}

func stringEnd(text []byte, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c|0x20 == 'e' || c == '+' || c == '-'
}
