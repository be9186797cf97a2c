package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
	"export2batch/internal/rejected"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// record is what is kept of a finished input.
type record struct {
	Input          stage.Input       `json:"input"`
	Events         eventfile.Info    `json:"events"`
	Identities     eventfile.Info    `json:"identities"`
	Rejected       []string          `json:"rejected,omitempty"` // files with what was set aside
	Summary        Summary           `json:"summary"`
	HasInsertIDKey bool              `json:"has_insert_id_key"`
	Findings       []finding.Finding `json:"findings,omitempty"` // about the input as a whole
}

const flushAt = 256 << 10 // bytes of output held back

// takeBuffer returns memory for output, which giveBuffer takes back.
func (r *run) takeBuffer() []byte {
	if b, ok := r.buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 2*flushAt)
}

func (r *run) giveBuffer(b []byte) {
	if cap(b) == 2*flushAt { // not one that grew for long lines
		r.buffers.Put(&b)
	}
}

// conversion is one input on its way.
type conversion struct {
	run    *run
	in     *source.Input
	rec    *record
	mapper *mapper
	merged bool  // a file of Options.MergedIDs
	pairs  int64 // lines of identities, once there will be no more

	events     *eventfile.Writer
	identities *eventfile.Writer
	rejected   *rejected.File
	out        []byte
	cut        []byte // a line that was cut off
}

// convertInput converts one input into its files, which have no names before
// commit. When it fails, nothing is left of them.
func (r *run) convertInput(ctx context.Context, in *source.Input, rec *record, merged bool) (c *conversion, err error) {
	c = &conversion{run: r, in: in, rec: rec, mapper: newMapper(r.program), merged: merged, rejected: rejected.For(r.folder, in), out: r.takeBuffer()}
	defer func() {
		if err != nil {
			c.abort()
			c = nil
		}
	}()
	suffix := r.o.Compress.Suffix()
	name := "events/" + in.Name + suffix
	if c.events, err = eventfile.Create(r.folder.FS, r.folder.File(name), name, r.o.Compress); err != nil {
		return c, err
	}
	name = "identities/" + in.Name + suffix
	if c.identities, err = eventfile.Create(r.folder.FS, r.folder.File(name), name, r.o.Compress); err != nil {
		return c, err
	}
	lines, err := in.Lines()
	if err != nil {
		return c, err
	}
	defer lines.Close() // it was only read
	if err := c.read(ctx, lines); err != nil {
		return c, err
	}
	size, sum, err := lines.Sum()
	if err != nil {
		return c, err
	}
	if in.Size >= 0 && in.Kind != source.Unknown && size < in.Size && len(rec.Findings) == 0 {
		return c, fmt.Errorf("only %d of %d bytes could be read", size, in.Size)
	}
	rec.Input = stage.Input{Name: in.File, Member: in.Member, Size: size, SHA256: sum}
	return c, c.end()
}

// end says that nothing more is written, and notes what there was.
func (c *conversion) end() error {
	c.rec.HasInsertIDKey = c.mapper.hasIDKey || c.in.InsertID == source.Present
	c.rec.Summary.InsertIDs, c.rec.Summary.Lost = c.mapper.insertIDs, c.mapper.lostCounts()
	c.rec.Summary.GroupIdentifies = c.mapper.made
	if r := c.mapper.ruled; r != nil {
		c.rec.Summary.MappedIDs, c.rec.Summary.UnmappedIDs = r.mapped, r.unmapped
	}
	c.pairs = c.mapper.pairs.n
	c.run.giveBuffer(c.out)
	c.mapper, c.out, c.cut = nil, nil, nil // the memory is wanted for the next input
	if err := c.identities.End(); err != nil {
		return err
	}
	return c.events.End()
}

// commit gives the files their names. The events come last: with them the
// input is done.
func (c *conversion) commit() (err error) {
	defer c.abort()
	if _, err := c.rejected.Commit(); err != nil {
		return err
	}
	c.rec.Rejected = c.rejected.Names()
	if c.rec.Identities, err = c.identities.Commit(); err != nil {
		return err
	}
	c.rec.Identities.Events = c.pairs
	c.rec.Events, err = c.events.Commit()
	return err
}

// abort removes what has no name yet.
func (c *conversion) abort() {
	if c.events != nil {
		c.events.Abort()
	}
	if c.identities != nil {
		c.identities.Abort()
	}
	c.rejected.Abort()
}

// read takes every line to where it belongs.
func (c *conversion) read(ctx context.Context, lines *source.Lines) error {
	var reported int64
	long := false // lines take their time
	for n := 0; ; n++ {
		if n&1023 == 0 || long {
			if err := ctx.Err(); err != nil {
				return err
			}
			c.run.o.Meter.Add(0, lines.Stored()-reported)
			reported = lines.Stored()
		}
		line, err := lines.Next()
		long = len(line) > flushAt
		var damage *source.DamageError
		var bad *source.RowError
		switch {
		case err == nil:
			err = c.line(line, lines.Number())
		case errors.As(err, &bad):
			err = c.badRow(line, lines.Number(), bad)
		case errors.Is(err, source.ErrTooLong):
			err = c.longLine(lines)
		case errors.As(err, &damage):
			// What the line points to is gone when reading goes on.
			c.cut = append(c.cut[:0], line...)
			at, goesOn := lines.Resume()
			err = c.damaged(c.cut, lines.Number(), damage, at)
			if err == nil && !goesOn {
				return c.flush()
			}
		case err == io.EOF:
			return c.flush()
		}
		if err != nil {
			return err
		}
	}
}

func (c *conversion) line(line []byte, number int64) error {
	if source.Blank(line) {
		return nil
	}
	if c.merged {
		return c.mergedLine(line, number)
	}
	if len(line) > flushAt { // neither the output before it nor memory it outgrew shall lie beside it
		if err := c.flush(); err != nil {
			return err
		}
		if len(line) > source.LongLine {
			runtime.GC() // or the memory of the last such line would wait until twice as much is in use
		}
		c.out = slices.Grow(c.out, len(line)+flushAt)
	}
	out, v := c.mapper.event(c.out, line)
	c.out = out
	s := &c.rec.Summary
	switch v.kind {
	case written:
		s.Read++
		s.Written++
		for range v.before + 1 {
			c.events.Count(v.time)
		}
	case dropped:
		s.Read++
		s.Drop(v.rule)
	case mergedIDs:
		s.MergedIDLines++
		s.MergedIDFiles = 1
	case refused:
		s.Read++
		s.Reject(v.rule)
		if err := c.setAside(number, v.rule, v.reason, line); err != nil {
			return err
		}
	}
	c.run.o.Meter.Add(1, 0)
	if len(c.out) >= flushAt || len(c.mapper.pairs.lines) >= flushAt {
		return c.flush()
	}
	return nil
}

// mergedLine takes a line of a file that was given as merged-ID file: whatever
// else stands there is set aside.
func (c *conversion) mergedLine(line []byte, number int64) error {
	s := &c.rec.Summary
	if c.mapper.mergedLine(line) {
		s.MergedIDLines++
		s.MergedIDFiles = 1
		if len(c.mapper.pairs.lines) >= flushAt {
			return c.flush()
		}
		return nil
	}
	s.Read++
	s.Reject(ruleNotMerged)
	return c.setAside(number, ruleNotMerged, "not a line of a merged-ID file, as --merged-ids says", line)
}

// badRow sets a row of a Parquet file aside that is no line of an export.
func (c *conversion) badRow(line []byte, number int64, bad *source.RowError) error {
	c.rec.Summary.Read++
	c.rec.Summary.Reject(bad.Rule)
	c.run.o.Meter.Add(1, 0)
	return c.setAside(number, bad.Rule, bad.Reason, line)
}

// setAside keeps a line that cannot become an event, with the reason.
func (c *conversion) setAside(number int64, rule, reason string, line []byte) error {
	place := c.in.Place(number)
	c.report(place, rule, reason)
	return c.rejected.Line(place, rule, reason, line)
}

func (c *conversion) report(place finding.Place, rule, reason string) {
	c.run.report(finding.Finding{Place: place, Rule: rule, Severity: finding.Error, Message: reason})
}

// longLine streams a line over source.MaxLine into a file of its own.
func (c *conversion) longLine(lines *source.Lines) error {
	size, kept, err := rejected.CopyLong(c.run.folder, lines, c.in)
	if err != nil {
		return err
	}
	c.rec.Summary.Read++
	c.rec.Summary.Reject(ruleTooLong)
	place := c.in.Place(lines.Number())
	reason := fmt.Sprintf("the line has %d bytes, more than %d, and is kept in %s", size, source.MaxLine, kept)
	c.report(place, ruleTooLong, reason)
	return c.rejected.Raw(place, ruleTooLong, reason, kept)
}

// damaged notes that an input cannot be read further, or only from a later
// place in it, resumed bytes behind its start. A last line that was cut off is
// set aside, unless it happens to be whole.
func (c *conversion) damaged(rest []byte, number int64, damage *source.DamageError, resumed int64) error {
	message := damage.Reason + "; what could be read before is converted"
	if resumed > 0 {
		message += fmt.Sprintf(", and what follows from byte %d of the compressed data", resumed)
	}
	f := finding.Finding{Place: c.in.Place(number), Rule: ruleDamaged, Severity: finding.Error, Message: message}
	c.rec.Findings = append(c.rec.Findings, f)
	c.run.report(f)
	if source.Blank(rest) {
		return nil
	}
	if _, err := jsonscan.Check(rest); err != nil {
		c.rec.Summary.Read++
		c.rec.Summary.Reject(ruleDamaged)
		return c.setAside(number, ruleDamaged, "the line was cut off: "+damage.Reason, rest)
	}
	return c.line(rest, number)
}

func (c *conversion) flush() error {
	if err := c.events.Write(c.out); err != nil {
		return err
	}
	c.out = c.out[:0]
	if cap(c.out) > 2*flushAt {
		c.out = c.run.takeBuffer()
	}
	err := c.identities.Write(c.mapper.pairs.lines)
	c.mapper.pairs.lines = c.mapper.pairs.lines[:0]
	return err
}
