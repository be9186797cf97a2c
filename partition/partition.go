// Package partition divides events so that partitions can be uploaded side by
// side without changing what Amplitude would have seen.
//
// All events of one identity are in one partition. Ids that occur together on
// an event, or with the same Amplitude ID, are one identity; a device that
// occurs with more than Rules.SharedDeviceUsers users joins nobody, its
// events go with their user, or with the device where there is none. Within a
// partition events are ordered by time, then event_id (absent: 0), then input
// order. The same event twice (device_id and insert_id, and all the rest equal)
// is written once. An identity with more than Rules.Hot events has a partition
// of its own. The same input and options give the same bytes, whatever Jobs and
// Memory are.
//
// It works in three passes: identities are read, into a map of at most 40 bytes
// an id; events are spilled, one spill a partition; each of those is sorted, in
// memory or by splitting and merging, and written. The hash of every line is
// carried along and compared when the line is written; the sums of them, before
// and after, prove that the output is a permutation of the input. Check proves
// it again for a finished folder.
//
//	partitions/part-NNNN.ndjson.zst  the events; hot ones have the last numbers
//	rejected/input-NNNN.ndjson       lines of an input that are no events; long
//	                                 ones are in input-NNNN.line-N.raw
//	rejected/part-NNNN.collisions.ndjson  events with the insert id of another
//	                                 one, with "action" and "new_insert_id"
//	identities/shared-devices.ndjson the devices that join nobody:
//	                                 {"device_id","users"}
//	.work/                           spilled events, gone at the end
package partition

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/stage"
)

// StageName is what manifests call this stage.
const StageName = "partition"

// identityOptions is what a started folder must agree with to be gone on with.
type identityOptions struct {
	Rules
	Excluded string `json:"excluded,omitempty"` // digest of what Options.Exclude names
}

// Run partitions the events into the stage folder o.Out.
func Run(ctx context.Context, o Options) (s Summary, err error) {
	o.setDefaults()
	if err := o.Validate(); err != nil {
		return s, err
	}
	excluded, err := readExclusion(o.Exclude)
	if err != nil {
		return s, err
	}
	_, err = os.Stat(o.Out)
	existed := err == nil
	_, err = stage.Load(o.Out)
	begun := err == nil || errors.Is(err, stage.ErrUnfinished)
	folder, err := stage.Begin(o.FS, o.Out, stage.Identity{Stage: StageName, Version: o.Version,
		Options: identityOptions{o.Rules, excluded.digest()}})
	if err != nil {
		return s, err
	}
	r := &run{o: o, folder: folder, work: newWorkspace(o.FS, folder.File(".work")), find: lockedSink(o.Sink)}
	s, err = r.run(ctx, excluded)
	err = errors.Join(err, r.work.clear(false), folder.Close())
	if !begun && (errors.Is(err, ErrMemory) || errors.Is(err, ErrDisk)) {
		err = errors.Join(err, discard(o, existed))
	}
	return s, err
}

// discard takes back the beginning of a folder in which nothing was done.
func discard(o Options, existed bool) error {
	err := o.FS.Remove(filepath.Join(o.Out, ".unfinished"))
	if !existed {
		err = errors.Join(err, o.FS.Remove(o.Out))
	}
	return err
}

// run is one partitioning on its way.
type run struct {
	o      Options
	folder *stage.Folder
	work   *workspace
	find   finding.Sink // for several goroutines
	budget budget

	in          *inputs
	fingerprint string // of in
	ids         *identityMap
	shared      sharedDevices
	spills      []*spill // one a partition; nil where there is nothing to do
	keys        *spill   // records without lines: the keys to decide for all partitions together
	hot         map[uint32]uint32
	written     []*written // by partition; nil where it is not
	summary     Summary
	sums        []stage.Input
	rejected    []string // files of lines set aside
	extra       []eventfile.Info
}

func (r *run) run(ctx context.Context, excluded exclusion) (s Summary, err error) {
	r.budget = newBudget(r.o.Memory, r.o.Jobs, r.o.Rules.Partitions)
	if r.in, err = openInputs(ctx, r.o, r.work, excluded); err != nil {
		return s, err
	}
	if m := r.folder.Finished(); m != nil {
		return r.finished(ctx, m)
	}
	r.fingerprint = r.in.fingerprint()
	r.written = make([]*written, r.o.Rules.Partitions)
	r.o.Meter.SetTotal(r.in.work())
	for _, f := range r.in.findings {
		r.find(f)
	}
	have, err := r.resume()
	if err != nil {
		return s, err
	}
	if have {
		r.o.Meter.Add(0, r.in.work()-stored(r.in.events))
		s, err = r.write(ctx)
		if !errors.Is(err, errDamagedSpill) {
			return s, err
		}
		// The machine has lost power since: start over.
		if err := r.folder.Record(spilledRecord, spilled{}); err != nil {
			return s, err
		}
	}
	if err := r.read(ctx); err != nil {
		return s, err
	}
	return r.write(ctx)
}

// read takes the events to spills.
func (r *run) read(ctx context.Context) error {
	r.summary, r.rejected, r.extra = Summary{}, nil, nil
	if err := r.work.clear(r.in.spooled != ""); err != nil { // what a killed run left
		return err
	}
	if err := r.readIdentities(ctx); err != nil {
		return err
	}
	r.work.limit = r.budget.resident(r.ids.bytes())
	if l := r.o.limits.resident; l != 0 {
		r.work.limit = l
	}
	if err := r.checkDisk(r.work.limit); err != nil {
		return err
	}
	if err := r.spill(ctx); err != nil {
		return err
	}
	if err := r.hotIdentities(); err != nil {
		return err
	}
	var err error
	if r.extra, err = r.shared.write(r.folder); err != nil {
		return err
	}
	r.ids.describe(&r.summary)
	r.summary.HotIdentities, r.summary.IdentityFiles = int64(len(r.hot)), int64(len(r.in.identities))
	r.ids = nil
	r.collect()
	return r.recordSpilled()
}

// write makes partitions of the spills, and finishes the folder.
func (r *run) write(ctx context.Context) (Summary, error) {
	if err := r.writePartitions(ctx); err != nil {
		return Summary{}, err
	}
	files, keep := r.account()
	s := r.summary
	s.Partitions = int64(len(files))
	s.Damaged += int64(len(r.in.findings))
	if !s.Balanced() {
		return s, fmt.Errorf("the account does not balance: read %d, written %d, rejected %d, dropped %d", s.Read, s.Written, s.Rejected, s.Dropped)
	}
	if !s.Hashes.Balanced() {
		return s, errors.New("the events written are not the events read: their hashes differ")
	}
	for _, name := range r.rejected {
		keep[name] = true
	}
	for _, f := range append(files, r.extra...) {
		keep[f.Name] = true
	}
	counts, err := json.Marshal(s)
	if err != nil {
		return s, err
	}
	if err := cmp.Or(r.work.clear(false), ctx.Err()); err != nil {
		return s, err
	}
	return s, r.folder.Finish(stage.Manifest{Inputs: r.sums, Files: files, Extra: r.extra, Counts: counts}, keep)
}

// lockedSink lets several goroutines find something.
func lockedSink(sink finding.Sink) finding.Sink {
	var mu sync.Mutex
	return func(f finding.Finding) {
		mu.Lock()
		defer mu.Unlock()
		sink(f)
	}
}
