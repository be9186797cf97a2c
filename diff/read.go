package diff

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
	"export2batch/internal/source"
)

// read makes the records of all events of both sets.
func (c *comparison) read(ctx context.Context, out *sorter) error {
	var readers []*reader
	var total int64
	for side := range c.inputs {
		for i := range c.inputs[side] {
			in := &c.inputs[side][i]
			total += max(0, in.Size)
			readers = append(readers, &reader{c: c, in: in, side: uint8(side), number: int32(i), out: out})
		}
	}
	c.o.Meter.SetTotal(total)
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(c.o.Workers)
	for _, r := range readers {
		work.Go(func() error { return r.run(ctx) })
	}
	if err := work.Wait(); err != nil {
		return err
	}
	for _, r := range readers {
		if r.side == sideA {
			c.sum.A += r.lines
			c.sum.WithoutKey.A += r.withoutKey
		} else {
			c.sum.B += r.lines
			c.sum.WithoutKey.B += r.withoutKey
		}
		if r.damaged {
			c.sum.Damaged++
		}
		for _, f := range r.findings {
			c.o.Findings(f)
		}
	}
	return nil
}

// reader makes the records of one input.
type reader struct {
	c      *comparison
	in     *source.Input
	side   uint8
	number int32
	out    *sorter

	event      eventReader
	batch      []record
	lines      int64 // that are not blank
	withoutKey int64
	damaged    bool
	findings   []finding.Finding
}

// batchSize is how many records a reader gathers before it hands them on.
const batchSize = 512

func (r *reader) run(ctx context.Context) (err error) {
	lines, err := r.in.LinesOnly()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	r.event = eventReader{key: r.c.o.Key, ignore: r.c.ignore}
	var stored, counted int64
	flush := func() error {
		err := r.out.add(r.batch)
		r.batch = r.batch[:0]
		r.c.o.Meter.Add(r.lines-counted, lines.Stored()-stored)
		counted, stored = r.lines, lines.Stored()
		return errors.Join(err, ctx.Err())
	}
	for {
		line, err := lines.Next()
		var damage *source.DamageError
		switch {
		case err == nil:
			r.line(line, lines.Number())
		case err == io.EOF:
			return flush()
		case errors.Is(err, source.ErrTooLong):
			r.lines++
			r.without(lines.Number(), "line-too-long", err.Error())
			if _, err := lines.CopyLong(io.Discard); err != nil && !errors.As(err, &damage) {
				return err
			} // damage is met again by Next
		case errors.As(err, &damage):
			if len(line) > 0 {
				r.line(line, lines.Number())
			}
			r.damaged = true
			r.find(0, "damaged-input", damage.Reason)
			return flush()
		default:
			return fmt.Errorf("read %s: %w", r.in.File, err)
		}
		if len(r.batch) >= batchSize || lines.Number()%1024 == 0 { // lines without a key fill no batch
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

func (r *reader) line(line []byte, number int64) {
	if source.Blank(line) {
		return
	}
	r.lines++
	e, err := r.event.read(line)
	var syntax *jsonscan.SyntaxError
	switch {
	case errors.As(err, &syntax):
		r.without(number, "invalid-json", syntax.Error())
	case err != nil:
		r.without(number, "no-key", err.Error())
	default:
		e.line, e.input, e.side = number, r.number, r.side
		r.batch = append(r.batch, e)
	}
}

func (r *reader) without(line int64, rule, message string) {
	r.withoutKey++
	r.find(line, rule, message)
}

func (r *reader) find(line int64, rule, message string) {
	// Damage comes last and is never the one that is left out.
	if len(r.findings) >= maxFindings && line > 0 {
		return
	}
	r.findings = append(r.findings, finding.Finding{Place: r.in.Place(line), Rule: rule, Severity: finding.Error, Message: message})
}
