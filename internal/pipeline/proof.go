package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
	"export2batch/internal/progress"
	"export2batch/internal/source"
)

// Proof compares the sandbox's ledger with the converted events. An event is
// known by its device_id and insert_id, as Amplitude deduplicates them.
type Proof struct {
	// Events is how many different events were expected.
	Events int64 `json:"events"`
	// Missing events were converted and neither accepted nor set aside; Extra
	// ones were accepted and not converted.
	Missing int64 `json:"missing"`
	Extra   int64 `json:"extra"`
	// OutOfOrder events were accepted before an event that stands earlier in
	// their partition and has the same user_id or device_id.
	OutOfOrder int64 `json:"out_of_order"`
}

// Holds tells whether what arrived is what was exported.
func (p Proof) Holds() bool { return p.Missing == 0 && p.Extra == 0 && p.OutOfOrder == 0 }

// eventKey is a hash of device_id and insert_id.
type eventKey [16]byte

// prover has the ledger in memory, 40 bytes an event.
type prover struct {
	o        *Options
	ledger   []accepted // by key
	expected []bool     // of ledger: converted
	missing  map[eventKey]bool
	excused  map[eventKey]bool // set aside by upload or by partition
	skipped  map[linePlace]bool
	proof    Proof
}

type accepted struct {
	key eventKey
	seq int64
}

type linePlace struct {
	file string
	line int64
}

func (o *Options) prove(ctx context.Context) (*Proof, error) {
	p := &prover{o: o, missing: map[eventKey]bool{}, excused: map[eventKey]bool{}, skipped: map[linePlace]bool{}}
	_, err := o.Stage("proof", func(m *progress.Meter) error {
		for _, step := range []func(context.Context, *progress.Meter) error{p.readLedger, p.readAside, p.matchConverted, p.checkOrder} {
			if err := step(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for key := range p.missing {
		if !p.excused[key] {
			p.proof.Missing++
			p.proof.Events++
		}
	}
	for _, expected := range p.expected {
		if expected {
			p.proof.Events++
		} else {
			p.proof.Extra++
		}
	}
	o.Done(&p.proof)
	return &p.proof, nil
}

// readLedger reads what the sandbox accepted, duplicates left out.
func (p *prover) readLedger(ctx context.Context, m *progress.Meter) error {
	path := filepath.Join(p.o.folder(sandboxFolder), "ledger.ndjson")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was accepted
	}
	err := eachLine(ctx, []string{path}, func(_ finding.Place, line []byte) error {
		f, err := scan(line)
		if err != nil {
			return err
		}
		if string(f.duplicate) == "true" {
			return nil
		}
		seq, err := strconv.ParseInt(string(f.seq), 10, 64)
		if err != nil {
			return err
		}
		p.ledger = append(p.ledger, accepted{f.key(), seq})
		m.Add(1, 0)
		return nil
	})
	slices.SortFunc(p.ledger, func(a, b accepted) int {
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.seq, b.seq))
	})
	p.expected = make([]bool, len(p.ledger))
	return err
}

// find returns the place of an event in the ledger.
func (p *prover) find(key eventKey) (int, bool) {
	return slices.BinarySearchFunc(p.ledger, key, func(a accepted, k eventKey) int { return bytes.Compare(a.key[:], k[:]) })
}

func (p *prover) expect(key eventKey) {
	if i, ok := p.find(key); ok {
		p.expected[i] = true
	} else {
		p.missing[key] = true
	}
}

// readAside reads what the stages set aside: lines of event files left out
// before the upload, and events that the server refused.
func (p *prover) readAside(ctx context.Context, _ *progress.Meter) error {
	for _, folder := range []string{validateFolder, partitionFolder, uploadFolder} {
		dir := filepath.Join(p.o.folder(folder), "rejected")
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		err := eachLine(ctx, []string{dir}, func(_ finding.Place, line []byte) error {
			r, err := readRejected(line)
			if err != nil {
				return err
			}
			if folder == uploadFolder {
				p.excused[r.event.key()] = true
				return nil
			}
			if r.newID == nil {
				p.skipped[linePlace{r.place.File, r.place.Line}] = true
				return nil
			}
			// The event was sent under an id that partition made for it.
			p.skipped[linePlace{r.place.File, r.place.Line}] = true
			r.event.insertID = r.newID
			p.expect(r.event.key())
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// matchConverted looks for every converted event in the ledger.
func (p *prover) matchConverted(ctx context.Context, m *progress.Meter) error {
	return eachLine(ctx, []string{p.o.folder(convertFolder)}, func(at finding.Place, line []byte) error {
		if len(p.skipped) > 0 && p.skipped[linePlace{at.File, at.Line}] {
			return nil
		}
		f, err := scan(line)
		if err != nil {
			return err
		}
		p.expect(f.key())
		m.Add(1, 0)
		return nil
	})
}

// checkOrder follows each partition, which was sent in its order.
func (p *prover) checkOrder(ctx context.Context, m *progress.Meter) error {
	last := map[string]int64{}
	file := ""
	return eachLine(ctx, []string{p.o.folder(partitionFolder)}, func(at finding.Place, line []byte) error {
		if at.File != file {
			file = at.File
			clear(last)
		}
		f, err := scan(line)
		if err != nil {
			return err
		}
		i, ok := p.find(f.key())
		if !ok {
			return nil // missing, or set aside
		}
		seq := p.ledger[i].seq
		early := false
		for kind, id := range [][]byte{f.userID, f.deviceID} {
			if id == nil {
				continue
			}
			name := string(append([]byte{byte(kind)}, id...))
			early = early || seq < last[name]
			last[name] = max(last[name], seq)
		}
		if early {
			p.proof.OutOfOrder++
		}
		m.Add(1, 0)
		return nil
	})
}

// ids are the parts of an event or a ledger line that the proof looks at;
// strings are decoded, absent and null are nil.
type ids struct {
	userID, deviceID, insertID []byte
	seq, duplicate             []byte
}

func scan(line []byte) (f ids, err error) {
	fields, err := jsonscan.Fields(nil, line)
	if err != nil {
		return f, err
	}
	for i := range fields {
		fd := &fields[i]
		var to *[]byte
		switch string(fd.Key(line)) {
		case "user_id":
			to = &f.userID
		case "device_id":
			to = &f.deviceID
		case "insert_id":
			to = &f.insertID
		case "seq":
			f.seq = fd.Value(line)
		case "duplicate":
			f.duplicate = fd.Value(line)
		}
		if to != nil && fd.Kind == jsonscan.String {
			*to = fd.Value(line)[1 : fd.End-fd.Start-1]
			if fd.Escaped {
				*to = jsonscan.AppendUnquoted(nil, fd.Value(line))
			}
		}
	}
	return f, nil
}

func (f *ids) key() eventKey {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(f.deviceID)))
	sum := sha256.Sum256(slices.Concat(n[:], f.deviceID, f.insertID))
	return eventKey(sum[:16])
}

// eachLine calls f with every line of the inputs that paths name.
func eachLine(ctx context.Context, paths []string, f func(finding.Place, []byte) error) error {
	set, err := source.Expand(paths, source.Options{Stages: []string{"convert", "partition"}})
	if err != nil {
		return err
	}
	for i := range set.Inputs {
		if err := eachInputLine(ctx, &set.Inputs[i], f); err != nil {
			return err
		}
	}
	return nil
}

func eachInputLine(ctx context.Context, in *source.Input, f func(finding.Place, []byte) error) error {
	lines, err := in.LinesOnly()
	if err != nil {
		return err
	}
	defer lines.Close()
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil && lines.Number()&1023 == 0 {
			err = ctx.Err()
		}
		if err == nil {
			err = f(in.Place(lines.Number()), line)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", in.Place(lines.Number()), err)
		}
	}
}
