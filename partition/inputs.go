package partition

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// inputs is what the arguments mean: events, and for some of them files with
// the identities of theirs.
type inputs struct {
	events     []source.Input
	identities []source.Input
	scan       []source.Input // the events whose identities have to be found in them
	findings   []finding.Finding
	spooled    bool
	excluded   map[excludedLine]bool
}

type excludedLine struct {
	file, member string
	line         int64
}

func openInputs(o Options, w *workspace) (*inputs, error) {
	in := &inputs{}
	for _, path := range o.Paths {
		if path == "-" {
			spooled, err := w.spool(o.Stdin)
			if err != nil {
				return nil, err
			}
			path, in.spooled = spooled, true
		}
		set, err := source.Expand([]string{path}, source.Options{Stages: []string{"convert"}})
		if err != nil {
			return nil, err
		}
		in.findings = append(in.findings, set.Findings...)
		in.events = append(in.events, set.Inputs...)
		m, err := stage.Load(path)
		if err != nil || len(m.Extra) == 0 { // Expand has seen to a damaged manifest
			in.scan = append(in.scan, set.Inputs...)
			continue
		}
		for _, f := range m.Extra {
			ids, err := source.Expand([]string{filepath.Join(path, filepath.FromSlash(f.Name))}, source.Options{})
			if err != nil {
				return nil, err
			}
			in.identities = append(in.identities, ids.Inputs...)
		}
	}
	if o.Exclude == "" {
		return in, nil
	}
	return in, in.exclude(o.Exclude)
}

// work is how much there is to do: the stored bytes of all that is read, and
// those of the events once more for writing them.
func (in *inputs) work() int64 {
	return 2*stored(in.events) + stored(in.identities) + stored(in.scan)
}

func stored(inputs []source.Input) (bytes int64) {
	for i := range inputs {
		bytes += max(0, inputs[i].Size)
	}
	return bytes
}

// exclude reads which events a validate stage set aside.
func (in *inputs) exclude(dir string) error {
	if _, err := stage.Load(dir); err != nil {
		return err
	}
	in.excluded = map[excludedLine]bool{}
	rejected := filepath.Join(dir, "rejected")
	if _, err := os.Stat(rejected); errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was set aside
	}
	set, err := source.Expand([]string{rejected}, source.Options{})
	if err != nil {
		return err
	}
	for i := range set.Inputs {
		if err := in.excludeFile(&set.Inputs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (in *inputs) excludeFile(file *source.Input) error {
	lines, err := file.Lines()
	if err != nil {
		return err
	}
	defer lines.Close()
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		p, err := finding.RejectedPlace(line)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", file.File, lines.Number(), err)
		}
		in.excluded[excludedLine{p.File, p.Member, p.Line}] = true
	}
}
