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

// headBytes is about how much of an input is looked at to tell its layout. Past
// it a first line is taken for an event's, unless the array of a request's events
// has begun, and so is a line behind it that begins an object.
const headBytes = 1 << 20

// layoutOf tells the layout from the beginning of an input, and whether more of
// the input, if there is more, would say the same.
func layoutOf(head []byte, more, batch bool) (l layout, sure bool) {
	text := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(text) == 0:
		return inLines, false
	case text[0] == '[':
		return inDocuments, true
	case text[0] != '{':
		return inLines, true
	}
	line, _, found := bytes.Cut(text, []byte("\n"))
	if !found && more && len(head) < headBytes {
		return inLines, false
	}
	fields, err := jsonscan.Fields(nil, line)
	switch {
	case err == nil && isRequest(line, fields, batch), err != nil && mayBeRequest(line):
		return inDocuments, true
	case err == nil || !found:
		return inLines, true
	}
	return layoutOver(text, len(line), more)
}

// layoutOver tells the layout of a text whose first line, of n bytes, is no
// object. It may be the beginning of one that goes on over the next lines, or
// that of an event which was cut off: then an event follows where the object
// does not go on, or it goes on with one whole event and with nothing more.
func layoutOver(text []byte, n int, more bool) (l layout, sure bool) {
	good, ended := goodJSON(text)
	more = more && !ended && good > len(bytes.TrimRight(text, " \t\r\n"))-longestToken // else it changes nothing
	for at := n; ; {
		at = len(text) - len(bytes.TrimLeft(text[at:], " \t\r\n"))
		if at >= good {
			return inLines, !more
		}
		if text[at] != '{' {
			return inDocuments, true
		}
		line, _, found := bytes.Cut(text[at:], []byte("\n"))
		stop, whole := goodJSON(line)
		at += len(line)
		size := len(bytes.TrimRight(line, " \t\r"))
		switch {
		case whole && stop < size: // as in {"a":1},
			return inDocuments, true
		case !found:
			return inLines, !more
		case whole:
			if len(bytes.TrimSpace(text[at:max(at, good)])) > 0 {
				return inDocuments, true
			}
			return inLines, !more
		case stop < size:
			return inLines, true
		}
	}
}

// longestToken is more than the bytes of a word or escape, which is refused at
// its beginning where the text ends in it.
const longestToken = 16

// goodJSON is how far a text is JSON, or the beginning of it, and whether a
// whole value ends there.
func goodJSON(text []byte) (n int, whole bool) {
	text = bytes.TrimRight(text, " \t\r\n")
	_, err := jsonscan.Check(text)
	var syntax *jsonscan.SyntaxError
	if !errors.As(err, &syntax) {
		return len(text), true
	}
	return syntax.Offset, syntax.Reason == "text after the value"
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
	return &document{r: r, buf: make([]byte, 64<<10), line: 1}
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
