package partition

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"export2batch/internal/jsonscan"
	"export2batch/internal/progress"
	"export2batch/internal/source"
)

// readIdentities fills the identity map: from identity files where there are
// some, from the events otherwise.
func (r *run) readIdentities(ctx context.Context) error {
	r.ids = &identityMap{}
	j := &joiner{ids: r.ids, by: r.o.Rules.By, limit: r.idLimit()}
	files := len(r.in.identities)
	var next atomic.Int64
	group, gctx := errgroup.WithContext(ctx)
	for range r.budget.jobs {
		group.Go(func() error {
			c := &idReader{joiner: j, ctx: gctx, meter: r.o.Meter, recent: make([]triple, 1<<12)}
			for i := int(next.Add(1)) - 1; i < files+len(r.in.scan); i = int(next.Add(1)) - 1 {
				var err error
				if i < files {
					err = c.identities(&r.in.identities[i])
				} else {
					event := r.in.scan[i-files]
					err = c.events(&r.in.events[event], &r.in.lines[event])
				}
				if err != nil {
					return err
				}
				r.collect()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := j.err(r.budget.jobs, r.o.Rules.Partitions); err != nil {
		return err
	}
	j.joinDevices(func(device uint32, users int) bool {
		if users <= r.o.Rules.SharedDeviceUsers {
			return false
		}
		r.shared.note(device, users)
		return true
	})
	r.ids.freeze()
	return ctx.Err()
}

func (r *run) idLimit() int64 {
	if l := r.o.limits.ids; l > 0 {
		return l
	}
	return r.budget.ids()
}

// idReader takes the ids of files to a joiner.
type idReader struct {
	joiner *joiner
	ctx    context.Context
	meter  *progress.Meter
	scan   scanner
	batch  []triple
	recent []triple // most pairs repeat soon

	lines    *source.Lines // of the file being read
	reported int64         // stored bytes of it that the meter knows of
}

// flushLines is after how many lines next does so.
const flushLines = 1 << 16

// identities reads an identity file. It must be whole: what it lacks would
// divide an identity, and nothing else would show it.
func (c *idReader) identities(in *source.Input) (err error) {
	if c.lines, err = in.Lines(); err != nil {
		return err
	}
	defer c.lines.Close()
	c.scan.vouched, c.reported = false, 0
	for {
		line, err := c.next()
		switch {
		case err == io.EOF:
			if _, _, err := verifySum(in, c.lines); err != nil {
				return err
			}
			return c.flush()
		case errors.As(err, new(*source.DamageError)):
			return fmt.Errorf("%s: %w: convert anew, or give the events/ folder alone to find the identities in the events", in.Place(c.lines.Number()), err)
		case err != nil && !errors.Is(err, source.ErrTooLong):
			return fmt.Errorf("%s: %w", in.Place(c.lines.Number()), err)
		}
		t, ok := c.scan.identity(line) // a line that is too long is empty here
		if !ok {
			return fmt.Errorf("%s: not a line of an identity file: convert anew, or give the events/ folder alone", in.Place(c.lines.Number()))
		}
		if err := c.take(t); err != nil {
			return err
		}
	}
}

// events reads the ids of an event file, and keeps in known what it finds out
// about its lines. What is wrong with them, and the checksum, is left to the
// spilling pass.
func (c *idReader) events(in *source.Input, known *knownLines) (err error) {
	if c.lines, err = in.LinesOnly(); err != nil {
		return err
	}
	defer c.lines.Close()
	c.scan.vouched, c.scan.escaped, c.reported = known.vouched, false, 0
	found := knownLines{read: true, vouched: true}
	for {
		line, err := c.next()
		switch {
		case err == io.EOF:
			found.vouched = found.vouched && !c.scan.escaped
			if found.read && !known.vouched {
				*known = found
			}
			return c.flush()
		case errors.As(err, new(*source.DamageError)):
			return c.flush()
		case errors.Is(err, source.ErrTooLong):
			if _, err := c.lines.CopyLong(io.Discard); err != nil && !errors.As(err, new(*source.DamageError)) {
				return err
			}
			found.read = false
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", in.Place(c.lines.Number()), err)
		}
		found.chain.Add(xxhash.Sum64(line))
		t, ok := c.scan.ids(line)
		if !ok {
			found.vouched = found.vouched && source.Blank(line)
			continue
		}
		if err := c.take(t); err != nil {
			return err
		}
	}
}

// next reads a line. Now and then it hands on what was taken, and looks for Ctrl-C.
func (c *idReader) next() (line []byte, err error) {
	if c.lines.Number()%flushLines == 0 {
		if err := c.flush(); err != nil {
			return nil, err
		}
	}
	return c.lines.Next()
}

// take adds what was read of a line.
func (c *idReader) take(t triple) error {
	seen := &c.recent[(t.user^t.device>>7^t.amplitude>>3)>>5%idKey(len(c.recent))]
	if *seen == t {
		return nil
	}
	*seen = t
	if c.batch = append(c.batch, t); len(c.batch) == 4096 {
		return c.flush()
	}
	return nil
}

func (c *idReader) flush() error {
	c.meter.Add(0, c.lines.Stored()-c.reported)
	c.reported = c.lines.Stored()
	c.joiner.add(c.batch)
	c.batch = c.batch[:0]
	return c.ctx.Err()
}

// identity reads a line of an identity file.
func (s *scanner) identity(line []byte) (t triple, ok bool) {
	fields, err := s.json.Fields(line)
	if err != nil {
		return t, false
	}
	for i := range fields {
		f := &fields[i]
		s.scratch = s.scratch[:0]
		switch string(f.Key(line)) {
		case "user_id":
			t.user = s.key(line, f, userKind)
		case "device_id":
			t.device = s.key(line, f, deviceKind)
		case "merged_amplitude_id": // beside an amplitude_id only: joined to it as a user is
			t.user = s.key(line, f, otherKind)
			if f.Kind == jsonscan.Number {
				t.user = keyOf(otherKind, f.Value(line))
			}
		case "amplitude_id":
			if v := f.Value(line); f.Kind == jsonscan.Number && string(v) != "0" {
				t.amplitude = keyOf(otherKind, v)
			} else if f.Kind == jsonscan.String && string(v) != `"0"` {
				t.amplitude = s.key(line, f, otherKind)
			}
		}
	}
	return t, true
}

func (s *scanner) key(line []byte, f *jsonscan.Field, kind idKey) idKey {
	id, ok := s.text(line, f)
	if !ok || id == nil {
		return 0
	}
	return keyOf(kind, id)
}

// ids reads the ids of an event.
func (s *scanner) ids(line []byte) (t triple, ok bool) {
	e, f := s.event(line)
	return triple{user: e.user, device: e.device}, f == nil
}
