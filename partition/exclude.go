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

// exclusion is the events that a validate stage set aside: the numbers of their
// lines, in order.
type exclusion map[inputName][]int64

type inputName struct{ file, member string }

func nameOf(file, member string) inputName {
	if file != "-" {
		if abs, err := filepath.Abs(file); err == nil { // ./a is a
			file = abs
		}
	}
	return inputName{file, member}
}

// readExclusion reads the rejected/ files of the folder dir.
func readExclusion(dir string) (exclusion, error) {
	x := exclusion{}
	if dir == "" {
		return x, nil
	}
	if _, err := stage.Load(dir); err != nil {
		return nil, err
	}
	rejected := filepath.Join(dir, "rejected")
	err := filepath.WalkDir(rejected, func(path string, d fs.DirEntry, err error) error {
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
		return nil, err
	}
	for name, lines := range x {
		slices.Sort(lines)
		x[name] = slices.Compact(lines)
	}
	return x, nil
}

func (x exclusion) read(path string) error {
	set, err := source.Expand([]string{path}, source.Options{})
	if err != nil {
		return err
	}
	for i := range set.Inputs {
		lines, err := set.Inputs[i].Lines()
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
			x[name] = append(x[name], p.Line)
		}
	}
	return nil
}

// match refuses an exclusion that names other inputs: what it was to leave out
// would be sent.
func (x exclusion) match(inputs []source.Input) error {
	known := map[inputName]bool{}
	for i := range inputs {
		known[nameOf(inputs[i].File, inputs[i].Member)] = true
	}
	for name := range x {
		if !known[name] {
			return fmt.Errorf("the folder given to --exclude set aside events of %s, which is not among the inputs: give what was validated", finding.Printable(name.file))
		}
	}
	return nil
}

// digest is empty for an exclusion of nothing.
func (x exclusion) digest() string {
	if len(x) == 0 {
		return ""
	}
	h := sha256.New()
	var names []inputName
	for name := range x {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b inputName) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.member, b.member)) })
	for _, name := range names {
		fmt.Fprintf(h, "%q %q %d\n", name.file, name.member, x[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}
