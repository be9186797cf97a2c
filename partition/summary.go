package partition

import (
	"fmt"
	"strconv"

	"export2batch/internal/stage"
)

// Summary is the account of a partitioning: Read = Written + Rejected +
// Dropped. The reasons to drop are "duplicate", "collision" and "invalid".
type Summary struct {
	stage.Counts
	Partitions      int64  `json:"partitions"` // with events
	Identities      int64  `json:"identities"`
	LargestIdentity int64  `json:"largest_identity"`            // in events
	HotIdentities   int64  `json:"hot_identities,omitempty"`    // with a partition of their own
	Joined          int64  `json:"joined_devices"`              // devices that belong to a user
	SharedDevices   int64  `json:"shared_devices"`              // devices of too many users to join them
	Collisions      int64  `json:"collisions,omitempty"`        // events with the insert id of another one of the device, and other content
	WithoutInsertID int64  `json:"without_insert_id,omitempty"` // for which duplicates cannot be seen
	Damaged         int64  `json:"damaged_inputs,omitempty"`
	IdentityFiles   int64  `json:"identity_files,omitempty"` // of convert: their Amplitude IDs join too
	Hashes          Hashes `json:"hashes"`

	Finished        bool    `json:"-"` // the folder was finished before
	EventsPerSecond float64 `json:"events_per_second,omitempty"`
}

// Hashes proves that the partitions are a permutation of the input. Each is the
// sum of the XXH64 hashes of the lines it stands for, so that their order does
// not matter, and Read = Written + Dropped - Changed (modulo 2^64).
type Hashes struct {
	Read    Hash `json:"read"`              // events that were given a place: neither excluded nor rejected as they were read
	Written Hash `json:"written"`           // as found in the partitions
	Dropped Hash `json:"dropped,omitempty"` // duplicates, and losers of collisions
	Changed Hash `json:"changed,omitempty"` // what suffixes of insert ids added
}

// Balanced tells whether nothing was lost, altered or made up on the way.
func (h Hashes) Balanced() bool { return h.Read == h.Written+h.Dropped-h.Changed }

func (h *Hashes) add(o Hashes) {
	h.Read += o.Read
	h.Written += o.Written
	h.Dropped += o.Dropped
	h.Changed += o.Changed
}

// Hash is a sum of hashes; JSON has it as 16 hexadecimal digits.
type Hash uint64

// MarshalText writes the digits.
func (h Hash) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(h)), nil }

// UnmarshalText reads them.
func (h *Hash) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*h = Hash(n)
	return err
}
