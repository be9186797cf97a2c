package partition

import (
	"fmt"
	"path/filepath"

	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// Stages whose folders hold event files. Only convert writes identity files.
const (
	convertStage  = "convert"
	validateStage = "validate"
)

// identityFiles lists the identity files of a folder of convert.
func identityFiles(dir string, m *stage.Manifest) ([]source.Input, error) {
	var files []source.Input
	for _, f := range m.Extra {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		set, err := source.Expand([]string{name}, source.Options{})
		if err != nil {
			return nil, err
		}
		if len(set.Inputs) != 1 || set.Inputs[0].Size != f.Bytes {
			return nil, fmt.Errorf("%s is not the file that manifest.json describes: the folder was changed", name)
		}
		set.Inputs[0].SHA256 = f.SHA256
		files = append(files, set.Inputs[0])
	}
	return files, nil
}

// origins lists the identity files of the folders of convert that the inputs of
// a finished stage were in, or were made of by validate, as far as those are
// still there and hold what they held.
func origins(inputs []stage.Input) (files []source.Input) {
	o := originFinder{known: map[string]*origin{}}
	o.add(inputs)
	for _, dir := range o.folders {
		if f := o.known[dir]; f != nil {
			if found, err := identityFiles(dir, f.m); err == nil {
				files = append(files, found...)
			}
		}
	}
	return files
}

type originFinder struct {
	known   map[string]*origin // by folder; nil: none that helps
	folders []string           // of convert
}

type origin struct {
	m    *stage.Manifest
	sums map[string]string // SHA-256 of its event files
}

func (o *originFinder) add(inputs []stage.Input) {
	for i := range inputs {
		in := &inputs[i]
		for dir := filepath.Dir(in.Name); ; dir = filepath.Dir(dir) {
			f := o.folder(dir)
			if f != nil && f.m.Stage == convertStage && f.sums[filepath.Clean(in.Name)] != in.SHA256 {
				o.known[dir] = nil // it was made anew
			}
			if f != nil || dir == filepath.Dir(dir) {
				break
			}
		}
	}
}

func (o *originFinder) folder(dir string) *origin {
	f, ok := o.known[dir]
	if ok {
		return f
	}
	m, err := stage.Load(dir)
	if err != nil || m.Stage != convertStage && m.Stage != validateStage {
		o.known[dir] = nil
		return nil
	}
	f = &origin{m: m, sums: map[string]string{}}
	o.known[dir] = f
	if m.Stage == validateStage {
		o.add(m.Inputs)
		return f
	}
	o.folders = append(o.folders, dir)
	for _, file := range m.Files {
		f.sums[filepath.Join(dir, filepath.FromSlash(file.Name))] = file.SHA256
	}
	return f
}
