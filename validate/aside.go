package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/rejected"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// setAside writes the stage folder with the events that have a finding of
// severity error:
//
//	events/NAME.ndjson.zst    only with Options.Fix: the events without errors
//	rejected/NAME.ndjson      a line for each, as finding.AppendRejected writes
//	                          it; its line is that of the event file
//	rejected/NAME.line-N.raw  a line over source.LongLine, as it was; of an
//	                          array or request, an event over source.MaxLine:
//	                          NAME.line-N.event-I.raw
//	manifest.json             the inputs and the summary
//
// NAME is the input's source.Input.Name; an input without such events has no
// file. A run that was stopped starts from the beginning: findings must be
// told again anyway. Into a folder that is finished nothing is written, but its
// inputs must be the same. A nil setAside takes everything and keeps nothing.
type setAside struct {
	folder   *stage.Folder
	was      *stage.Manifest // of a finished folder
	inputs   []stage.Input   // read so far
	keep     map[string]bool
	files    []eventfile.Info
	copy     *eventfile.Writer     // of the input being delivered, for --fix
	compress eventfile.Compression // of the copies; empty: there are none
	file     *rejected.File        // of the input being delivered; nil without events
}

// identity is the part of the options that changes what is set aside.
type identity struct {
	MinIDLength  int               `json:"min_id_length"`
	Rules        map[string]string `json:"rules,omitempty"`
	Schemas      []string          `json:"schemas,omitempty"`
	EventSchemas string            `json:"event_schemas,omitempty"`
	Fix          string            `json:"fix,omitempty"` // the compression of the copy
}

func (o *Options) identity() identity {
	id := identity{MinIDLength: o.MinIDLength, Rules: o.Rules, EventSchemas: o.EventSchemas}
	if !slices.Equal(o.Schemas, []string{SchemaBatch}) {
		id.Schemas = o.Schemas
	}
	if o.Fix != "" {
		id.Fix = string(o.Compress)
	}
	return id
}

func openAside(o *Options, inputs []source.Input) (*setAside, error) {
	path := o.SetAside + o.Fix
	if path == "" {
		return nil, nil
	}
	folder, err := stage.Begin(o.FS, path, stage.Identity{
		Stage: StageName, Version: o.Version, Options: o.identity(),
	})
	if err != nil {
		return nil, err
	}
	a := &setAside{folder: folder, was: folder.Finished(), keep: map[string]bool{}, files: []eventfile.Info{}}
	if o.Fix != "" {
		a.compress = o.Compress
	}
	if a.was == nil {
		return a, nil
	}
	if !source.Same(a.was.Inputs, inputs) {
		a.close()
		return nil, a.otherInputs()
	}
	return a, nil
}

func (a *setAside) otherInputs() error {
	return fmt.Errorf("%s holds the finished result of other inputs: give another folder, or remove it", a.folder.Path)
}

// idle tells that nothing is to be written.
func (a *setAside) idle() bool { return a == nil || a.was != nil }

// fixes tells that a copy of the good events is wanted.
func (a *setAside) fixes() bool { return a != nil && a.compress != "" }

// write keeps what a result sets aside, and copies the rest.
func (a *setAside) write(in *source.Input, r *result) (err error) {
	if a.idle() {
		return nil
	}
	if a.fixes() {
		if err := a.writeCopy(in, r); err != nil {
			return err
		}
	}
	if len(r.aside) == 0 {
		return nil
	}
	for _, name := range r.kept {
		a.keep[name] = true
	}
	if a.file == nil {
		a.file = rejected.For(a.folder, in)
	}
	_, err = a.file.Write(r.aside)
	return err
}

// add adds a line to what the result sets aside. A long one is kept as it is:
// quoted it could take twice its memory. It is called by readers and checkers.
func (a *setAside) add(r *result, in *source.Input, p finding.Place, rule, reason string, line []byte) error {
	switch {
	case a.idle():
		return nil
	case len(line) <= source.LongLine:
		r.aside = finding.AppendRejected(r.aside, p, rule, reason, line)
		return nil
	}
	kept, err := rejected.KeepLine(a.folder, in, p.Line, line)
	if err != nil {
		return err
	}
	r.kept = append(r.kept, kept)
	r.aside = finding.AppendRejectedRaw(r.aside, p, rule, reason+": the line is kept in "+kept, kept)
	return nil
}

func (a *setAside) writeCopy(in *source.Input, r *result) (err error) {
	if a.copy == nil {
		name := "events/" + in.Name + a.compress.Suffix()
		if in.SHA256 != "" { // the file of a stage folder, which has the same place there
			name = in.Name + a.compress.Suffix()
		}
		if a.copy, err = eventfile.Create(a.folder.FS, a.folder.File(name), name, a.compress); err != nil {
			return err
		}
	}
	for _, ms := range r.times {
		if ms == untimed {
			a.copy.CountUntimed()
		} else {
			a.copy.Count(ms)
		}
	}
	return a.copy.Write(r.fixed)
}

// endInput makes durable what was set aside of an input.
func (a *setAside) endInput(in stage.Input) error {
	if a == nil {
		return nil
	}
	a.inputs = append(a.inputs, in)
	if a.was != nil {
		if was := a.was.Inputs[len(a.inputs)-1]; was.SHA256 != in.SHA256 {
			return a.otherInputs()
		}
	}
	if a.copy != nil {
		info, err := a.copy.Commit()
		if err != nil {
			return err
		}
		a.files = append(a.files, info)
		a.keep[info.Name] = true
		a.copy = nil
	}
	if a.file == nil {
		return nil
	}
	name, err := a.file.Commit()
	a.keep[name] = true
	a.file = nil
	return err
}

// copyLong reads past a line over source.MaxLine and returns its length and
// the file it is kept in, if it is. It is called by the readers of inputs.
func (a *setAside) copyLong(lines *source.Lines, in *source.Input) (size int64, kept string, err error) {
	if a.idle() {
		size, err = lines.CopyLong(io.Discard)
		return size, "", exceptDamage(err)
	}
	return rejected.CopyLong(a.folder, lines, in)
}

// create starts a file of the folder; name has slashes.
func (a *setAside) create(name string) (*durable.File, error) {
	return durable.Create(a.folder.FS, a.folder.File(name))
}

// exceptDamage passes over damage, which the next line shows again.
func exceptDamage(err error) error {
	if errors.As(err, new(*source.DamageError)) {
		return nil
	}
	return err
}

// finish writes the manifest.
func (a *setAside) finish(s *Summary) error {
	if a.idle() {
		return nil
	}
	counts, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return a.folder.Finish(stage.Manifest{Inputs: a.inputs, Files: a.files, Counts: counts}, a.keep)
}

func (a *setAside) close() {
	if a == nil {
		return
	}
	if a.file != nil {
		a.file.Abort()
		a.file = nil
	}
	if a.copy != nil {
		a.copy.Abort()
		a.copy = nil
	}
	// What must last is durable by now: this only lets other commands in.
	a.folder.Close()
}
