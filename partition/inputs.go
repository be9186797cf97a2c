package partition

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// inputs is what the arguments mean: events, and for some of them files with
// the identities of theirs.
type inputs struct {
	events     []source.Input
	identities []source.Input
	scan       []source.Input             // the events whose identities have to be found in them
	lines      map[string]eventfile.Chain // of event files, where a manifest names it
	findings   []finding.Finding
	spooled    string // SHA-256 of standard input
	excluded   exclusion
}

func openInputs(o Options, w *workspace, excluded exclusion) (*inputs, error) {
	in := &inputs{excluded: excluded, lines: map[string]eventfile.Chain{}}
	for _, path := range o.Paths {
		stdin := path == "-"
		if stdin {
			if in.spooled != "" {
				return nil, fmt.Errorf("standard input is given twice")
			}
			var err error
			if path, in.spooled, err = w.spool(o.Stdin); err != nil {
				return nil, err
			}
		}
		set, err := source.Expand([]string{path}, source.Options{Stages: []string{"convert"}})
		if err != nil {
			return nil, err
		}
		for i := range set.Inputs {
			if stdin {
				set.Inputs[i].File = "-"
			}
		}
		in.findings = append(in.findings, set.Findings...)
		in.events = append(in.events, set.Inputs...)
		m, err := stage.Load(path)
		if stdin || err != nil || len(m.Extra) == 0 { // Expand has seen to a damaged manifest
			in.scan = append(in.scan, set.Inputs...)
			continue
		}
		for _, f := range m.Files {
			in.lines[filepath.Join(path, filepath.FromSlash(f.Name))] = f.Lines
		}
		for _, f := range m.Extra {
			name := filepath.Join(path, filepath.FromSlash(f.Name))
			ids, err := source.Expand([]string{name}, source.Options{})
			if err != nil {
				return nil, err
			}
			if len(ids.Inputs) != 1 || ids.Inputs[0].Size != f.Bytes {
				return nil, fmt.Errorf("%s is not the file that manifest.json describes: the folder was changed", name)
			}
			ids.Inputs[0].SHA256 = f.SHA256
			in.identities = append(in.identities, ids.Inputs[0])
		}
	}
	return in, in.excluded.match(in.events)
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

// fingerprint names the inputs and their state: what was done with others is of
// no use.
func (in *inputs) fingerprint() string {
	h := sha256.New()
	for _, list := range [][]source.Input{in.events, in.identities} {
		for i := range list {
			key := list[i].Key() + "\x00" + list[i].SHA256
			if list[i].File == "-" {
				key = "-\x00" + in.spooled
			}
			fmt.Fprintf(h, "%q\n", key)
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// same tells whether a finished folder was made of these inputs, as far as can
// be told without reading them.
func (in *inputs) same(list []stage.Input) bool {
	if len(list) != len(in.events) {
		return false
	}
	for i := range list {
		e := &in.events[i]
		sum := e.SHA256
		if e.File == "-" {
			sum = in.spooled
		}
		if list[i].Name != e.File || list[i].Member != e.Member || list[i].Size != e.Size && e.Size >= 0 || sum != "" && list[i].SHA256 != sum {
			return false
		}
	}
	return true
}

// open opens an event file. Known is what its manifest says of its lines, 0
// where SHA-256 has to be reckoned.
func (in *inputs) open(input *source.Input) (lines *source.Lines, known eventfile.Chain, err error) {
	if known = in.lines[input.File]; known != 0 {
		lines, err = input.LinesOnly()
	} else {
		lines, err = input.Lines()
	}
	return lines, known, err
}

// verifySum reads the rest of an input and compares it with the manifest it is
// in.
func verifySum(in *source.Input, lines *source.Lines, sum *stage.Input) error {
	size, sha, err := lines.Sum()
	if err != nil {
		return err
	}
	if in.SHA256 != "" && in.SHA256 != sha {
		return errChanged(in)
	}
	if sum != nil {
		*sum = stage.Input{Name: in.File, Member: in.Member, Size: size, SHA256: sha}
	}
	return nil
}

func errChanged(in *source.Input) error {
	return fmt.Errorf("%s is not the file its manifest.json describes: the checksums differ", in.File)
}
