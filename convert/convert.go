// Package convert turns lines of Amplitude's Export API into events of its
// Batch Event Upload API.
//
// Every input gives one event file with the events in the order of the lines,
// so the result does not depend on how many inputs are converted at once:
//
//	events/NAME.ndjson.zst      the events
//	identities/NAME.ndjson.zst  {"user_id","device_id","amplitude_id"} seen in
//	                            the input, each (almost) once; event files
//	                            carry no amplitude_id
//	rejected/NAME.ndjson        lines set aside, with place, rule and reason
//	rejected/NAME.line-N.raw    a line too long to be an event, as it was
//	manifest.json               inputs, files and the account
//
// No line is lost: each is written, or set aside, or dropped for a reason that
// is counted. What the Batch API has no key for is counted as lost, by key.
package convert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/progress"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// StageName is what manifests call this stage.
const StageName = "convert"

// Options of a conversion. The zero value of a field is its default where one
// is given.
type Options struct {
	Paths []string  // files, folders, patterns, "-"
	Stdin io.Reader // what "-" reads
	Out   string    // the stage folder

	Rules    Rules
	Compress eventfile.Compression // default zst
	Jobs     int                   // inputs converted at once; default 1

	Version string
	FS      durable.FS      // default durable.OS
	Meter   *progress.Meter // may be nil
	Sink    finding.Sink    // gets each line set aside and each damaged input; may be nil
}

// identity is the part of the options that changes the output.
type identity struct {
	Rules
	Compress eventfile.Compression `json:"compress"`
}

func (o *Options) setDefaults() {
	if o.Compress == "" {
		o.Compress = eventfile.Zstd
	}
	if o.Jobs == 0 {
		o.Jobs = 1
	}
	if o.FS == nil {
		o.FS = durable.OS
	}
	if o.Sink == nil {
		o.Sink = func(finding.Finding) {}
	}
	o.Rules.setDefaults()
}

// Validate reports the first option that makes no sense.
func (o Options) Validate() error {
	o.setDefaults()
	switch {
	case len(o.Paths) == 0:
		return errors.New("no input given")
	case o.Out == "":
		return errors.New("no output folder given: -o DIR")
	case o.Jobs < 0:
		return errors.New("jobs must be at least 1")
	}
	if err := o.Compress.Validate(); err != nil {
		return err
	}
	return o.Rules.Validate()
}

// Run converts the inputs into the stage folder o.Out. Started again with the
// same options after it was stopped, it goes on with the inputs that are not
// finished.
func Run(ctx context.Context, o Options) (Summary, error) {
	o.setDefaults()
	if err := o.Validate(); err != nil {
		return Summary{}, err
	}
	set, err := source.Expand(o.Paths, source.Options{Stdin: o.Stdin})
	if err != nil {
		return Summary{}, err
	}
	folder, err := stage.Begin(o.FS, o.Out, stage.Identity{
		Stage: StageName, Version: o.Version, Options: identity{o.Rules, o.Compress},
	})
	if err != nil {
		return Summary{}, err
	}
	defer folder.Close()
	if m := folder.Finished(); m != nil {
		return finished(m, set, o)
	}
	r := &run{o: o, folder: folder, set: set, records: make([]record, len(set.Inputs))}
	if err := r.convert(ctx); err != nil {
		return Summary{}, err
	}
	return r.finish()
}

// finished answers for a folder that needs no more work.
func finished(m *stage.Manifest, set *source.Set, o Options) (Summary, error) {
	same := len(m.Inputs) == len(set.Inputs)
	for i := 0; same && i < len(set.Inputs); i++ {
		in := &set.Inputs[i]
		was := m.Inputs[i]
		same = was.Name == in.File && was.Member == in.Member && in.Size >= 0 && was.Size == in.Size
	}
	if !same {
		return Summary{}, fmt.Errorf("%s holds the finished result of other inputs: give another folder, or remove it", o.Out)
	}
	for _, f := range set.Findings {
		o.Sink(f)
	}
	s := Summary{Finished: true}
	return s, json.Unmarshal(m.Counts, &s)
}

type run struct {
	o       Options
	folder  *stage.Folder
	set     *source.Set
	records []record

	mu      sync.Mutex // guards the sink and what follows
	withID  string     // an input whose lines have the key $insert_id
	without string     // one of at least minToJudge events that has it nowhere
}

func (r *run) convert(ctx context.Context) error {
	for _, f := range r.set.Findings {
		r.o.Sink(f)
	}
	var total int64
	for i := range r.set.Inputs {
		total += max(0, r.set.Inputs[i].Size)
	}
	r.o.Meter.SetTotal(total)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(r.o.Jobs)
	for i := range r.set.Inputs {
		if gctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := r.input(gctx, i); err != nil {
				return fmt.Errorf("%s: %w", r.set.Inputs[i].Place(0), err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// input converts the i-th input, unless an earlier run has.
func (r *run) input(ctx context.Context, i int) error {
	in := &r.set.Inputs[i]
	repeatable := in.Size >= 0 || in.Member != "" // all but standard input
	rec := &r.records[i]
	if repeatable {
		done, err := r.folder.Done(in.Key(), rec)
		if err != nil {
			return err
		}
		if done {
			r.o.Meter.Add(rec.Summary.Read, max(0, in.Size))
			for _, f := range rec.Findings {
				r.report(f)
			}
			return r.judge(in, rec)
		}
	}
	if err := r.convertInput(ctx, in, rec); err != nil {
		return err
	}
	if err := r.judge(in, rec); err != nil {
		return err
	}
	if !repeatable {
		return nil
	}
	return r.folder.Record(in.Key(), rec)
}

func (r *run) report(f finding.Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.o.Sink(f)
}

// minToJudge is how many events an input must have before the lack of
// $insert_id on all of them says something about where it comes from: a line
// without the key now and then is normal.
const minToJudge = 100

// ErrMixedInsertIDs refuses a set whose events would get their insert ids in
// two ways: the same event from two sources would count twice.
var ErrMixedInsertIDs = errors.New("some inputs have $insert_id and some have no such key, so the same event could get two insert ids and count twice: use --insert-id uuid for all of them")

// judge compares the input with those before it.
func (r *run) judge(in *source.Input, rec *record) error {
	if r.o.Rules.InsertID != InsertIDAuto {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case rec.HasInsertIDKey:
		r.withID = in.Place(0).String()
	case rec.Summary.Read >= minToJudge:
		r.without = in.Place(0).String()
	}
	if r.withID != "" && r.without != "" {
		return fmt.Errorf("%w (with: %s, without: %s)", ErrMixedInsertIDs, r.withID, r.without)
	}
	return nil
}

func (r *run) finish() (Summary, error) {
	var s Summary
	m := stage.Manifest{}
	keep := map[string]bool{}
	for i := range r.records {
		rec := &r.records[i]
		s.add(&rec.Summary)
		m.Inputs = append(m.Inputs, rec.Input)
		m.Files = append(m.Files, rec.Events)
		m.Extra = append(m.Extra, rec.Identities)
		keep[rec.Events.Name], keep[rec.Identities.Name] = true, true
		for _, name := range rec.Rejected {
			keep[name] = true
		}
		s.Damaged += int64(len(rec.Findings))
	}
	s.Files = int64(len(r.records))
	s.Ignored = int64(r.set.Ignored)
	s.Damaged += int64(len(r.set.Findings))
	if !s.Balanced() {
		return s, fmt.Errorf("the account does not balance: read %d, written %d, rejected %d, dropped %d", s.Read, s.Written, s.Rejected, s.Dropped)
	}
	counts, err := json.Marshal(s)
	if err != nil {
		return s, err
	}
	m.Counts = counts
	return s, r.folder.Finish(m, keep)
}
