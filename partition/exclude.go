package partition

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// exclusion is the events that a validate stage set aside.
type exclusion struct {
	lines map[inputName][]int64 // their numbers, in order
	sums  map[inputName]string  // SHA-256 of all that was validated: the numbers are true for nothing else
}

type inputName struct{ file, member string }

func nameOf(file, member string) inputName {
	if file != "-" {
		if abs, err := filepath.Abs(file); err == nil { // ./a is a
			file = abs
		}
	}
	return inputName{file, member}
}

// readExclusion reads the manifest and the rejected/ files of the folder dir.
func readExclusion(dir string) (x exclusion, err error) {
	if dir == "" {
		return x, nil
	}
	m, err := stage.Load(dir)
	if err != nil {
		return x, err
	}
	if m.Stage != validateStage {
		return x, fmt.Errorf("--exclude %s: a folder of %s, not of validate --set-aside", dir, m.Stage)
	}
	x = exclusion{map[inputName][]int64{}, map[inputName]string{}}
	for i := range m.Inputs {
		x.sums[nameOf(m.Inputs[i].Name, m.Inputs[i].Member)] = m.Inputs[i].SHA256
	}
	rejected := filepath.Join(dir, "rejected")
	err = filepath.WalkDir(rejected, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".ndjson" {
			return err // the others hold, raw, the lines that .ndjson files name
		}
		return x.read(path)
	})
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Stat(rejected); errors.Is(serr, fs.ErrNotExist) {
			return x, nil // nothing was set aside
		}
	}
	if err != nil {
		return x, err
	}
	for name, lines := range x.lines {
		if x.sums[name] == "" {
			return x, fmt.Errorf("%s holds lines of %s, which its manifest.json does not name: the folder was changed, validate again", dir, finding.Printable(name.file))
		}
		slices.Sort(lines)
		x.lines[name] = slices.Compact(lines)
	}
	return x, nil
}

func (x exclusion) read(path string) error {
	set, err := source.Expand([]string{path}, source.Options{})
	if err != nil {
		return err
	}
	for i := range set.Inputs {
		lines, err := set.Inputs[i].LinesOnly()
		if err != nil {
			return err
		}
		defer lines.Close()
		for {
			line, err := lines.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return fmt.Errorf("%s:%d: %w", path, lines.Number(), err)
			}
			p, err := finding.RejectedPlace(line)
			if err != nil {
				return fmt.Errorf("%s:%d: %w", path, lines.Number(), err)
			}
			name := nameOf(p.File, p.Member)
			x.lines[name] = append(x.lines[name], p.Line)
		}
	}
	return nil
}

// match refuses an exclusion that names other inputs, or what they were before:
// what it was to leave out would be sent. Inputs without a known checksum are
// compared when they are read.
func (x exclusion) match(inputs []source.Input) error {
	known := map[inputName]bool{}
	for i := range inputs {
		in := &inputs[i]
		known[nameOf(in.File, in.Member)] = true
		if sum := x.validated(in); sum != "" && in.SHA256 != "" && in.SHA256 != sum {
			return errNotValidated(in)
		}
	}
	for name := range x.lines {
		if !known[name] {
			return fmt.Errorf("the folder given to --exclude set aside events of %s, which is not among the inputs: give what was validated", finding.Printable(name.file))
		}
	}
	return nil
}

// validated is the SHA-256 of an input as it was validated, empty where it was
// not.
func (x exclusion) validated(in *source.Input) string { return x.sums[nameOf(in.File, in.Member)] }

func errNotValidated(in *source.Input) error {
	return fmt.Errorf("%s is not what it was when the folder given to --exclude was written: validate again, and partition into another folder", finding.Printable(in.Place(0).String()))
}

// digest is empty for an exclusion of nothing.
func (x exclusion) digest() string {
	if len(x.lines) == 0 {
		return ""
	}
	h := sha256.New()
	var names []inputName
	for name := range x.lines {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b inputName) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.member, b.member)) })
	for _, name := range names {
		fmt.Fprintf(h, "%q %q %d\n", name.file, name.member, x.lines[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}
