package partition

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/progress"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// CheckOptions of a check.
type CheckOptions struct {
	Dir    string // a finished folder of Run
	Memory int64  // as in Options
	Jobs   int

	Meter *progress.Meter // may be nil
	Sink  finding.Sink    // gets what is wrong; may be nil
}

// CheckSummary is the result of a check.
type CheckSummary struct {
	Files      int64 `json:"files"`
	Events     int64 `json:"events"`
	Identities int64 `json:"identities"`
	Findings   int64 `json:"findings"`
	// IdentityFiles is how many files of Amplitude IDs were read again. Missing is
	// how many of those that Run had read are not there any more, or changed:
	// then none is used, and identities that only Amplitude IDs join are not
	// checked.
	IdentityFiles int64 `json:"identity_files,omitempty"`
	Missing       int64 `json:"missing_identity_files,omitempty"`
}

// Check verifies a finished folder of Run from the files themselves: that each
// is the one the manifest describes, that all events together are the ones the
// manifest's hashes account for, that each partition is in order, and that no
// identity is in two. Of what Run read it uses the identity files, where they
// are still there.
func Check(ctx context.Context, o CheckOptions) (s CheckSummary, err error) {
	setDefault(&o.Memory, DefaultMemory)
	setDefault(&o.Jobs, 1)
	if o.Sink == nil {
		o.Sink = func(finding.Finding) {}
	}
	m, err := stage.Load(o.Dir)
	if err != nil {
		return s, err
	}
	if m.Stage != StageName {
		return s, fmt.Errorf("%s is the result of %s, not of partition", o.Dir, m.Stage)
	}
	c := &checker{o: o, budget: newBudget(o.Memory, o.Jobs, 1), sink: lockedSink(o.Sink)}
	for _, part := range []struct {
		data json.RawMessage
		into any
	}{{m.Options, &c.rules}, {m.Counts, &c.counts}} {
		if err := json.Unmarshal(part.data, part.into); err != nil {
			return s, fmt.Errorf("%s: manifest.json: %w", o.Dir, err)
		}
	}
	if err := c.open(m); err != nil {
		return s, err
	}
	if err := c.openIdentities(m); err != nil {
		return s, err
	}
	if err := c.readAll(ctx); err != nil {
		return s, err
	}
	if err := c.identities(ctx); err != nil {
		return s, err
	}
	c.account()
	c.s.Findings = c.findings.Load()
	return c.s, nil
}

// checker is a check on its way.
type checker struct {
	o      CheckOptions
	budget budget
	rules  Rules
	counts Summary
	s      CheckSummary

	sink     finding.Sink
	findings atomic.Int64

	files  []eventfile.Info
	inputs []source.Input // of files that are there
	joins  []source.Input // identity files
	listed map[idKey]bool // devices that join nobody
	ids    *identityMap
	hash   Hash
}

func (c *checker) find(p finding.Place, rule, message string) {
	c.findings.Add(1)
	c.sink(finding.Finding{Place: p, Rule: rule, Severity: finding.Error, Message: message})
}

// open finds the files of the manifest, and others.
func (c *checker) open(m *stage.Manifest) error {
	known := map[string]bool{}
	for _, f := range m.Files {
		path := filepath.Join(c.o.Dir, filepath.FromSlash(f.Name))
		known[path] = true
		c.s.Files++
		in, err := openOne(path)
		if errors.Is(err, fs.ErrNotExist) {
			c.find(finding.Place{File: path}, "missing-file", "the manifest names this file, which is not there")
			continue
		}
		if err != nil {
			return err
		}
		c.files, c.inputs = append(c.files, f), append(c.inputs, in)
	}
	err := filepath.WalkDir(filepath.Join(c.o.Dir, "partitions"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !known[path] {
			c.find(finding.Place{File: path}, "unknown-file", "the manifest does not name this file")
		}
		return err
	})
	if err != nil && (len(m.Files) > 0 || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	for _, f := range m.Extra {
		if err := c.readShared(filepath.Join(c.o.Dir, filepath.FromSlash(f.Name)), f); err != nil {
			return err
		}
	}
	return nil
}

// openIdentities finds the identity files that Run has read.
func (c *checker) openIdentities(m *stage.Manifest) error {
	had := c.counts.IdentityFiles
	if had == 0 || c.rules.By != ByIdentity {
		return nil
	}
	c.joins = origins(m.Inputs)
	for i := range c.joins {
		lines, err := c.joins[i].Lines()
		if err != nil {
			return err
		}
		_, sum, err := lines.Sum()
		lines.Close()
		if err != nil {
			return err
		}
		if sum == c.joins[i].SHA256 {
			c.s.IdentityFiles++
		}
	}
	if c.s.IdentityFiles != had || int(had) != len(c.joins) {
		c.s.IdentityFiles, c.s.Missing, c.joins = 0, max(1, had-c.s.IdentityFiles), nil
	}
	return nil
}

func openOne(path string) (source.Input, error) {
	if _, err := os.Stat(path); err != nil {
		return source.Input{}, err
	}
	set, err := source.Expand([]string{path}, source.Options{})
	if err != nil {
		return source.Input{}, err
	}
	if len(set.Inputs) != 1 {
		return source.Input{}, fmt.Errorf("%s is not an event file", path)
	}
	return set.Inputs[0], nil
}

// readShared reads the list of shared devices.
func (c *checker) readShared(path string, f eventfile.Info) error {
	c.listed = map[idKey]bool{}
	in, err := openOne(path)
	if err != nil {
		return err
	}
	lines, err := in.Lines()
	if err != nil {
		return err
	}
	defer lines.Close()
	var s scanner
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return c.sum(&in, lines, f)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", in.Place(lines.Number()), err)
		}
		if t, ok := s.identity(line); ok && t.device != 0 {
			c.listed[t.device] = true
		}
	}
}

func (c *checker) sum(in *source.Input, lines *source.Lines, f eventfile.Info) error {
	size, sha, err := lines.Sum()
	if err != nil {
		return err
	}
	if size != f.Bytes || sha != f.SHA256 {
		c.find(finding.Place{File: in.File}, "checksum", "the file is not the one the manifest describes: size or checksum differ")
	}
	return nil
}

// each calls work for every input, Jobs at a time.
func (c *checker) each(ctx context.Context, work func(ctx context.Context, i int) error) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(c.budget.jobs)
	for i := range c.inputs {
		group.Go(func() error { return work(gctx, i) })
	}
	return group.Wait()
}

// events reads the events of input i; those that are none are findings.
func (c *checker) events(ctx context.Context, i int, report bool, f func(line int64, e *event)) error {
	in := &c.inputs[i]
	lines, err := in.Lines()
	if err != nil {
		return err
	}
	defer lines.Close()
	var s scanner
	var stored int64
	for n := 1; ; n++ {
		if n&1023 == 0 {
			c.o.Meter.Add(0, lines.Stored()-stored)
			stored = lines.Stored()
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		line, err := lines.Next()
		damaged := errors.As(err, new(*source.DamageError)) || errors.Is(err, source.ErrTooLong)
		switch {
		case err == nil:
		case err == io.EOF || damaged:
			if damaged && report {
				c.find(in.Place(lines.Number()), "damaged-file", err.Error())
			}
			if report {
				return c.sum(in, lines, c.files[i])
			}
			return nil
		default:
			return fmt.Errorf("%s: %w", in.Place(lines.Number()), err)
		}
		e, bad := s.event(line)
		if bad != nil {
			if report {
				c.find(in.Place(lines.Number()), bad.rule, bad.reason)
			}
			continue
		}
		e.content = xxhash.Sum64(line)
		f(lines.Number(), &e)
	}
}

// readAll verifies the files one by one, and collects who occurs with whom.
func (c *checker) readAll(ctx context.Context) error {
	c.o.Meter.SetTotal(2*stored(c.inputs) + stored(c.joins))
	c.ids = &identityMap{}
	j := &joiner{ids: c.ids, by: c.rules.By, limit: c.budget.ids()}
	if c.counts.SharedDevices > MaxSharedListed {
		j.by = ByUser // who is shared is not listed: devices cannot be followed
	}
	ids := &idReader{joiner: j, ctx: ctx, meter: c.o.Meter, recent: make([]triple, 1<<12)}
	for i := range c.joins {
		if err := ids.identities(&c.joins[i]); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	err := c.each(ctx, func(ctx context.Context, i int) error {
		var hash Hash
		var events, unordered int64
		var last event
		var batch []triple
		err := c.events(ctx, i, true, func(line int64, e *event) {
			if events > 0 && (e.time < last.time || e.time == last.time && e.eventID < last.eventID) {
				if unordered++; unordered == 1 {
					c.find(c.inputs[i].Place(line), "order", "this event is earlier than the one before it")
				}
			}
			last = *e
			events++
			hash += Hash(e.content)
			if batch = append(batch, triple{user: e.user, device: e.device}); len(batch) == 4096 {
				j.add(batch)
				batch = batch[:0]
			}
		})
		j.add(batch)
		if err == nil && events != c.files[i].Events {
			c.find(finding.Place{File: c.inputs[i].File}, "event-count", fmt.Sprintf("the file has %d events where the manifest says %d", events, c.files[i].Events))
		}
		mu.Lock()
		defer mu.Unlock()
		c.hash += hash
		c.s.Events += events
		return err
	})
	if err != nil {
		return err
	}
	if err := j.err(c.budget.jobs, 1); err != nil {
		return err
	}
	j.joinDevices(func(device uint32, _ int) bool { return c.listed[*c.ids.keys.at(int(device))] })
	c.ids.freeze()
	return nil
}

// identities looks for an identity with events in two partitions.
func (c *checker) identities(ctx context.Context) error {
	return c.each(ctx, func(ctx context.Context, i int) error {
		return c.events(ctx, i, false, func(line int64, e *event) {
			id, ok := c.ids.identity(c.rules.By, e)
			if !ok && c.counts.SharedDevices <= MaxSharedListed {
				return // the file changed since it was read: its checksum is a finding
			}
			if c.elsewhere(id.root, uint32(i+1)) {
				c.find(c.inputs[i].Place(line), "identity-split", "this event's identity has events in another partition too")
			}
		})
	})
}

// split marks an identity that was found in two files.
const split = ^uint32(0)

// elsewhere notes that an identity occurs in a file, and tells, once, that it
// occurs in another one too.
func (c *checker) elsewhere(root, file uint32) bool {
	in := c.ids.side.at(int(root))
	for {
		switch before := atomic.LoadUint32(in); before {
		case file, split:
			return false
		case 0:
			if atomic.CompareAndSwapUint32(in, 0, file) {
				atomic.AddInt64(&c.s.Identities, 1)
				return false
			}
		default:
			if atomic.CompareAndSwapUint32(in, before, split) {
				return true
			}
		}
	}
}

// account compares the events found with those the manifest accounts for.
func (c *checker) account() {
	manifest := finding.Place{File: filepath.Join(c.o.Dir, stage.ManifestName)}
	if c.hash != c.counts.Hashes.Written {
		c.find(manifest, "permutation", "the events in the partitions are not the ones that were written")
	}
	if !c.counts.Hashes.Balanced() || !c.counts.Balanced() || c.s.Events != c.counts.Written {
		c.find(manifest, "account", "the account of events does not balance")
	}
}
