package upload

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// partitions is a finished partition folder.
type partitions struct {
	dir      string
	manifest [sha256.Size]byte // of manifest.json
	list     []partition
}

// partition is one of its files.
type partition struct {
	info  eventfile.Info
	name  string // part-0001
	input source.Input
}

func loadPartitions(dir string) (*partitions, error) {
	m, err := stage.Load(dir)
	if err != nil {
		return nil, err
	}
	if m.Stage != "partition" {
		return nil, fmt.Errorf("%s is the result of %s: upload takes that of partition", dir, m.Stage)
	}
	text, err := os.ReadFile(filepath.Join(dir, stage.ManifestName))
	if err != nil {
		return nil, err
	}
	out := &partitions{dir: dir, manifest: sha256.Sum256(text)}
	if len(m.Files) == 0 {
		return out, nil
	}
	set, err := source.Expand([]string{dir}, source.Options{Stages: []string{"partition"}})
	if err != nil {
		return nil, err
	}
	if len(set.Inputs) != len(m.Files) {
		return nil, fmt.Errorf("%s: of %d partitions %d can be read", dir, len(m.Files), len(set.Inputs))
	}
	names := map[string]bool{}
	for i, info := range m.Files {
		name, _, _ := strings.Cut(path.Base(info.Name), ".")
		if name == "" || names[name] {
			return nil, fmt.Errorf("%s: manifest.json has two partitions named %q", dir, name)
		}
		if info.Events < 0 {
			return nil, fmt.Errorf("%s: manifest.json says that %s has %d events", dir, info.Name, info.Events)
		}
		names[name] = true
		out.list = append(out.list, partition{info, name, set.Inputs[i]})
	}
	return out, nil
}

// sizes are the events of each partition.
func (p *partitions) sizes() []int64 {
	out := make([]int64, len(p.list))
	for i := range p.list {
		out[i] = p.list[i].info.Events
	}
	return out
}

// place is where an event stands.
func (p *partition) place(event int64) finding.Place { return p.input.Place(event + 1) }

// verify reads the stored bytes and compares them with the manifest.
func (p *partition) verify(stop func() error) error {
	f, err := os.Open(p.input.File)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, &stoppable{f, stop}); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != p.info.SHA256 {
		return p.changed("its checksum is not the one in manifest.json")
	}
	return nil
}

func (p *partition) changed(how string) error {
	return fmt.Errorf("%s is not the file that partition wrote: %s; put that file back", p.input.File, how)
}

// stoppable is a reader that ends when stop says so.
type stoppable struct {
	io.Reader
	stop func() error
}

func (s *stoppable) Read(b []byte) (int, error) {
	if err := s.stop(); err != nil {
		return 0, err
	}
	return s.Reader.Read(b)
}

// partitionLines reads the events of a partition, numbered from 0.
type partitionLines struct {
	part  *partition
	lines *source.Lines
	next  int64
}

func (p *partition) open() (*partitionLines, error) {
	lines, err := p.input.LinesOnly()
	if err != nil {
		return nil, err
	}
	return &partitionLines{part: p, lines: lines}, nil
}

// read returns the next line, valid until the next call, and io.EOF behind the
// last event that the manifest counts.
func (l *partitionLines) read() (line []byte, index int64, err error) {
	line, err = l.lines.Next()
	var damaged *source.DamageError
	switch {
	case err == io.EOF:
		if l.next != l.part.info.Events {
			return nil, 0, l.part.changed(fmt.Sprintf("it has %d events where manifest.json says %d", l.next, l.part.info.Events))
		}
		return nil, 0, io.EOF
	case err == source.ErrTooLong:
		return nil, 0, fmt.Errorf("%s: %w: no partition has one", l.part.place(l.next), err)
	case errors.As(err, &damaged):
		return nil, 0, l.part.changed(damaged.Reason)
	case err != nil:
		return nil, 0, err
	case l.next == l.part.info.Events:
		return nil, 0, l.part.changed(fmt.Sprintf("it has more than the %d events of manifest.json", l.next))
	}
	l.next++
	return line, l.next - 1, nil
}

func (l *partitionLines) close() error { return l.lines.Close() }
