// Package validate says what Amplitude's Batch Event Upload API would refuse
// or change, before anything is sent.
//
// Every event is held against schemas/batch-event.schema.json and then against
// the rules that a schema cannot say (see Rules). What is wrong is a finding,
// with the line, a JSON pointer, a rule and a message that holds no values.
// The keys inside event properties, user properties and groups can be personal
// data too: a pointer ends at the properties unless Options.ShowValues is set.
//
// The schema library is the authority, and slow. A look at the bytes may
// accept an event in its place, but only the library may reject one. The rules
// look at the bytes by themselves.
//
// Findings come in the order of inputs, lines, pointers and rules, however
// many goroutines are at work. Memory is bounded by the number of goroutines
// and by Options.Memory, not by the inputs or the findings.
package validate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/progress"
	"export2batch/internal/source"
)

// StageName is what the manifest of a set-aside folder calls this stage.
const StageName = "validate"

// DefaultMinIDLength is the least number of characters of a user or device id:
// Amplitude, Batch Event Upload API, min_id_length.
const DefaultMinIDLength = 5

// ErrMinIDLength refuses a least length of ids, also a 0 that a user gave.
var ErrMinIDLength = errors.New("the least length of ids must be at least 1")

// Options of a validation. The zero value of a field is its default where one
// is given.
type Options struct {
	Paths []string  // event files, exports, folders, patterns, stage folders, "-"
	Stdin io.Reader // what "-" reads

	// Schemas are SchemaBatch, SchemaExport or files of JSON Schema, drafts 4 to
	// 2020-12. Default SchemaBatch; without it Amplitude's rules are off.
	Schemas []string
	// EventSchemas is a folder with a JSON Schema an event type, TYPE.json, that
	// events are held against too; empty: none.
	EventSchemas string

	MinIDLength int               // characters; default DefaultMinIDLength
	Rules       map[string]string // rule id to off, info, warn or error, where it differs from Rules
	ShowValues  bool              // pointers show the keys inside properties
	Now         time.Time         // what is after it is in the future; zero: nothing is
	Jobs        int               // goroutines that check events; default one a processor
	Memory      int64             // bytes of insert ids held in memory, more go to a temporary file; default DefaultMemory

	// SetAside is a stage folder for the events with a finding of severity
	// error; empty: none. See setAside for what it holds.
	SetAside string
	// Trust takes the account of a set-aside folder that is finished without
	// reading its inputs again, if they have the same names and sizes; their
	// findings are then not told again.
	Trust bool
	// Fix is a stage folder for a copy of the events without errors: what can
	// be repaired for certain is (see repair), the rest is set aside as with
	// SetAside. Findings that were repaired are infos. Empty: no copy.
	Fix      string
	Compress eventfile.Compression // of the copy; default eventfile.Zstd
	Version  string                // of the tool, for the manifest
	FS       durable.FS            // default durable.OS

	// Outputs are files that the caller will write: none may be an input, or
	// stand in a stage folder that is one.
	Outputs []string

	Meter *progress.Meter // may be nil; work is stored bytes
	Sink  finding.Sink    // gets every finding; may be nil
}

func (o *Options) setDefaults() {
	if o.MinIDLength == 0 {
		o.MinIDLength = DefaultMinIDLength
	}
	if len(o.Schemas) == 0 {
		o.Schemas = []string{SchemaBatch}
	}
	if o.Jobs == 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.Compress == "" {
		o.Compress = eventfile.Zstd
	}
	if o.FS == nil {
		o.FS = durable.OS
	}
	if o.Sink == nil {
		o.Sink = func(finding.Finding) {}
	}
}

// exportsOnly tells that the lines are those of exports, which rows of Parquet
// files are too.
func (o *Options) exportsOnly() bool {
	return slices.Contains(o.Schemas, SchemaExport) && !slices.Contains(o.Schemas, SchemaBatch)
}

// Validate reports the first option that makes no sense.
func (o Options) Validate() error {
	switch {
	case len(o.Paths) == 0:
		return errors.New("no input given")
	case o.MinIDLength < 0:
		return ErrMinIDLength
	case o.SetAside != "" && o.Fix != "":
		return errors.New("--fix sets aside what it cannot repair: give it without --set-aside")
	case o.Fix != "" && len(o.Schemas) > 0 && !slices.Contains(o.Schemas, SchemaBatch):
		return errors.New("--fix repairs events of the Batch API only")
	case o.Jobs < 0:
		return errors.New("jobs must be at least 1")
	}
	if o.Compress != "" {
		if err := o.Compress.Validate(); err != nil {
			return err
		}
	}
	_, err := severities(o.Rules)
	return err
}

// Summary is the account of a validation: Read = Valid + Invalid.
type Summary struct {
	Files    int64 `json:"files"`              // inputs, members of archives counted one by one
	Read     int64 `json:"read"`               // events, that is lines that are not blank
	Valid    int64 `json:"valid"`              // events without a finding of severity error
	Invalid  int64 `json:"invalid"`            // events with one
	Repaired int64 `json:"repaired,omitempty"` // events of the valid ones that were repaired
	Errors   int64 `json:"errors"`             // findings by severity, repeated insert ids that are not told one by one included
	Warnings int64 `json:"warnings"`
	Infos    int64 `json:"infos"`

	Rules map[string]int64 `json:"rules"` // the same by rule

	EventsPerSecond float64 `json:"events_per_second,omitempty"` // set by the caller, who has the clock
}

// Balanced tells whether every event read is accounted for.
func (s *Summary) Balanced() bool { return s.Read == s.Valid+s.Invalid }

// count takes a finding that stands for n.
func (s *Summary) count(f *finding.Finding, n int64) {
	switch f.Severity {
	case finding.Error:
		s.Errors += n
	case finding.Warn:
		s.Warnings += n
	default:
		s.Infos += n
	}
	s.Rules[f.Rule] += n
}

// Run validates the inputs. Findings are no error; the summary counts them.
// With an error the summary covers what was given to the sink until then.
func Run(ctx context.Context, o Options) (Summary, error) {
	s := Summary{Rules: map[string]int64{}}
	if err := o.Validate(); err != nil {
		return s, err
	}
	o.setDefaults()
	settings, err := newSettings(&o)
	if err != nil {
		return s, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	expand := source.Options{Stdin: source.Interruptible(ctx, o.Stdin), Stages: []string{"convert", StageName, "partition"}, Changed: true}
	if o.exportsOnly() {
		expand.Parquet = &source.ParquetOptions{}
	}
	set, err := source.Expand(o.Paths, expand)
	if err != nil {
		return s, err
	}
	if err := guardOutputs(o.Outputs, set); err != nil {
		return s, err
	}
	s.Files = int64(len(set.Inputs))
	aside, err := openAside(&o, set.Inputs)
	if err != nil {
		return s, err
	}
	defer aside.close()
	if o.Trust && aside != nil && aside.was != nil {
		return s, json.Unmarshal(aside.was.Counts, &s)
	}
	tellFor := func(f finding.Finding, n int64) {
		s.count(&f, n)
		o.Sink(f)
	}
	tell := func(f finding.Finding) { tellFor(f, 1) }
	reportFor := func(f finding.Finding, n int64) {
		if severity, on := settings.severities[f.Rule]; on {
			f.Severity = severity
			tellFor(f, n)
		}
	}
	report := func(f finding.Finding) { reportFor(f, 1) }
	for _, f := range set.Findings {
		if !isRule(f.Rule) { // never passed over in silence
			tell(f)
			continue
		}
		report(f)
	}
	for _, dir := range set.Folders {
		if err := checkFolder(dir, report); err != nil {
			return s, err
		}
	}
	all := acrossInputs{repeats: repeats{most: o.Memory}}
	defer all.repeats.close()
	p := newPipeline(&o, settings, set.Inputs, aside, &all)
	defer p.start(ctx)(cancel)
	for i := range set.Inputs {
		if err := p.deliver(ctx, i, &s, tell, report); err != nil {
			if ctx.Err() != nil {
				return s, ctx.Err()
			}
			return s, fmt.Errorf("%s: %w", set.Inputs[i].Place(0), err)
		}
	}
	if err := all.findings(&o, settings, set.Inputs, reportFor); err != nil {
		return s, err
	}
	if !s.Balanced() {
		return s, fmt.Errorf("the account does not balance: read %d, valid %d, invalid %d", s.Read, s.Valid, s.Invalid)
	}
	return s, aside.finish(&s)
}
