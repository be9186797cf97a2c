package validate

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
)

// stringEnd returns the offset of the quote that closes the string whose text
// starts at b[i].
func stringEnd(b []byte, i int) int {
	for from := i; ; {
		end := from + bytes.IndexByte(b[from:], '"')
		slashes := end
		for slashes > i && b[slashes-1] == '\\' {
			slashes--
		}
		if (end-slashes)%2 == 0 {
			return end
		}
		from = end + 1
	}
}

// characters counts the characters of a string given with its quotes.
func characters(quoted []byte) int {
	text := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		text = jsonscan.AppendUnescaped(nil, text)
	}
	return utf8.RuneCount(text)
}

// step is one level of the way to a value: a key of an object as it stands in
// the text, or the index of an element.
type step struct {
	key   []byte // nil in an array
	index int
}

// walker visits every scalar inside a value that jsonscan has accepted, with
// the way to it.
type walker struct {
	b     []byte
	path  []step
	visit func(w *walker, kind jsonscan.Kind, token []byte)
}

// walk visits the scalars of value.
func walk(value []byte, visit func(w *walker, kind jsonscan.Kind, token []byte)) {
	w := &walker{b: value, visit: visit}
	w.value(w.space(0))
}

// pointer is where the scalar is that is being visited, below the value.
func (w *walker) pointer() string {
	keys := make([]string, len(w.path))
	for i, s := range w.path {
		if s.key == nil {
			keys[i] = strconv.Itoa(s.index)
		} else {
			keys[i] = string(jsonscan.AppendUnquoted(nil, s.key))
		}
	}
	return finding.Pointer(keys...)
}

func (w *walker) value(i int) int {
	start := i
	switch w.b[i] {
	case '{', '[':
		return w.container(i)
	case '"':
		i = stringEnd(w.b, i+1) + 1
		w.visit(w, jsonscan.String, w.b[start:i])
	case 't', 'f', 'n':
		for i < len(w.b) && w.b[i] >= 'a' && w.b[i] <= 'z' {
			i++
		}
		kind := jsonscan.Bool
		if w.b[start] == 'n' {
			kind = jsonscan.Null
		}
		w.visit(w, kind, w.b[start:i])
	default:
		for i < len(w.b) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(w.b[i])) {
			i++
		}
		w.visit(w, jsonscan.Number, w.b[start:i])
	}
	return i
}

// container is as deep in itself as its text, which jsonscan.MaxDepth bounds.
func (w *walker) container(i int) int {
	object := w.b[i] == '{'
	w.path = append(w.path, step{})
	top := len(w.path) - 1
	i = w.space(i + 1)
	for n := 0; w.b[i] != '}' && w.b[i] != ']'; n++ {
		w.path[top] = step{index: n}
		if object {
			end := stringEnd(w.b, i+1) + 1
			w.path[top].key = w.b[i:end]
			i = w.space(w.space(end) + 1) // the colon
		}
		if i = w.space(w.value(i)); w.b[i] == ',' {
			i = w.space(i + 1)
		}
	}
	w.path = w.path[:top]
	return i + 1
}

func (w *walker) space(i int) int {
	for i < len(w.b) && (w.b[i] == ' ' || w.b[i] == '\t' || w.b[i] == '\n' || w.b[i] == '\r') {
		i++
	}
	return i
}
