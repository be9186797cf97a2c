package validate

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"export2batch/internal/jsonscan"
	"export2batch/internal/source"
)

// layout is how events lie in an input.
type layout uint8

const (
	inLines     layout = iota // an event a line
	inDocuments               // arrays of events, request bodies, events over several lines
)

// headBytes is how much of an input is looked at to tell its layout.
const headBytes = 64 << 10

// layoutOf tells the layout from the beginning of an input, which is the whole
// of it if it is shorter than headBytes.
func layoutOf(head []byte) layout {
	text := bytes.TrimLeft(head, " \t\r\n")
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return inLines
	}
	if text[0] == '[' {
		return inDocuments
	}
	line, rest, found := bytes.Cut(text, []byte("\n"))
	fields, err := jsonscan.Fields(nil, line)
	switch {
	case err == nil:
		if isRequest(line, fields) {
			return inDocuments
		}
		return inLines
	case mayBeRequest(line):
		return inDocuments
	case !found:
		return inLines
	}
	var syntax *jsonscan.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset < len(bytes.TrimRight(line, " \t\r")) {
		return inLines
	}
	// The line ends inside of an object: it goes on in the next one, if that
	// looks like it.
	if rest = bytes.TrimLeft(rest, " \t\r\n"); len(rest) > 0 && (rest[0] == '"' || rest[0] == '}') {
		return inDocuments
	}
	return inLines
}

// eventsAt finds where the array starts that the key events of the outermost
// object has, in a text that may be cut off.
func eventsAt(text []byte) (int, bool) {
	depth, isKey := 0, false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
			isKey = text[i] == '{'
		case '}', ']':
			depth--
		case ',':
			isKey = true
		case ':':
			isKey = false
		case '"':
			start := i + 1
			for i = start; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if depth == 1 && isKey && i < len(text) && string(text[start:i]) == "events" {
				after := bytes.TrimLeft(text[i+1:], " \t\r\n:")
				if len(after) > 0 && after[0] == '[' {
					return len(text) - len(after), true
				}
			}
		}
	}
	return 0, false
}

// document reads JSON values from a stream, one after the other. It sees where
// they end, and leaves it to others whether they are right.
type document struct {
	r          io.Reader
	buf        []byte
	start, end int
	line       int64 // of the next byte, from 1
	err        error

	value []byte // the value that was read last
	first int64  // the line it starts in
}

func newDocument(r io.Reader) *document {
	return &document{r: r, buf: make([]byte, headBytes), line: 1}
}

// errSyntax ends a document that is no JSON.
type errSyntax struct {
	line   int64
	reason string
}

func (e *errSyntax) Error() string { return e.reason }

func (d *document) fault(reason string) error { return &errSyntax{d.line, reason} }

// peek returns the next byte.
func (d *document) peek() (byte, error) {
	for d.start == d.end {
		if d.err != nil {
			return 0, d.err
		}
		d.start = 0
		d.end, d.err = d.r.Read(d.buf)
	}
	return d.buf[d.start], nil
}

// token passes over white space and returns the byte behind it, which is not
// passed over.
func (d *document) token() (byte, error) {
	for {
		c, err := d.peek()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			d.line++
		case ' ', '\t', '\r':
		default:
			return c, nil
		}
		d.start++
	}
}

// errTooLong says that a value has more than source.MaxLine bytes. Its
// beginning is in value, the rest is not read yet.
var errTooLong = errors.New("value longer than 32 MiB")

// read reads the value that starts at the next token. At the end of the stream
// it returns io.EOF, and io.ErrUnexpectedEOF where the value does not end; then
// its beginning is in value.
func (d *document) read() error {
	if _, err := d.token(); err != nil {
		return err
	}
	d.value, d.first = d.value[:0], d.line
	s := valueEnd{}
	for {
		text, done, err := d.piece(&s)
		d.value = append(d.value, text...)
		switch {
		case err != nil || done:
			return err
		case len(d.value) > source.MaxLine:
			return errTooLong
		}
	}
}

// piece passes over what is at hand of the value that s finds the end of, and
// returns it; it is valid until the next one.
func (d *document) piece(s *valueEnd) (text []byte, done bool, err error) {
	switch _, err := d.peek(); {
	case err == io.EOF && s.scalar:
		return nil, true, nil
	case err == io.EOF:
		return nil, false, io.ErrUnexpectedEOF
	case err != nil:
		return nil, false, err
	}
	n, done := s.find(d.buf[d.start:d.end])
	text = d.buf[d.start : d.start+n]
	d.line += int64(bytes.Count(text, []byte("\n")))
	d.start += n
	return text, done, nil
}

// skip passes over the rest of a value that was too long, of which value has
// the beginning, and gives it to w. It returns how long the whole value is.
func (d *document) skip(w io.Writer) (size int64, err error) {
	s := valueEnd{}
	s.find(d.value)
	if _, err := w.Write(d.value); err != nil {
		return 0, err
	}
	size = int64(len(d.value))
	for {
		text, done, err := d.piece(&s)
		if err != nil {
			return size, err
		}
		if _, err := w.Write(text); err != nil {
			return size, err
		}
		size += int64(len(text))
		if done {
			return size, nil
		}
	}
}

// inside goes back into a value that was too long: what is read next is the
// value's text from offset at.
func (d *document) inside(at int) {
	d.line = d.first + int64(bytes.Count(d.value[:at], []byte("\n")))
	rest := append(bytes.Clone(d.value[at:]), d.buf[d.start:d.end]...)
	d.r = io.MultiReader(bytes.NewReader(rest), errorReader{d.r, d.err})
	d.start, d.end, d.err = 0, 0, nil
}

// errorReader reads on, or gives the error that reading ended with.
type errorReader struct {
	io.Reader
	err error
}

func (e errorReader) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return e.Reader.Read(p)
}

// valueEnd finds the end of a value, whose text comes in pieces.
type valueEnd struct {
	depth             int
	inString, escaped bool
	scalar            bool // a number or a word
}

// plainBytes is how many bytes of a string, at least, come before the next that
// means something.
func plainBytes(text []byte) (n int) {
	for len(text) > 0 {
		window := text[:min(len(text), 256)] // not so far that what is found is looked for often
		if i := bytes.IndexByte(window, '"'); i >= 0 {
			window = window[:i]
		}
		if i := bytes.IndexByte(window, '\\'); i >= 0 {
			window = window[:i]
		}
		n += len(window)
		if len(window) < min(len(text), 256) {
			break
		}
		text = text[len(window):]
	}
	return n
}

// find returns how many bytes of the next piece belong to the value, and
// whether it ends there.
func (s *valueEnd) find(chunk []byte) (n int, done bool) {
	for i := 0; i < len(chunk); i++ {
		c := chunk[i]
		if s.inString {
			switch {
			case s.escaped:
				s.escaped = false
			case c == '\\':
				s.escaped = true
			case c == '"':
				s.inString = false
				if s.depth == 0 {
					return i + 1, true
				}
			default: // most bytes
				i += plainBytes(chunk[i+1:])
			}
			continue
		}
		switch c {
		case '"':
			if s.scalar {
				return i, true
			}
			s.inString = true
		case '{', '[':
			if s.scalar {
				return i, true
			}
			s.depth++
		case '}', ']':
			if s.scalar || s.depth == 0 {
				return i, true
			}
			if s.depth--; s.depth == 0 {
				return i + 1, true
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if s.depth == 0 {
				return i, true
			}
		default:
			if s.depth == 0 {
				s.scalar = true
			}
		}
	}
	return len(chunk), false
}

// describeSyntax is the message for an input that is no JSON from a place on.
func describeSyntax(e *errSyntax) string {
	return fmt.Sprintf("not JSON: %s; the input cannot be read on from here", e.reason)
}
