package diff

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"export2batch/internal/jsonscan"
	"export2batch/internal/source"
)

// describe reads the events that differ again, in order to tell in what, and
// hands the differences on.
func (c *comparison) describe(ctx context.Context, pairs []pair) error {
	if len(pairs) == 0 {
		return nil
	}
	texts := &textStore{create: c.createTemp, most: textMemory}
	defer texts.close()
	// Where each pair's texts are: index of the record, in order of place.
	var wanted [2][]record
	for _, p := range pairs {
		if p.hasA {
			wanted[sideA] = append(wanted[sideA], p.a)
		}
		if p.hasB {
			wanted[sideB] = append(wanted[sideB], p.b)
		}
	}
	var spans [2][]textSpan
	for side, records := range wanted {
		slices.SortFunc(records, comparePlaces)
		for len(records) > 0 {
			n := 1
			for n < len(records) && records[n].input == records[0].input {
				n++
			}
			found, err := c.fetch(ctx, records[:n], texts)
			if err != nil {
				return err
			}
			spans[side] = append(spans[side], found...)
			records = records[n:]
		}
	}
	text := func(r record) ([]byte, error) {
		i, _ := slices.BinarySearchFunc(wanted[r.side], r, comparePlaces)
		return texts.get(spans[r.side][i])
	}
	for _, p := range pairs {
		d, err := c.difference(p, text)
		if err != nil {
			return err
		}
		c.o.Sink(d)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// fetch stores the lines of records, which are of one input and sorted, and
// makes sure that they are still what they were.
func (c *comparison) fetch(ctx context.Context, records []record, texts *textStore) (spans []textSpan, err error) {
	in := c.input(records[0].side, records[0].input)
	lines, err := in.LinesOnly()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	event := eventReader{key: c.o.Key, ignore: c.ignore}
	for _, want := range records {
		var line []byte
		for lines.Number() < want.line {
			if lines.Number()%1024 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			line, err = lines.Next()
			if errors.Is(err, source.ErrTooLong) {
				_, err = lines.CopyLong(io.Discard)
			}
			if err != nil && !(lines.Number() == want.line && len(line) > 0) {
				return nil, fmt.Errorf("read %s again: %w", in.File, err)
			}
		}
		if got, err := event.read(line); err != nil || got.key != want.key || got.sum != want.sum {
			return nil, fmt.Errorf("%s was changed while it was compared", in.Place(want.line))
		}
		span, err := texts.put(line)
		if err != nil {
			return nil, err
		}
		spans = append(spans, span)
	}
	return spans, nil
}

func (c *comparison) difference(p pair, text func(record) ([]byte, error)) (Difference, error) {
	var d Difference
	var a, b []byte
	var err error
	if p.hasA {
		d.Kind, d.A = Missing, c.place(&p.a)
		if a, err = text(p.a); err != nil {
			return d, err
		}
	}
	if p.hasB {
		d.Kind, d.B = Extra, c.place(&p.b)
		if b, err = text(p.b); err != nil {
			return d, err
		}
	}
	if a != nil {
		c.identify(&d, a)
	} else {
		c.identify(&d, b)
	}
	if p.hasA && p.hasB {
		d.Kind = Changed
		c.changes(&d, a, b)
	}
	return d, nil
}

// identify sets the value of the key.
func (c *comparison) identify(d *Difference, line []byte) {
	r := eventReader{}
	r.fields, _ = jsonscan.Fields(nil, line) // accepted when it was fetched
	f := r.field(line, c.o.Key)
	switch {
	case f == nil:
	case c.o.Key == defaultKey && f.Kind == jsonscan.String:
		d.InsertID = string(jsonscan.AppendUnquoted(nil, f.Value(line)))
	case c.o.Key == defaultKey:
		d.InsertID = string(f.Value(line))
	case c.o.ShowValues:
		d.Key = json.RawMessage(jsonscan.AppendCompact(nil, f.Value(line)))
	}
}
