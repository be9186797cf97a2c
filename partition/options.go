package partition

import (
	"errors"
	"fmt"
	"io"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/progress"
)

// Defaults of Options.
const (
	DefaultPartitions        = 64
	DefaultSharedDeviceUsers = 20
	DefaultHot               = 50_000
	DefaultMemory            = 1 << 30
	MinMemory                = 64 << 20

	maxPartitions = 4096 // each has a file open while events are spilled
	maxHot        = 65536
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

	Rules Rules
	// Memory bounds the process's resident memory, in bytes; default
	// DefaultMemory. The caller gives RuntimeMemory of it to the Go runtime. A
	// line longer than a hundredth of it can exceed it by some times its length.
	Memory int64
	Jobs   int // default 1; fewer are used where Memory is not enough for them

	Version  string
	FS       durable.FS      // default durable.OS
	Meter    *progress.Meter // may be nil
	Sink     finding.Sink    // gets each line set aside; may be nil
	Estimate func(Estimate)  // is told what disk space is expected to be needed, before it is used; may be nil

	limits limits
}

// limits replaces, in tests, what follows from Memory and from the machine.
type limits struct {
	ids      int64 // bytes of the identity map
	resident int64 // bytes of spilled events in memory; negative: none
	batch    int64 // bytes of a batch
	fan      int   // pieces a spill is split into at once
	free     func(dir string) (int64, error)
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
	if o.Estimate == nil {
		o.Estimate = func(Estimate) {}
	}
	if o.limits.free == nil {
		o.limits.free = freeDisk
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
