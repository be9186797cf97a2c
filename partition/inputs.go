package partition

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// inputs is what the arguments mean: events, and for some of them files with
// the identities of theirs.
type inputs struct {
	events     []source.Input
	lines      []knownLines // of each of events
	identities []source.Input
	scan       []int // which of events have identities to be found in them
	findings   []finding.Finding
	spooled    string // SHA-256 of standard input
	excluded   exclusion
}

// knownLines is what is known of the lines of an event file before they are
// spilled.
type knownLines struct {
	chain eventfile.Chain // 0: not known
	// vouched tells, as the checksum will prove, that they are JSON that was
	// validated, with no escapes in its keys: convert wrote them, or this command
	// has read them all and found it so.
	vouched bool
	read    bool // by this command, which found that checksum
}

func openInputs(ctx context.Context, o Options, w *workspace, excluded exclusion) (*inputs, error) {
	in := &inputs{excluded: excluded}
	for _, path := range o.Paths {
		stdin := path == "-"
		if stdin {
			if in.spooled != "" {
				return nil, fmt.Errorf("standard input is given twice")
			}
			var err error
			if path, in.spooled, err = w.spool(ctx, o.Stdin); err != nil {
				return nil, err
			}
		}
		set, err := source.Expand([]string{path}, source.Options{Stages: []string{convertStage, validateStage}})
		if err != nil {
			return nil, err
		}
		for i := range set.Inputs {
			if stdin {
				set.Inputs[i].File, set.Inputs[i].SHA256 = "-", in.spooled
			}
		}
		in.findings = append(in.findings, set.Findings...)
		first := len(in.events)
		in.events = append(in.events, set.Inputs...)
		in.lines = append(in.lines, make([]knownLines, len(set.Inputs))...)
		m, err := stage.Load(path)
		if stdin || err != nil { // Expand has seen to a damaged manifest
			m = &stage.Manifest{}
		}
		if m.Stage == validateStage && len(m.Files) == 0 {
			return nil, fmt.Errorf("%s holds no events: validate --fix writes them; what --set-aside wrote is for --exclude", path)
		}
		var identities []source.Input
		if m.Stage == convertStage {
			if identities, err = identityFiles(path, m); err != nil {
				return nil, err
			}
			for i := range m.Files { // in the order of set.Inputs
				in.lines[first+i] = knownLines{chain: m.Files[i].Lines, vouched: true}
			}
		} else if m.Stage == validateStage {
			in.identities = append(in.identities, origins(m.Inputs)...)
		}
		in.identities = append(in.identities, identities...)
		for i := range set.Inputs {
			if len(identities) == 0 {
				in.scan = append(in.scan, first+i)
			}
		}
	}
	return in, in.excluded.match(in.events)
}

// work is how much there is to do: the stored bytes of all that is read, and
// those of the events once more for writing them.
func (in *inputs) work() int64 {
	work := 2*stored(in.events) + stored(in.identities)
	for _, i := range in.scan {
		work += max(0, in.events[i].Size)
	}
	return work
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
			key := list[i].Key()
			if list[i].File == "-" {
				key = "-" // its file is new each time
			}
			fmt.Fprintf(h, "%q\n", key+"\x00"+list[i].SHA256)
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// verifySum reads the rest of an input and compares it with the manifest it is
// in. It returns the bytes stored and their SHA-256.
func verifySum(in *source.Input, lines *source.Lines) (size int64, sum string, err error) {
	size, sum, err = lines.Sum()
	if err == nil && in.SHA256 != "" && in.SHA256 != sum {
		err = errChanged(in)
	}
	return size, sum, err
}

func errChangedMeanwhile(in *source.Input) error {
	return fmt.Errorf("%s was changed while it was read", in.File)
}

func errChanged(in *source.Input) error {
	return fmt.Errorf("%s is not the file its manifest.json describes: the checksums differ", in.File)
}
