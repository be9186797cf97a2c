package validate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"export2batch/internal/source"
)

// guardOutputs refuses to have a file written in place of what is read: over an
// input, or into a stage folder, whose manifest counts its files.
func guardOutputs(outputs []string, set *source.Set) error {
	for _, out := range outputs {
		at, err := resolved(out)
		if err != nil {
			return err
		}
		for _, folder := range set.Folders {
			dir, err := filepath.EvalSymlinks(folder)
			if err == nil {
				dir, err = filepath.Abs(dir)
			}
			if err != nil {
				return err
			}
			if strings.HasPrefix(at, dir+string(filepath.Separator)) {
				return fmt.Errorf("%s would be written into %s, which is validated: give another place", out, folder)
			}
		}
		info, err := os.Stat(at)
		if err != nil {
			continue // it is new
		}
		for i := range set.Inputs {
			if in, err := os.Stat(set.Inputs[i].File); err == nil && os.SameFile(in, info) {
				return fmt.Errorf("%s would be written over %s, which is validated: give another name", out, set.Inputs[i].File)
			}
		}
	}
	return nil
}

// resolved is the absolute path of a file that may be missing, without links to
// folders in it.
func resolved(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		return filepath.Join(dir, filepath.Base(abs)), nil
	}
	return abs, nil
}
