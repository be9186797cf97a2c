package validate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// A block ends with the line that reaches one of these.
const (
	blockBytes = 256 << 10
	blockLines = 1024
)

// block is some lines of an input that follow each other.
type block struct {
	input  int
	number int64 // among the results of its input
	first  int64 // number of its first line
	text   []byte
	ends   []int // of the lines in text
}

// reader cuts an input into blocks.
type reader struct {
	p     *pipeline
	in    *source.Input
	input int

	lines    *source.Lines
	number   int64 // of the next result
	block    *block
	reported int64 // stored bytes the meter knows of
}

// run reads to the end. Its last result has last or err, unless ctx is done.
func (r *reader) run(ctx context.Context) {
	last := &result{}
	sum, err := r.read(ctx)
	if err != nil {
		last.err = err
	} else {
		last.last = &sum
	}
	r.put(last)
}

func (r *reader) read(ctx context.Context) (in stage.Input, err error) {
	if r.lines, err = r.in.Lines(); err != nil {
		return in, err
	}
	defer func() { err = errors.Join(err, r.lines.Close()) }()
	whole, err := r.readLines(ctx)
	if err != nil {
		return in, err
	}
	size, sum, err := r.lines.Sum()
	if err != nil {
		return in, err
	}
	if whole && size < r.in.Size {
		return in, fmt.Errorf("only %d of %d bytes could be read", size, r.in.Size)
	}
	return stage.Input{Name: r.in.File, Member: r.in.Member, Size: size, SHA256: sum}, nil
}

// readLines sends all lines on. Whole tells that there was no damage.
func (r *reader) readLines(ctx context.Context) (whole bool, err error) {
	r.block = r.p.emptyBlock(r.input)
	for {
		line, err := r.lines.Next()
		var damage *source.DamageError
		switch {
		case err == nil:
			err = r.add(ctx, line)
		case errors.Is(err, source.ErrTooLong):
			if err = r.flush(ctx); err == nil {
				err = r.longLine()
			}
		case errors.As(err, &damage):
			return false, r.damaged(ctx, line, damage)
		case err == io.EOF:
			return true, r.flush(ctx)
		}
		if err != nil {
			return false, err
		}
	}
}

func (r *reader) add(ctx context.Context, line []byte) error {
	b := r.block
	if len(b.ends) == 0 {
		b.first = r.lines.Number()
	}
	b.text = append(b.text, line...)
	b.ends = append(b.ends, len(b.text))
	if len(b.text) >= blockBytes || len(b.ends) >= blockLines {
		return r.flush(ctx)
	}
	return nil
}

// flush sends the block on, when there is room for what may come of it.
func (r *reader) flush(ctx context.Context) error {
	r.p.o.Meter.Add(0, r.lines.Stored()-r.reported)
	r.reported = r.lines.Stored()
	if err := r.p.room(ctx, r.input); err != nil {
		return err
	}
	if len(r.block.ends) == 0 {
		return nil
	}
	r.block.number = r.number
	select {
	case r.p.work <- r.block:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.number++
	r.block = r.p.emptyBlock(r.input)
	return nil
}

// put hands in a result of the reader's own.
func (r *reader) put(res *result) {
	res.input, res.number = r.input, r.number
	r.number++
	r.p.put(res)
}

// longLine reports a line over source.MaxLine, and keeps it if events are set
// aside.
func (r *reader) longLine() error {
	place := r.in.Place(r.lines.Number())
	size, kept, err := r.p.aside.copyLong(r.lines, r.in, place.Line)
	if err != nil {
		return err
	}
	message := fmt.Sprintf("the line has %d bytes, more than %d", size, source.MaxLine)
	res := &result{read: 1, invalid: 1, findings: []finding.Finding{{Place: place, Rule: ruleTooLong, Severity: finding.Error, Message: message}}}
	if kept != "" {
		res.kept = kept
		res.aside = finding.AppendRejectedRaw(nil, place, ruleTooLong, message, kept)
	}
	r.put(res)
	return nil
}

// damaged ends an input that cannot be read further. A last line that was cut
// off is invalid, unless it happens to be whole.
func (r *reader) damaged(ctx context.Context, rest []byte, damage *source.DamageError) error {
	if _, err := jsonscan.Check(rest); err == nil {
		if err := r.add(ctx, rest); err != nil {
			return err
		}
		rest = nil
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	whole := r.lines.Number()
	if len(rest) > 0 {
		whole--
	}
	if blank(rest) {
		rest = nil
	}
	message := fmt.Sprintf("%s; the %d lines before it were validated", damage.Reason, whole)
	res := &result{findings: []finding.Finding{{Place: r.in.Place(0), Rule: ruleDamaged, Severity: finding.Error, Message: message}}}
	if rest != nil {
		place := r.in.Place(r.lines.Number())
		res.findings[0].Place = place
		res.read, res.invalid = 1, 1
		if r.p.aside != nil {
			res.aside = finding.AppendRejected(nil, place, ruleDamaged, "the line was cut off: "+damage.Reason, rest)
		}
	}
	r.put(res)
	return nil
}

// checkBlock checks the events of a block; keep tells to keep the invalid ones.
func (c *checker) checkBlock(b *block, in *source.Input, keep bool) *result {
	res := &result{input: b.input, number: b.number}
	start := 0
	for i, end := range b.ends {
		line := b.text[start:end]
		start = end
		if blank(line) {
			continue
		}
		res.read++
		found, err := c.check(line)
		if err != nil {
			res.err = fmt.Errorf("line %d: %w", b.first+int64(i), err)
			return res
		}
		if len(found) == 0 {
			continue
		}
		place := in.Place(b.first + int64(i))
		worst := -1
		for j := range found {
			found[j].Place = place
			if worst < 0 && found[j].Severity == finding.Error {
				worst = j
			}
		}
		res.findings = append(res.findings, found...)
		if worst >= 0 {
			res.invalid++
			if keep {
				f := &found[worst]
				res.aside = finding.AppendRejected(res.aside, place, f.Rule, reason(f), line)
			}
		}
	}
	return res
}

// reason is a finding in the words of a rejected file.
func reason(f *finding.Finding) string {
	if f.Pointer == "" {
		return f.Message
	}
	return f.Pointer + ": " + f.Message
}
