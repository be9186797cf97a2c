package upload

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sort"

	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
	"export2batch/internal/stage"
)

const retryDir = "retry"

// round is one sending of everything that was set aside before: the folders
// STATE/retry/NNN, written as partition would, and STATE/retry/NNN.upload.
func round(state string, n int) (dir, roundState string) {
	dir = filepath.Join(state, retryDir, fmt.Sprintf("%03d", n))
	return dir, dir + ".upload"
}

// lastRound is the number of the latest round that is written, 0 for none.
func lastRound(state string) (int, error) {
	for n := 1; ; n++ {
		dir, _ := round(state, n)
		_, err := stage.Load(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, stage.ErrNotStage), errors.Is(err, stage.ErrUnfinished):
			return n - 1, nil
		case err != nil:
			return 0, err
		}
	}
}

// retryStatus is the account of the rounds, each inside the one before; nil
// when there is none.
func retryStatus(state string) (*Status, error) {
	last, err := lastRound(state)
	if err != nil {
		return nil, err
	}
	var out *Status
	for n := last; n > 0; n-- {
		dir, roundState := round(state, n)
		s, err := ReadStatus(dir, roundState)
		if isNoState(err) { // written, and not begun
			m, merr := stage.Load(dir)
			if err = merr; err == nil {
				for _, f := range m.Files {
					s.Read += f.Events
				}
				s.Pending, s.State = s.Read, roundState
			}
		}
		if err != nil {
			return nil, err
		}
		s.Retry, out = out, &s
	}
	return out, nil
}

// Again sends what an upload set aside, as it now stands in STATE/rejected,
// where the field "text" may have been mended: Options are those of the upload.
// An upload that is not complete is refused. What is set aside once more can be
// mended in STATE/retry/NNN.upload/rejected and is sent by the next call;
// stopped, the same call goes on. Where texts were mended meanwhile it begins
// anew if nothing of the round was taken, and is refused else. Everything that
// Run guarantees holds for each round, but for the order against events that
// were accepted before.
func Again(ctx context.Context, o Options) (Status, error) {
	if err := o.Validate(); err != nil {
		return Status{}, err
	}
	plain := o
	o = o.withDefaults()
	if t, ok := o.Transport.(*http.Transport); ok {
		t.CloseIdleConnections() // only Run of the round sends
	}
	dest, err := parseDestination(o.URL)
	if err != nil {
		return Status{}, err
	}
	parts, err := loadPartitions(o.Dir)
	if err != nil {
		return Status{}, err
	}
	if _, err := peekFolder(parts, o.State); err != nil {
		return Status{}, err // a new state folder must not be made for this
	}
	f, err := openFolder(o, parts, dest)
	if err != nil {
		return Status{}, err
	}
	err = sendRound(ctx, plain, o, parts, f)
	if cerr := f.close(); err == nil {
		err = cerr
	}
	s, serr := ReadStatus(o.Dir, o.State)
	return s, also(err, serr)
}

func sendRound(ctx context.Context, plain, o Options, parts *partitions, f *folder) error {
	if sum := f.state.summary(); !sum.Complete() {
		return fmt.Errorf("%d events of the upload are pending: let upload send them first (%w)", sum.Pending, ErrIncomplete)
	}
	last, err := lastRound(o.State)
	if err != nil {
		return err
	}
	from, n := asideOf{parts, f.state, filepath.Join(f.path, rejectedDir)}, 1
	for ; n <= last; n++ {
		dir, roundState := round(o.State, n)
		of, begun, err := readRound(dir, roundState)
		if err != nil {
			return err
		}
		if begun && len(of.state.pending()) == 0 {
			from = of
			continue
		}
		same, err := from.standsIn(of.parts)
		if err != nil {
			return err
		}
		if same {
			return runRound(ctx, plain, dir, roundState)
		}
		if begun && !of.state.tookNothing() {
			return fmt.Errorf("%s was mended after %s was begun, of which events were taken: put the texts back that partitions/ there has, let retry end, and mend in %s what is set aside again",
				from.rejected, dir, filepath.Join(roundState, rejectedDir))
		}
		o.Log.Info("texts were mended since the retry was begun, and nothing of it was taken: it begins anew", "retry", dir)
		if err := errors.Join(discard(roundState), discard(dir)); err != nil {
			return err
		}
		break
	}
	if from.state.summary().Rejected == 0 {
		return nil
	}
	dir, roundState := round(o.State, n)
	if err := writeRound(o, from, dir, n); err != nil {
		return err
	}
	return runRound(ctx, plain, dir, roundState)
}

// discard removes a folder under another name, so that a kill leaves nothing of
// it where it was.
func discard(dir string) error {
	gone := dir + ".discarded"
	if err := os.RemoveAll(gone); err != nil { // of a killed run
		return err
	}
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(gone)
}

// asideOf is what an upload or a round set aside.
type asideOf struct {
	parts    *partitions
	state    *state
	rejected string // the folder
}

// readRound reads a round that is written, and begun or not.
func readRound(dir, roundState string) (of asideOf, begun bool, err error) {
	of = asideOf{rejected: filepath.Join(roundState, rejectedDir)}
	if of.parts, err = loadPartitions(dir); err != nil {
		return of, false, err
	}
	f, err := peekFolder(of.parts, roundState)
	if isNoState(err) {
		return of, false, nil
	}
	if err != nil {
		return of, false, err
	}
	of.state = f.state
	return of, true, nil
}

// each gives the set-aside events of each partition, as they now stand.
func (of asideOf) each(f func(p *partition, lines [][]byte) error) error {
	for i := range of.parts.list {
		list := of.state.parts[i].rejects
		if len(list) == 0 {
			continue
		}
		p := &of.parts.list[i]
		lines, err := mended(filepath.Join(of.rejected, p.name+".ndjson"), list)
		if err != nil {
			return err
		}
		if err := f(p, lines); err != nil {
			return err
		}
	}
	return nil
}

// standsIn tells whether a round that was made of it has the texts as they now
// stand.
func (of asideOf) standsIn(parts *partitions) (same bool, err error) {
	rest := parts.list
	err = of.each(func(p *partition, lines [][]byte) error {
		if len(rest) == 0 || rest[0].name != p.name || rest[0].info.Events != int64(len(lines)) {
			return errMended
		}
		written, err := rest[0].open()
		if err != nil {
			return err
		}
		defer written.close()
		rest = rest[1:]
		for _, want := range lines {
			if line, _, err := written.read(); err != nil {
				return err
			} else if !bytes.Equal(line, want) {
				return errMended
			}
		}
		return nil
	})
	if errors.Is(err, errMended) {
		return false, nil
	}
	return err == nil, err
}

var errMended = errors.New("mended since")

func runRound(ctx context.Context, o Options, dir, state string) error {
	o.Dir, o.State, o.again = dir, state, true
	_, err := Run(ctx, o)
	return err
}

// writeRound makes a partition folder of what was set aside, in the order of
// the partitions.
func writeRound(o Options, from asideOf, dir string, n int) error {
	out, err := stage.Begin(o.FS, dir, stage.Identity{Stage: "partition", Version: o.Version, Options: map[string]int{"retry": n}})
	if err != nil {
		return err
	}
	defer out.Close() // its lock only; Finish has closed all that was written
	counts := stage.Counts{}
	keep := map[string]bool{}
	var m stage.Manifest
	err = from.each(func(p *partition, lines [][]byte) error {
		info, err := writeEvents(o, out, "partitions/"+p.name+eventfile.Zstd.Suffix(), lines)
		if err != nil {
			return err
		}
		counts.Read += info.Events
		counts.Written += info.Events
		keep[info.Name] = true
		m.Files = append(m.Files, info)
		return nil
	})
	if err != nil {
		return err
	}
	if m.Counts, err = json.Marshal(counts); err != nil {
		return err
	}
	return out.Finish(m, keep)
}

func writeEvents(o Options, out *stage.Folder, name string, lines [][]byte) (eventfile.Info, error) {
	w, err := eventfile.Create(o.FS, out.File(name), name, eventfile.Zstd)
	if err != nil {
		return eventfile.Info{}, err
	}
	defer w.Abort()
	for _, l := range lines {
		if err := w.Write(append(l, '\n')); err != nil {
			return eventfile.Info{}, err
		}
		var e struct {
			Time int64 `json:"time"`
		}
		json.Unmarshal(l, &e) // what is no event is set aside again
		w.Count(e.Time)
	}
	return w.Commit()
}

// mended reads the set-aside events of a partition as they now stand, in the
// order of the partition.
func mended(path string, list []rejected) ([][]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	want := wanted(list)
	type mendedLine struct {
		event int64
		text  []byte
	}
	var lines []mendedLine
	in := bufio.NewReader(file)
	for n := int64(1); len(want) > 0; n++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(bytes.TrimSpace(line)) == 0 {
			return nil, fmt.Errorf("%s: %d of the %d events that were set aside are no longer there: put their lines back, mended or not", path, len(want), len(list))
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		place := finding.Place{File: path, Line: n}
		event := rejectedEvent(bytes.TrimRight(line, "\r\n"))
		if _, ok := want[event]; !ok {
			return nil, fmt.Errorf("%s: not a line that upload set aside, or one for the second time", place)
		}
		delete(want, event)
		var e struct {
			Text   *string `json:"text"`
			Base64 []byte  `json:"text_base64"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s: not a line of a rejected/ file", place)
		}
		text := e.Base64
		if e.Text != nil {
			text = []byte(*e.Text)
		}
		if bytes.ContainsAny(text, "\n\r") {
			return nil, fmt.Errorf("%s: the text has a line break", place)
		}
		lines = append(lines, mendedLine{event, text})
	}
	sort.SliceStable(lines, func(i, j int) bool { return lines[i].event < lines[j].event })
	out := make([][]byte, len(lines))
	for i := range lines {
		out[i] = lines[i].text
	}
	return out, nil
}
