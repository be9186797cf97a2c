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
	"export2batch/internal/source"
)

// readIdentities fills the identity map: from identity files where there are
// some, from the events otherwise.
func (r *run) readIdentities(ctx context.Context) error {
	r.ids = &identityMap{}
	j := &joiner{ids: r.ids, by: r.o.Rules.By, limit: r.idLimit()}
	files := make([]idFile, 0, len(r.in.identities)+len(r.in.scan))
	for i := range r.in.identities {
		files = append(files, idFile{in: &r.in.identities[i], read: (*scanner).identity, whole: true})
	}
	for _, i := range r.in.scan {
		files = append(files, idFile{in: &r.in.events[i], read: (*scanner).ids, lines: &r.in.lines[i]})
	}
	var next atomic.Int64
	group, gctx := errgroup.WithContext(ctx)
	for range r.budget.jobs {
		group.Go(func() error {
			c := &idReader{joiner: j, ctx: gctx, recent: make([]triple, 1<<12)}
			for i := int(next.Add(1)); i <= len(files); i = int(next.Add(1)) {
				if err := c.read(files[i-1], r.o.Meter.Add); err != nil {
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

// idFile is a file to read ids from, and how. One that is meant for it must be
// whole.
type idFile struct {
	in    *source.Input
	read  func(*scanner, []byte) (triple, bool)
	whole bool
	lines *knownLines // of an event file: what is found out about it
}

// idReader takes the ids of files to a joiner.
type idReader struct {
	joiner *joiner
	ctx    context.Context
	scan   scanner
	batch  []triple
	recent []triple // most pairs repeat soon
}

func (c *idReader) read(f idFile, progress func(events, work int64)) error {
	open := f.in.Lines
	if !f.whole {
		open = f.in.LinesOnly // the spilling pass reckons the checksum
	}
	lines, err := open()
	if err != nil {
		return err
	}
	defer lines.Close()
	c.scan.vouched, c.scan.escaped = !f.whole && f.lines.vouched, false
	known := knownLines{read: true}
	var reported int64
	flush := func() error {
		progress(0, lines.Stored()-reported)
		reported = lines.Stored()
		c.joiner.add(c.batch)
		c.batch = c.batch[:0]
		return c.ctx.Err()
	}
	for n := 1; ; n++ {
		if n&0xffff == 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		line, err := lines.Next()
		switch {
		case err == nil:
		case err == io.EOF:
			if err := flush(); err != nil {
				return err
			}
			if f.whole {
				// What it lacks would divide an identity, and nothing else would
				// show it.
				_, _, err := verifySum(f.in, lines)
				return err
			}
			if known.read && !c.scan.escaped && !f.lines.vouched {
				*f.lines = known
			}
			return nil
		case errors.As(err, new(*source.DamageError)):
			if f.whole {
				return fmt.Errorf("%s: %w: convert anew, or give the events/ folder alone to find the identities in the events", f.in.Place(lines.Number()), err)
			}
			return flush() // the spilling pass reports it
		case errors.Is(err, source.ErrTooLong):
			if _, err := lines.CopyLong(io.Discard); err != nil && !errors.As(err, new(*source.DamageError)) {
				return err
			}
			known.read = false
			continue
		default:
			return fmt.Errorf("%s: %w", f.in.Place(lines.Number()), err)
		}
		known.chain.Add(xxhash.Sum64(line))
		t, ok := f.read(&c.scan, line)
		if !ok {
			known.read = known.read && source.Blank(line)
			if f.whole {
				return fmt.Errorf("%s: not a line of an identity file: convert anew, or give the events/ folder alone", f.in.Place(lines.Number()))
			}
			continue
		}
		seen := &c.recent[(t.user^t.device>>7^t.amplitude>>3)>>5%idKey(len(c.recent))]
		if *seen == t {
			continue
		}
		*seen = t
		if c.batch = append(c.batch, t); len(c.batch) == 4096 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
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
