// Package convert turns lines of Amplitude's Export API into events of its
// Batch Event Upload API.
//
// Every input gives one event file with the events in the order of the lines,
// so the result does not depend on how many inputs are converted at once:
//
//	events/NAME.ndjson.zst      the events
//	identities/NAME.ndjson.zst  {"user_id","device_id","amplitude_id"} seen in
//	                            the input, each (almost) once; event files
//	                            carry no amplitude_id. Also pairs of Amplitude
//	                            IDs, {"amplitude_id","merged_amplitude_id"}
//	rejected/NAME.ndjson        lines set aside, with place, rule and reason
//	rejected/NAME.line-N.raw    a line too long to be an event, as it was
//	manifest.json               inputs, files and the account
//
// No line is lost: each is written, or set aside, or dropped for a reason that
// is counted. What the Batch API has no key for is counted as lost, by key.
//
// Rules apply in this order, whatever the order in which they are given:
//
//	 1  the line is JSON and has an event type; merged-ID lines end here
//	 2  ids        trim, lower                       (Rules.IDs)
//	 3  sample     by Amplitude ID, user, device     (SampleUsers)
//	 4  maps       of user and device ids            (UserMap, DeviceMap, Unmapped)
//	 5  pseudonyms of all ids                        (PseudonymKeyFile)
//	 6  $identify and $groupidentify lines           (Identify)
//	 7  time       its source                        (Time)
//	 8  filters    session events, window, where     (SessionEvents, Since, Until, Where)
//	 9  properties keep, drop, rename, set, revenue  (Keep, PropertyDrop and PropertyKeep,
//	               PropertyRename, PropertySet, Revenue)
//	10  keys       device model, ip, library, partner id
//	11  event type                                   (EventRename)
//	12  groups     $groupidentify events             (GroupIdentify)
//
// All rules that are for some event types look at the exported type. Where
// sees the event as steps 2 to 4 leave it, under Batch keys; PropertySet sees
// it with pseudonyms and renamed properties. An insert id by hash is that of
// the event before step 9. A dropped event leaves nothing in identities/, but
// for $identify lines, which say who belongs with whom.
//
// Damage ends an input, but for gzip data: reading goes on at the next gzip
// member that can be read.
package convert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
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
	// Except is a folder that is not read though it lies in one of Paths.
	// Default Out.
	Except string

	// MergedIDs are files, folders and patterns like Paths that hold merged
	// Amplitude IDs and nothing else. Those among Paths are recognised too.
	MergedIDs []string

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
	// Files are the SHA-256 of files that rules name, by option.
	Files map[string]string `json:"files,omitempty"`
}

func (o *Options) setDefaults() {
	if o.Compress == "" {
		o.Compress = eventfile.Zstd
	}
	if o.Jobs == 0 {
		o.Jobs = 1
	}
	if o.Except == "" {
		o.Except = o.Out
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
// finished, or whose files are gone since.
func Run(ctx context.Context, o Options) (Summary, error) {
	o.setDefaults()
	if err := o.Validate(); err != nil {
		return Summary{}, err
	}
	columns, err := parseColumns(o.Rules.Columns)
	if err != nil {
		return Summary{}, err
	}
	program, err := compile(o.Rules)
	if err != nil {
		return Summary{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	set, events, err := o.expand(source.Options{
		Stdin: source.Interruptible(ctx, o.Stdin), Except: o.Except, LongLines: 1, Parquet: &source.ParquetOptions{Columns: columns, Workers: o.Jobs},
	})
	if err != nil {
		return Summary{}, err
	}
	if err := refuseMixed(ctx, set, o.Rules); err != nil {
		return Summary{}, err
	}
	folder, err := stage.Begin(o.FS, o.Out, stage.Identity{
		Stage: StageName, Version: o.Version, Options: identity{o.Rules, o.Compress, program.files},
	})
	if err != nil {
		return Summary{}, err
	}
	defer folder.Close()
	if m := folder.Finished(); m != nil {
		return finished(ctx, m, set, o)
	}
	r := &run{o: o, program: program, eventInputs: events, folder: folder, set: set, records: make([]record, len(set.Inputs)), done: make([]bool, len(set.Inputs))}
	if err := r.convert(ctx); err != nil {
		return Summary{}, err
	}
	return r.finish()
}

// expand finds the inputs; those from the number events on are merged-ID files.
func (o *Options) expand(so source.Options) (set *source.Set, events int, err error) {
	if set, err = source.Expand(o.Paths, so); err != nil {
		return nil, 0, err
	}
	events = len(set.Inputs)
	if len(o.MergedIDs) == 0 {
		return set, events, nil
	}
	// Once more together, for names that differ.
	set, err = source.Expand(slices.Concat(o.Paths, o.MergedIDs), so)
	return set, events, err
}

type run struct {
	o       Options
	program *program
	// eventInputs is the number of inputs before those of Options.MergedIDs.
	eventInputs int
	folder      *stage.Folder
	set         *source.Set
	records     []record
	buffers     sync.Pool // of *[]byte, see takeBuffer

	mu      sync.Mutex // guards the sink and what follows
	summary Summary    // of the first summed inputs
	summed  int
	done    []bool
	withID  string // an input whose lines have the key $insert_id
	without string // one of at least minToJudge events that has it nowhere
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
	// Waiting for the disk is done aside, so that the next inputs are read meanwhile.
	commits, cctx := errgroup.WithContext(gctx)
	commits.SetLimit(r.o.Jobs + maxCommits)
	for i := range r.set.Inputs {
		if cctx.Err() != nil {
			break
		}
		group.Go(func() error {
			commit, err := r.input(cctx, i)
			if err == nil && commit != nil {
				commits.Go(func() error { return r.named(i, commit()) })
			}
			return r.named(i, err)
		})
	}
	err, commitErr := group.Wait(), commits.Wait()
	if commitErr != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = commitErr
	}
	if err != nil {
		return err
	}
	return ctx.Err()
}

// maxCommits is how many inputs may wait for the disk beside those that are
// read.
const maxCommits = 4

// named says which input an error comes from.
func (r *run) named(i int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", r.set.Inputs[i].Place(0), err)
}

// input converts the i-th input, unless an earlier run has. What is left to
// do is to call commit, if it is not nil.
func (r *run) input(ctx context.Context, i int) (commit func() error, err error) {
	in := &r.set.Inputs[i]
	repeatable := in.Size >= 0 || in.Member != "" // all but standard input
	rec := &r.records[i]
	if repeatable {
		done, err := r.folder.Done(in.Key(), rec)
		if err != nil {
			return nil, err
		}
		if done && !r.folder.Holds([]eventfile.Info{rec.Events, rec.Identities}, rec.Rejected...) {
			done, *rec = false, record{}
		}
		if done {
			r.o.Meter.Add(0, max(0, in.Size))
			for _, f := range rec.Findings {
				r.report(f)
			}
			defer r.sum(i)
			return nil, r.judge(in, rec)
		}
	}
	c, err := r.convertInput(ctx, in, rec, i >= r.eventInputs)
	if err != nil {
		return nil, err
	}
	if err := r.judge(in, rec); err != nil {
		c.abort()
		return nil, err
	}
	return func() error {
		if err := c.commit(); err != nil {
			return err
		}
		if repeatable {
			if err := r.folder.Record(in.Key(), rec); err != nil {
				return err
			}
		}
		r.sum(i)
		return nil
	}, nil
}

// sum notes that input i is done. Summaries are added in the order of the
// inputs, and forgotten: they would take most of the memory where there are
// many inputs.
func (r *run) sum(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[i] = true
	for r.summed < len(r.done) && r.done[r.summed] {
		rec := &r.records[r.summed]
		r.summary.add(&rec.Summary)
		rec.Summary = Summary{}
		r.summed++
	}
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
	case rec.Summary.Read >= minToJudge || in.InsertID == source.Absent:
		r.without = in.Place(0).String()
	}
	if r.withID != "" && r.without != "" {
		return fmt.Errorf("%w (with: %s, without: %s)", ErrMixedInsertIDs, r.withID, r.without)
	}
	return nil
}

func (r *run) finish() (Summary, error) {
	s := r.summary
	m := stage.Manifest{}
	keep := map[string]bool{}
	for i := range r.records {
		rec := &r.records[i]
		m.Inputs = append(m.Inputs, rec.Input)
		m.Files = append(m.Files, rec.Events)
		m.Extra = append(m.Extra, rec.Identities)
		keep[rec.Events.Name], keep[rec.Identities.Name] = true, true
		for _, name := range rec.Rejected {
			keep[name] = true
		}
		if len(rec.Findings) > 0 {
			s.Damaged++
		}
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
