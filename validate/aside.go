package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// setAside writes the stage folder with the events that have a finding of
// severity error:
//
//	rejected/NAME.ndjson      a line for each, as finding.AppendRejected writes
//	                          it; its line is that of the event file
//	rejected/NAME.line-N.raw  a line over 32 MiB, as it was
//	manifest.json             the inputs and the summary
//
// NAME is the input's source.Input.Name; an input without such events has no
// file. A run that was stopped starts from the beginning: findings must be
// told again anyway. Into a folder that is finished nothing is written, but its
// inputs must be the same. A nil setAside takes everything and keeps nothing.
type setAside struct {
	folder *stage.Folder
	was    *stage.Manifest // of a finished folder
	inputs []stage.Input   // read so far
	keep   map[string]bool
	file   *durable.File // of the input being delivered; nil without events
}

// identity is the part of the options that changes what is set aside.
type identity struct {
	MinIDLength int               `json:"min_id_length"`
	Rules       map[string]string `json:"rules,omitempty"`
}

func openAside(o *Options, inputs []source.Input) (*setAside, error) {
	if o.SetAside == "" {
		return nil, nil
	}
	folder, err := stage.Begin(o.FS, o.SetAside, stage.Identity{
		Stage: StageName, Version: o.Version, Options: identity{o.MinIDLength, o.Rules},
	})
	if err != nil {
		return nil, err
	}
	a := &setAside{folder: folder, was: folder.Finished(), keep: map[string]bool{}}
	if a.was == nil {
		return a, nil
	}
	same := len(a.was.Inputs) == len(inputs)
	for i := 0; same && i < len(inputs); i++ {
		was, is := &a.was.Inputs[i], &inputs[i]
		same = was.Name == is.File && was.Member == is.Member && (is.Size < 0 || was.Size == is.Size)
	}
	if !same {
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

// write keeps what a result sets aside.
func (a *setAside) write(in *source.Input, r *result) (err error) {
	if a.idle() || len(r.aside) == 0 {
		return nil
	}
	if r.kept != "" {
		a.keep[r.kept] = true
	}
	if a.file == nil {
		name := "rejected/" + in.Name + ".ndjson"
		if a.file, err = durable.Create(a.folder.FS, a.folder.File(name)); err != nil {
			return err
		}
		a.keep[name] = true
	}
	_, err = a.file.Write(r.aside)
	return err
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
	if a.file == nil {
		return nil
	}
	err := a.file.Commit()
	a.file = nil
	return err
}

// copyLong reads past a line over source.MaxLine and returns its length and
// the file it is kept in, if it is. It is called by the readers of inputs.
func (a *setAside) copyLong(lines *source.Lines, in *source.Input, line int64) (size int64, kept string, err error) {
	if a.idle() {
		size, err = lines.CopyLong(io.Discard)
		return size, "", exceptDamage(err)
	}
	kept = fmt.Sprintf("rejected/%s.line-%d.raw", in.Name, line)
	f, err := durable.Create(a.folder.FS, a.folder.File(kept))
	if err != nil {
		return 0, "", err
	}
	defer f.Abort()
	if size, err = lines.CopyLong(f); exceptDamage(err) != nil {
		return 0, "", err
	}
	return size, kept, f.Commit()
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
	return a.folder.Finish(stage.Manifest{Inputs: a.inputs, Files: []eventfile.Info{}, Counts: counts}, a.keep)
}

func (a *setAside) close() {
	if a == nil {
		return
	}
	if a.file != nil {
		a.file.Abort()
		a.file = nil
	}
	// What must last is durable by now: this only lets other commands in.
	a.folder.Close()
}
