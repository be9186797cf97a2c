// Package partition divides events so that partitions can be uploaded side by
// side without changing what Amplitude would have seen.
//
// All events of one identity are in one partition. Ids that occur together on
// an event, or with the same Amplitude ID, are one identity; a device that
// occurs with more than Options.SharedDeviceUsers users joins nobody, its
// events go with their user, or with the device where there is none. Within a
// partition events are ordered by time, then event_id (absent: 0), then input
// order. The same event twice (device_id and insert_id, and all the rest equal)
// is written once. The same input and options give the same bytes, whatever
// Jobs and Memory are.
//
// It works in three passes: identities are read, into a map of at most 40 bytes
// an id, the only thing kept in memory; events are spilled to one file a
// partition; each of those is sorted, in memory or by merging, and written.
//
//	partitions/part-NNNN.ndjson.zst  the events
//	rejected/input-NNNN.ndjson       lines of an input that are no events
//	rejected/part-NNNN.collisions.ndjson  events with the insert id of another
//	                                 one, with "action" and "new_insert_id"
//	.work/                           spilled events, gone at the end
package partition

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/progress"
	"export2batch/internal/stage"
)

// StageName is what manifests call this stage.
const StageName = "partition"

// Defaults of Options.
const (
	DefaultPartitions        = 64
	DefaultSharedDeviceUsers = 20
	DefaultHot               = 50_000
	DefaultMemory            = 1 << 30
	MinMemory                = 64 << 20
	maxPartitions            = 4096 // each has a file open while events are spilled
)

// What makes events belong together (Rules.By).
const (
	ByIdentity = "identity"
	ByUser     = "user_id"   // events without one go by their device_id
	ByDevice   = "device_id" // events without one go by their user_id
)

// What happens to events that have the insert id of another event of the same
// device but other content (Rules.Collisions). The first in order keeps its id.
const (
	Suffix    = "suffix"     // the others get an id made of theirs and their content: nothing is lost
	KeepFirst = "keep-first" // the others are dropped
	KeepLast  = "keep-last"  // the last stays, the others are dropped
	Reject    = "reject"     // the others are set aside
	Stop      = "stop"       // the command fails
)

// Rules are the options that change the output; the manifest keeps them.
type Rules struct {
	Partitions        int                   `json:"partitions"`          // default DefaultPartitions
	By                string                `json:"by"`                  // default ByIdentity
	SharedDeviceUsers int                   `json:"shared_device_users"` // a device with more users joins nobody
	Hot               int64                 `json:"hot"`                 // an identity with more events has a partition of its own
	Collisions        string                `json:"insert_id_collisions"`
	Compress          eventfile.Compression `json:"compress"`
}

// Options of a partitioning. The zero value of a field is its default.
type Options struct {
	Paths   []string  // stage folders of convert, event files, folders, patterns, "-"
	Stdin   io.Reader // what "-" reads; it is spooled below Out
	Out     string    // the stage folder
	Exclude string    // stage folder of validate: the events it set aside are left out

	Rules  Rules
	Memory int64 // bound on the process's resident memory, bytes; default DefaultMemory
	Jobs   int   // default 1

	Version string
	FS      durable.FS      // default durable.OS
	Meter   *progress.Meter // may be nil
	Sink    finding.Sink    // gets each line set aside; may be nil
}

func (o *Options) setDefaults() {
	r := &o.Rules
	setDefault(&r.Partitions, DefaultPartitions)
	setDefault(&r.By, ByIdentity)
	setDefault(&r.SharedDeviceUsers, DefaultSharedDeviceUsers)
	setDefault(&r.Hot, DefaultHot)
	setDefault(&r.Collisions, Suffix)
	setDefault(&r.Compress, eventfile.Zstd)
	setDefault(&o.Memory, DefaultMemory)
	setDefault(&o.Jobs, 1)
	if o.FS == nil {
		o.FS = durable.OS
	}
	if o.Sink == nil {
		o.Sink = func(finding.Finding) {}
	}
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Validate reports the first option that makes no sense.
func (o Options) Validate() error {
	o.setDefaults()
	r := o.Rules
	switch {
	case len(o.Paths) == 0:
		return errors.New("no input given")
	case o.Out == "":
		return errors.New("no output folder given: -o DIR")
	case o.Jobs < 0:
		return errors.New("--jobs must be at least 1")
	case r.Partitions < 1 || r.Partitions > maxPartitions:
		return fmt.Errorf("--partitions must be between 1 and %d", maxPartitions)
	case r.By != ByIdentity && r.By != ByUser && r.By != ByDevice:
		return fmt.Errorf("unknown --by %q: identity, user_id or device_id", r.By)
	case r.SharedDeviceUsers < 1:
		return errors.New("--shared-device-users must be at least 1")
	case r.Hot < 1:
		return errors.New("--hot must be at least 1")
	case o.Memory < MinMemory:
		return fmt.Errorf("--memory must be at least %d MiB", MinMemory>>20)
	}
	switch r.Collisions {
	case Suffix, KeepFirst, KeepLast, Reject, Stop:
	default:
		return fmt.Errorf("unknown --insert-id-collisions %q: suffix, keep-first, keep-last, reject or stop", r.Collisions)
	}
	return r.Compress.Validate()
}

// Run partitions the events into the stage folder o.Out.
func Run(ctx context.Context, o Options) (s Summary, err error) {
	o.setDefaults()
	if err := o.Validate(); err != nil {
		return s, err
	}
	folder, err := stage.Begin(o.FS, o.Out, stage.Identity{Stage: StageName, Version: o.Version, Options: o.Rules})
	if err != nil {
		return s, err
	}
	defer folder.Close()
	work := newWorkspace(o.FS, folder.File(".work"))
	if err := work.clear(); err != nil { // what a killed run left
		return s, err
	}
	defer func() { err = errors.Join(err, work.clear()) }()
	in, err := openInputs(o, work)
	if err != nil {
		return s, err
	}
	if m := folder.Finished(); m != nil {
		return finished(m, in, o.Out)
	}
	r := &run{o: o, folder: folder, work: work, in: in}
	return r.partition(ctx)
}

func finished(m *stage.Manifest, in *inputs, dir string) (Summary, error) {
	same := len(m.Inputs) == len(in.events)
	for i := 0; same && i < len(in.events); i++ {
		same = m.Inputs[i].Name == in.events[i].File && m.Inputs[i].Size == in.events[i].Size
	}
	if !same || in.spooled {
		return Summary{}, fmt.Errorf("%s holds the finished result of other inputs: give another folder, or remove it", dir)
	}
	s := Summary{Finished: true}
	return s, json.Unmarshal(m.Counts, &s)
}

// run is one partitioning on its way.
type run struct {
	o       Options
	folder  *stage.Folder
	work    *workspace
	in      *inputs
	ids     *identityMap
	aside   *asideFiles
	summary Summary
	sums    []stage.Input
}

func (r *run) partition(ctx context.Context) (Summary, error) {
	r.aside = newAsideFiles(r.folder, r.o.Sink)
	defer r.aside.abort()
	r.o.Meter.SetTotal(r.in.work())
	for _, f := range r.in.findings {
		r.o.Sink(f)
	}
	if err := r.readIdentities(ctx); err != nil {
		return Summary{}, err
	}
	spills, err := r.spill(ctx)
	if err != nil {
		return Summary{}, err
	}
	files, err := r.writePartitions(ctx, spills)
	if err != nil {
		return Summary{}, err
	}
	return r.finish(files)
}

func (r *run) finish(files []eventfile.Info) (Summary, error) {
	s := r.summary
	s.Partitions = int64(len(files))
	s.Damaged += int64(len(r.in.findings))
	r.ids.describe(&s)
	if !s.Balanced() {
		return s, fmt.Errorf("the account does not balance: read %d, written %d, rejected %d, dropped %d", s.Read, s.Written, s.Rejected, s.Dropped)
	}
	keep := map[string]bool{}
	names, err := r.aside.commit()
	if err != nil {
		return s, err
	}
	for _, name := range names {
		keep[name] = true
	}
	for _, f := range files {
		keep[f.Name] = true
	}
	counts, err := json.Marshal(s)
	if err != nil {
		return s, err
	}
	return s, r.folder.Finish(stage.Manifest{Inputs: r.sums, Files: files, Counts: counts}, keep)
}

// Summary is the account of a partitioning: Read = Written + Rejected +
// Dropped. The reasons to drop are "duplicate", "collision" and "invalid".
type Summary struct {
	stage.Counts
	Partitions      int64 `json:"partitions"` // with events
	Identities      int64 `json:"identities"`
	LargestIdentity int64 `json:"largest_identity"`            // in events
	HotIdentities   int64 `json:"hot_identities,omitempty"`    // with a partition of their own
	Joined          int64 `json:"joined_devices"`              // devices that belong to a user
	SharedDevices   int64 `json:"shared_devices"`              // devices of too many users to join them
	Collisions      int64 `json:"collisions,omitempty"`        // events with the insert id of another one of the device, and other content
	WithoutInsertID int64 `json:"without_insert_id,omitempty"` // for which duplicates cannot be seen
	Damaged         int64 `json:"damaged_inputs,omitempty"`

	Finished        bool    `json:"-"` // the folder was finished before
	EventsPerSecond float64 `json:"events_per_second,omitempty"`
}
