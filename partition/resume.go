package partition

import (
	"fmt"

	"export2batch/internal/eventfile"
	"export2batch/internal/stage"
)

// What the stage folder keeps for the command that goes on after a kill. Each
// record names the inputs it is true for.

const spilledRecord = "spilled"

// spilled says that all events are in spills, on disk. Their roots are numbers
// of an identity map that is gone.
type spilled struct {
	Inputs   string            `json:"inputs"` // fingerprint
	Spills   []spillState      `json:"spills"`
	Keys     spillState        `json:"keys"`
	Hot      map[uint32]uint32 `json:"hot"`
	Summary  Summary           `json:"summary"`
	Sums     []stage.Input     `json:"sums"`
	Rejected []string          `json:"rejected"`
	Extra    []eventfile.Info  `json:"extra"`
}

// written says that a partition is finished, with its hot ones.
type written struct {
	Inputs     string           `json:"inputs"` // fingerprint
	Part       int              `json:"part"`
	Files      []eventfile.Info `json:"files"`
	Counts     stage.Counts     `json:"counts"`
	Collisions int64            `json:"collisions"`
	Hashes     Hashes           `json:"hashes"`
	Aside      []string         `json:"aside"`
}

func partRecord(part int) string { return fmt.Sprintf("part-%04d", part) }

// record keeps that a partition is finished.
func (r *run) record(w *written) error {
	if err := r.folder.Record(partRecord(w.Part), w); err != nil {
		return err
	}
	r.written[w.Part] = w // each part has its own place
	return nil
}

// recordSpilled keeps that all events are spilled, where that outlives the
// process.
func (r *run) recordSpilled() error {
	if !r.work.onDisk.Load() {
		return nil
	}
	done := spilled{Inputs: r.fingerprint, Keys: r.keys.state(), Hot: r.hot, Summary: r.summary,
		Sums: r.sums, Rejected: r.rejected, Extra: r.extra}
	for _, s := range r.spills {
		done.Spills = append(done.Spills, s.state())
	}
	return r.folder.Record(spilledRecord, done)
}

// resume finds what an earlier command with the same inputs has done: finished
// partitions, and the spills of the others.
func (r *run) resume() (haveSpills bool, err error) {
	for p := range r.written {
		var w written
		ok, err := r.folder.Done(partRecord(p), &w)
		if err != nil {
			return false, err
		}
		if ok && w.Inputs == r.fingerprint && r.folder.Holds(w.Files, w.Aside...) {
			r.written[p] = &w
		}
	}
	var done spilled
	ok, err := r.folder.Done(spilledRecord, &done)
	if err != nil || !ok || done.Inputs != r.fingerprint || len(done.Spills) != len(r.written) {
		return false, err
	}
	spills := make([]*spill, len(done.Spills))
	left := false
	for p, state := range done.Spills {
		if r.written[p] != nil || state.Events == 0 {
			continue
		}
		if spills[p], ok = r.work.open(state); !ok {
			return false, nil
		}
		left = true
	}
	keys, ok := r.work.open(done.Keys)
	if !ok && left {
		return false, nil
	}
	if !left {
		keys = &spill{}
	}
	r.spills, r.keys, r.hot, r.summary = spills, keys, done.Hot, done.Summary
	r.sums, r.rejected, r.extra = done.Sums, done.Rejected, done.Extra
	r.work.onDisk.Store(true)
	return true, nil
}
