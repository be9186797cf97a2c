package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
	"export2batch/internal/progress"
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
	ends   []int // of the lines in text, each with a newline behind it

	// Of the events of documents:
	spots       []spot // where they stand; nil: line after line
	prefix      string // the pointer to the array they are in
	minIDLength int    // of a request with its own; 0: as the options say
}

// place is where event i stands, and the pointer to it.
func (b *block) place(in *source.Input, i int) (finding.Place, string) {
	if b.spots == nil {
		return in.Place(b.first + int64(i)), ""
	}
	return in.Place(b.spots[i].line), b.pointer(b.spots[i].index)
}

// pointer is that of an element.
func (b *block) pointer(index int64) string {
	if index < 0 {
		return ""
	}
	return b.prefix + "/" + strconv.FormatInt(index, 10)
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
	if r.p.aside != nil || r.in.SHA256 != "" {
		r.lines, err = r.in.Lines()
	} else {
		r.lines, err = r.in.LinesOnly()
	}
	if err != nil {
		return in, err
	}
	defer func() { err = errors.Join(err, r.lines.Close()) }()
	r.block = r.p.emptyBlock(r.input)
	read := r.readLines
	if r.in.SHA256 == "" && r.layout() == inDocuments {
		read = r.readDocuments
	}
	whole, err := read(ctx)
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

// layout looks how events lie in the input, at no more of it than it takes: a
// stream may be slow.
func (r *reader) layout() layout {
	for n := 1; ; {
		head := r.lines.Peek(n)
		more := len(head) >= n
		l, sure := layoutOf(head, more, r.p.settings.batch)
		if sure || !more || len(head) >= headBytes {
			return l
		}
		n = len(head) + 1
	}
}

// readLines sends all lines on. Whole tells that there was no damage.
func (r *reader) readLines(ctx context.Context) (whole bool, err error) {
	for {
		if taken, err := r.take(ctx); taken {
			continue
		} else if err != nil {
			return false, err
		}
		line, err := r.lines.Next()
		var damage *source.DamageError
		var bad *source.RowError
		switch {
		case err == nil:
			err = r.add(ctx, line)
		case errors.As(err, &bad):
			err = r.badRow(ctx, line, bad)
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

// take sends on the whole lines at hand, which are not copied. It leaves the
// lines that it cannot take to Next.
func (r *reader) take(ctx context.Context) (taken bool, err error) {
	b := r.block
	if len(b.ends) > 0 {
		return false, nil
	}
	b.text, b.ends = r.lines.Take(b.text, b.ends, blockLines)
	if len(b.ends) == 0 {
		return false, nil
	}
	b.first = r.lines.Number() - int64(len(b.ends)) + 1
	err = r.flush(ctx)
	return err == nil, err
}

func (r *reader) add(ctx context.Context, line []byte) error {
	if len(r.block.ends) == 0 {
		r.block.first = r.lines.Number()
	}
	return r.addText(ctx, line)
}

func (r *reader) addText(ctx context.Context, text []byte) error {
	b := r.block
	b.text = append(b.text, text...)
	b.ends = append(b.ends, len(b.text))
	b.text = append(b.text, '\n')
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
	prefix, minIDLength := r.block.prefix, r.block.minIDLength // what is sent is not ours any more
	select {
	case r.p.work <- r.block:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.number++
	r.block = r.p.emptyBlock(r.input)
	r.block.prefix, r.block.minIDLength = prefix, minIDLength
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
	size, kept, err := r.p.aside.copyLong(r.lines, r.in)
	if err != nil {
		return err
	}
	r.putLong(place, "", fmt.Sprintf("the line has %d bytes, more than %d", size, source.MaxLine), kept)
	return nil
}

// putLong reports an event that is too long, and kept in a file of that name.
func (r *reader) putLong(place finding.Place, pointer, message, kept string) {
	res := &result{read: 1, invalid: 1, findings: []finding.Finding{{Place: place, Pointer: pointer, Rule: ruleTooLong, Severity: finding.Error, Message: message}}}
	if kept != "" {
		res.kept = []string{kept}
		res.aside = finding.AppendRejectedRaw(nil, place, ruleTooLong, message, kept)
	}
	r.put(res)
}

// badRow reports a row of a Parquet file that has no line.
func (r *reader) badRow(ctx context.Context, line []byte, bad *source.RowError) error {
	place := r.in.Place(r.lines.Number())
	res := &result{read: 1, invalid: 1, findings: []finding.Finding{{Place: place, Rule: bad.Rule, Severity: finding.Error, Message: bad.Reason}}}
	if err := r.p.aside.add(res, r.in, place, bad.Rule, bad.Reason, line); err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
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
	if source.Blank(rest) {
		rest = nil
	}
	message := damage.Reason + "; the " + progress.Amount(whole, "line before it was", "lines before it were") + " validated"
	res := &result{findings: []finding.Finding{{Place: r.in.Place(0), Rule: ruleDamaged, Severity: finding.Error, Message: message}}}
	if rest != nil {
		place := r.in.Place(r.lines.Number())
		res.findings[0].Place = place
		res.read, res.invalid = 1, 1
		if err := r.p.aside.add(res, r.in, place, ruleDamaged, "the line was cut off: "+damage.Reason, rest); err != nil {
			return err
		}
	}
	r.put(res)
	return nil
}

// checkBlock checks the events of a block into res, with what goes aside and,
// repaired, into the copy. It leaves the sightings of the events in c.
func (c *checker) checkBlock(res *result, b *block, in *source.Input, aside *setAside) {
	fix := aside.fixes()
	c.event.scanner.Forget() // what was in the block before is gone
	c.event.scanner.Borrow = true
	c.sightings = c.sightings[:0]
	defer func() {
		res.tally, res.names = c.tally, c.event.shapes.takeFresh()
		c.tally = tally{}
	}()
	if b.minIDLength > 0 {
		if err := c.useMinIDLength(b.minIDLength); err != nil {
			res.err = err
			return
		}
	} else {
		c.settings = c.common
	}
	start := 0
	for i, end := range b.ends {
		line := b.text[start:end]
		start = end + 1
		if source.Blank(line) {
			continue
		}
		e, err := c.checkOne(line, fix)
		if err != nil {
			place, _ := b.place(in, i)
			res.err = fmt.Errorf("line %d: %w", place.Line, err)
			return
		}
		res.read++
		if e.sighting.id != 0 {
			e.sighting.place = b.sightingPlace(i)
			c.sightings = append(c.sightings, e.sighting)
		}
		if e.repaired {
			res.repaired++
		}
		if fix && e.worst == nil {
			res.keepFixed(&e)
		}
		if e.worst == nil && len(e.found) == 0 {
			continue
		}
		place, pointer := b.place(in, i)
		for j := range e.found {
			e.found[j].Place = place
			e.found[j].Pointer = pointer + e.found[j].Pointer
		}
		res.findings = append(res.findings, e.found...)
		if e.worst != nil {
			res.invalid++
			switch {
			case aside.idle():
			case b.spots != nil: // several may stand in one line
				res.aside = finding.AppendRejected(res.aside, place, e.worst.Rule, reason(e.worst), line)
			default:
				if res.err = aside.add(res, in, place, e.worst.Rule, reason(e.worst), line); res.err != nil {
					return
				}
			}
		}
	}
}

// outcome is what came of one event.
type outcome struct {
	line     []byte            // the event, or its repaired form
	found    []finding.Finding // in it, without a place; valid until the next event
	worst    *finding.Finding  // why it is invalid; nil: it is not
	sighting sighting          // without a place
	time     int64             // in ms since the epoch; untimed without one
	repaired bool
}

// rawLine is why a line of an export is invalid. It is told once an input.
var rawLine = finding.Finding{Rule: ruleRawExport, Severity: finding.Error, Message: "a line of a raw export"}

// checkOne checks an event and repairs it where fix says so. What is noted for
// the tally is that of the form it is left in.
func (c *checker) checkOne(line []byte, fix bool) (o outcome, err error) {
	before := c.tally
	found, err := c.check(line)
	if err != nil {
		return o, err
	}
	o = outcome{line: line, found: found, sighting: c.sighting(line)}
	if c.raw {
		o.found, o.worst = nil, &rawLine
		return o, nil
	}
	if fix {
		o.time = c.event.millis()
		if err := c.fix(&o, before); err != nil {
			return o, err
		}
	}
	if i := slices.IndexFunc(o.found, isError); i >= 0 {
		o.worst = &o.found[i]
	}
	return o, nil
}

// keepFixed adds an event to the copy without errors.
func (r *result) keepFixed(o *outcome) {
	r.fixed = jsonscan.AppendCompact(r.fixed, o.line)
	r.fixed = append(r.fixed, '\n')
	r.times = append(r.times, o.time)
}

// millis is the time of the event, or untimed.
func (e *event) millis() int64 {
	if f := e.field(keyTime); f != nil && f.Kind == jsonscan.Number {
		if ms, ok := millis(f.Value(e.text)); ok {
			return ms
		}
	}
	return untimed
}

// indexBits is how many bits of a sighting's place are the index of an element.
const indexBits = 24

// sightingPlace is the line of event i and 1 + its index in its array, if that
// is not too large.
func (b *block) sightingPlace(i int) uint64 {
	if b.spots == nil {
		return uint64(b.first+int64(i)) << indexBits
	}
	at := b.spots[i]
	place := uint64(at.line) << indexBits
	if at.index < 1<<indexBits-1 {
		place |= uint64(at.index + 1)
	}
	return place
}

// reason is a finding in the words of a rejected file.
func reason(f *finding.Finding) string {
	if f.Pointer == "" {
		return f.Message
	}
	return f.Pointer + ": " + f.Message
}
