package upload

import (
	"encoding/json"
	"errors"
	"path/filepath"

	"export2batch/internal/durable"
)

// ErrIncomplete is what errors wrap after which the same command may go on
// later: the destination could not be reached, or did not answer as
// documented.
var ErrIncomplete = errors.New("the upload is incomplete: start it again to go on")

// Summary is the account of an upload, in events, over the whole state folder,
// restarts included: Read = Accepted + Rejected + Pending.
type Summary struct {
	Read     int64 `json:"read"`     // events of the partitions
	Accepted int64 `json:"accepted"` // in requests that were answered with 200
	Rejected int64 `json:"rejected"` // set aside
	Pending  int64 `json:"pending"`  // neither
	// Duplicates are the accepted events that the answer which acknowledged
	// them did not count as ingested. Answers that were lost count nothing, so
	// the destination may have seen up to Resent duplicates.
	Duplicates int64 `json:"duplicates"`
	// Resent is how many events were sent once more because an attempt had no
	// answer that said whether it was taken; each attempt counts.
	Resent int64 `json:"resent"`
	// Requests counts those sent, Retries how many of them repeated another.
	// What was sent without an answer before a crash is counted once.
	Requests   int64            `json:"requests"`
	Retries    int64            `json:"retries"`
	RejectedBy map[string]int64 `json:"rejected_by,omitempty"` // by rule

	EventsPerSecond float64 `json:"events_per_second,omitempty"` // set by the caller, who has the clock
}

// Complete tells whether every event was accepted or set aside.
func (s Summary) Complete() bool { return s.Pending == 0 }

const summaryName = "summary.json"

func writeSummary(fsys durable.FS, dir string, s Summary) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(fsys, filepath.Join(dir, summaryName), append(data, '\n'))
}
