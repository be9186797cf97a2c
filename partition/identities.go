package partition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"export2batch/internal/jsonscan"
	"export2batch/internal/source"
)

// triple is ids that occur together; 0 where one is absent.
type triple struct{ user, device, amplitude idKey }

// readIdentities fills the identity map: from identity files where there are
// some, from the events otherwise.
func (r *run) readIdentities(ctx context.Context) error {
	r.ids = newIdentityMap()
	c := &joiner{ids: r.ids, by: r.o.Rules.By, limit: r.o.Memory / 2, total: stored(r.in.identities) + stored(r.in.scan)}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(r.o.Jobs)
	for _, list := range []struct {
		inputs []source.Input
		read   func(*scanner, []byte) (triple, bool)
	}{{r.in.identities, (*scanner).identity}, {r.in.scan, (*scanner).ids}} {
		for i := range list.inputs {
			group.Go(func() error { return r.readPairs(gctx, &list.inputs[i], list.read, c) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	c.joinDevices(r.o.Rules.SharedDeviceUsers)
	r.ids.freeze()
	return ctx.Err()
}

func (r *run) readPairs(ctx context.Context, in *source.Input, read func(*scanner, []byte) (triple, bool), c *joiner) error {
	lines, err := in.Lines()
	if err != nil {
		return err
	}
	defer lines.Close()
	var s scanner
	var batch []triple
	recent := make([]triple, 1<<12) // most pairs repeat soon
	var reported int64
	flush := func() error {
		read := lines.Stored() - reported
		reported += read
		r.o.Meter.Add(0, read)
		full := batch
		batch = batch[:0]
		return cmp.Or(ctx.Err(), c.add(full, read))
	}
	for {
		line, err := lines.Next()
		switch {
		case err == nil:
		case err == io.EOF || errors.As(err, new(*source.DamageError)): // the spilling pass reports it
			return flush()
		case errors.Is(err, source.ErrTooLong):
			if _, err := lines.CopyLong(io.Discard); err != nil && !errors.As(err, new(*source.DamageError)) {
				return err
			}
			continue
		default:
			return fmt.Errorf("%s: %w", in.Place(lines.Number()), err)
		}
		t, ok := read(&s, line)
		if !ok {
			continue
		}
		if seen := &recent[(t.user^t.device>>7^t.amplitude>>3)>>5%idKey(len(recent))]; *seen == t {
			continue
		} else {
			*seen = t
		}
		if batch = append(batch, t); len(batch) == 4096 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// identity reads a line of an identity file.
func (s *scanner) identity(line []byte) (t triple, ok bool) {
	var err error
	if s.fields, err = jsonscan.Fields(s.fields[:0], line); err != nil {
		return t, false
	}
	for i := range s.fields {
		f := &s.fields[i]
		switch string(f.Key(line)) {
		case "user_id":
			t.user, _ = s.id(line, f, userKind)
		case "device_id":
			t.device, _ = s.id(line, f, deviceKind)
		case "amplitude_id":
			if v := f.Value(line); f.Kind == jsonscan.Number && string(v) != "0" {
				t.amplitude = keyOf(otherKind, v)
			}
		}
	}
	return t, true
}

// ids reads the ids of an event.
func (s *scanner) ids(line []byte) (t triple, ok bool) {
	e, f := s.event(line)
	return triple{user: e.user, device: e.device}, f == nil
}

// joiner collects who occurs with whom. A user and an Amplitude ID are joined
// at once; what a device is joined to is known when all its users are.
type joiner struct {
	ids   *identityMap
	by    string
	limit int64 // bytes for the map and the pairs
	total int64 // stored bytes of all inputs

	mu    sync.Mutex
	pairs []uint64 // number of a device <<32 | number of what it occurs with
	clean int      // the first of pairs are sorted and distinct
	read  int64    // of total
}

// ErrMemory says that the identities do not fit in the memory allowed.
var ErrMemory = errors.New("the identities do not fit in --memory")

func (c *joiner) add(batch []triple, read int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read += read
	for _, t := range batch {
		if c.by != ByIdentity {
			c.addOnly(t)
			continue
		}
		var user, amplitude uint32
		if t.user != 0 {
			user = c.ids.add(t.user)
		}
		if t.amplitude != 0 {
			amplitude = c.ids.add(t.amplitude)
		}
		if t.user != 0 && t.amplitude != 0 {
			c.ids.join(user, amplitude)
		}
		if t.device == 0 {
			continue
		}
		device := uint64(c.ids.add(t.device)) << 32
		if t.user != 0 {
			c.pairs = append(c.pairs, device|uint64(user))
		}
		if t.amplitude != 0 {
			c.pairs = append(c.pairs, device|uint64(amplitude))
		}
	}
	if len(c.pairs) > 2*c.clean+1<<16 {
		slices.Sort(c.pairs)
		c.pairs = slices.Compact(c.pairs)
		c.clean = len(c.pairs)
	}
	if need := c.ids.bytes() + 8*int64(cap(c.pairs)); need > c.limit {
		all := float64(need) * float64(max(c.total, 1)) / float64(max(c.read, 1))
		return fmt.Errorf("%w: about %.0f MiB are needed for all of them", ErrMemory, 2*all/(1<<20))
	}
	return nil
}

// addOnly takes ids that are to be joined to nothing.
func (c *joiner) addOnly(t triple) {
	if t.user != 0 {
		c.ids.add(t.user)
	}
	if t.device != 0 {
		c.ids.add(t.device)
	}
}

// joinDevices joins each device to what it occurs with, unless it is shared.
func (c *joiner) joinDevices(sharedUsers int) {
	slices.Sort(c.pairs)
	c.pairs = slices.Compact(c.pairs)
	for len(c.pairs) > 0 {
		device := c.pairs[0] >> 32
		n, _ := slices.BinarySearchFunc(c.pairs, device+1, func(p, d uint64) int { return cmp.Compare(p>>32, d) })
		users := 0
		for _, p := range c.pairs[:n] {
			if c.ids.keys.at(int(uint32(p))).kind() == userKind {
				users++
			}
		}
		if users > sharedUsers {
			*c.ids.shared.at(int(device)) = true
			c.ids.sharedDevices++
		} else {
			for _, p := range c.pairs[:n] {
				c.ids.join(uint32(device), uint32(p))
			}
			if users > 0 {
				c.ids.joined++
			}
		}
		c.pairs = c.pairs[n:]
	}
	c.pairs = nil
}
