package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
	"export2batch/internal/source"
)

// spot is where an event of a document stands.
type spot struct {
	line  int64
	index int64 // in its array, from 0; -1 outside of one
}

// readDocuments sends on the events of arrays, request bodies and objects that
// follow each other. Intact tells that there was no damage.
func (r *reader) readDocuments(ctx context.Context) (intact bool, err error) {
	d := newDocument(r.lines)
	for {
		c, err := d.token()
		switch {
		case err == io.EOF:
			return true, r.flush(ctx)
		case err != nil:
		case c == '[':
			r.block.prefix = ""
			_, err = r.array(ctx, d)
		default:
			err = r.object(ctx, d)
		}
		if err != nil {
			return r.endDocuments(ctx, d, err)
		}
	}
}

// endDocuments tells why a document cannot be read on.
func (r *reader) endDocuments(ctx context.Context, d *document, err error) (intact bool, _ error) {
	var damage *source.DamageError
	var syntax *errSyntax
	f := finding.Finding{Severity: finding.Error}
	switch {
	case errors.As(err, &damage):
		f.Place, f.Rule, f.Message = r.in.Place(d.line), ruleDamaged, damage.Reason+"; the events before it were validated"
	case errors.As(err, &syntax):
		intact = true
		f.Place, f.Rule, f.Message = r.in.Place(syntax.line), ruleInvalidJSON, describeSyntax(syntax)
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		intact = true
		f.Place, f.Rule, f.Message = r.in.Place(d.line), ruleInvalidJSON, describeSyntax(&errSyntax{reason: "the text ends inside a value"})
	default:
		return false, err
	}
	if err := r.flush(ctx); err != nil {
		return false, err
	}
	r.put(&result{findings: []finding.Finding{f}})
	return intact, nil
}

// array sends on the n elements of the array that comes next.
func (r *reader) array(ctx context.Context, d *document) (n int64, err error) {
	if _, err := d.token(); err != nil {
		return n, unexpected(err)
	}
	d.start++ // the bracket
	if c, err := d.token(); err != nil {
		return n, unexpected(err)
	} else if c == ']' {
		d.start++
		return 0, nil
	}
	for ; ; n++ {
		switch err := d.read(); {
		case err == errTooLong:
			if err := r.longElement(ctx, d, n); err != nil {
				return n, err
			}
		case err != nil:
			return n, unexpected(err)
		case len(d.value) == 0:
			return n, d.fault("a value is expected")
		default:
			if err := r.addElement(ctx, d.value, spot{d.first, n}); err != nil {
				return n, err
			}
		}
		c, err := d.token()
		if err != nil {
			return n, unexpected(err)
		}
		d.start++
		switch c {
		case ',':
		case ']':
			return n + 1, nil
		default:
			d.start--
			return n, d.fault("a comma or closing bracket is expected")
		}
	}
}

// unexpected is the end of a stream inside of a value.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// object sends on an event, or the events of a request body.
func (r *reader) object(ctx context.Context, d *document) error {
	err := d.read()
	switch {
	case err == errTooLong:
		at, ok := eventsAt(d.value)
		if !ok {
			return r.longElement(ctx, d, -1)
		}
		return r.longRequest(ctx, d, at)
	case err != nil:
		return unexpected(err)
	case len(d.value) == 0:
		return d.fault("a value is expected")
	}
	body := d.value
	fields, err := jsonscan.Fields(nil, body)
	if err == nil && !isRequest(body, fields, r.p.settings.batch) || err != nil && !mayBeRequest(body) {
		r.block.prefix = ""
		return r.addElement(ctx, body, spot{d.first, -1})
	}
	if err := r.flush(ctx); err != nil { // what stands before the request
		return err
	}
	place := r.in.Place(d.first)
	if err != nil {
		r.put(&result{findings: []finding.Finding{{Place: place, Rule: ruleInvalidJSON, Severity: finding.Error, Message: "not JSON: " + err.Error()}}})
		return nil
	}
	req := readRequest(body, fields)
	req.check(r.p.settings)
	r.putRequest(place, req)
	lines := lineCounter{text: body, line: d.first}
	r.block.prefix, r.block.minIDLength = "/events", req.minIDLength
	for i, span := range req.events {
		if err := r.addElement(ctx, span.Value(req.array), spot{lines.at(req.arrayAt + int(span.Start)), int64(i)}); err != nil {
			return err
		}
	}
	return r.flush(ctx)
}

// longRequest sends on the events of a request body over source.MaxLine, which
// is too large for Amplitude anyway.
func (r *reader) longRequest(ctx context.Context, d *document, at int) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	place := r.in.Place(d.first)
	req := &request{size: int64(len(d.value)), minIDLength: r.p.settings.minIDLength}
	req.checkSize(r.p.settings)
	r.putRequest(place, req)
	d.inside(at)
	r.block.prefix = "/events"
	n, err := r.array(ctx, d)
	if err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	// How many there are is known only now, too late for the place before them.
	req.found = nil
	req.checkCount(r.p.settings, n)
	r.putRequest(place, req)
	// What stands behind the events closes the object.
	d.value = append(d.value[:0], `{"events":[]`...)
	_, err = d.skip(io.Discard)
	return unexpected(err)
}

func (r *reader) putRequest(place finding.Place, req *request) {
	if len(req.found) == 0 {
		return
	}
	for i := range req.found {
		req.found[i].Place = place
	}
	slices.SortFunc(req.found, compare)
	r.put(&result{findings: req.found})
}

// addElement adds an event to the block.
func (r *reader) addElement(ctx context.Context, text []byte, at spot) error {
	r.block.spots = append(r.block.spots, at)
	return r.addText(ctx, text)
}

// longElement reports an event over source.MaxLine, and keeps it if events are
// set aside.
func (r *reader) longElement(ctx context.Context, d *document, index int64) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	place := r.in.Place(d.first)
	kept := ""
	w := io.Discard
	var file *durable.File
	if !r.p.aside.idle() {
		kept = fmt.Sprintf("rejected/%s.line-%d.event-%d.raw", r.in.Name, d.first, index)
		var err error
		if file, err = r.p.aside.create(kept); err != nil {
			return err
		}
		defer file.Abort()
		w = file
	}
	size, err := d.skip(w)
	if err != nil {
		return err
	}
	if file != nil {
		if err := file.Commit(); err != nil {
			return err
		}
	}
	r.putLong(place, r.block.pointer(index), fmt.Sprintf("the event has %d bytes, more than %d", size, source.MaxLine), kept)
	return nil
}

// lineCounter tells the lines of offsets that only grow.
type lineCounter struct {
	text []byte
	pos  int
	line int64
}

func (l *lineCounter) at(offset int) int64 {
	for ; l.pos < offset; l.pos++ {
		if l.text[l.pos] == '\n' {
			l.line++
		}
	}
	return l.line
}
