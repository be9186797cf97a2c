package upload

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
)

const rejectedDir = "rejected"

// rejects is the rejected/ folder. Its files are appended to before the
// journal says that an event is set aside, so after a crash they may have too
// much, never too little; repair takes that off.
type rejects struct {
	fs  durable.FS
	dir string
}

func newRejects(fsys durable.FS, state string) *rejects {
	return &rejects{fsys, filepath.Join(state, rejectedDir)}
}

func (r *rejects) path(p *partition) string { return filepath.Join(r.dir, p.name+".ndjson") }

// append makes lines durable at the end of the partition's file.
func (r *rejects) append(p *partition, lines []byte) error {
	if err := r.fs.MkdirAll(r.dir, 0o777); err != nil {
		return err
	}
	f, err := r.fs.OpenFile(r.path(p), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	if _, err = f.Write(lines); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", r.path(p), err)
	}
	return r.fs.SyncDir(r.dir)
}

// repair makes the partition's file hold exactly the events that the journal
// set aside, each once.
func (r *rejects) repair(p *partition, list []rejected) error {
	f, err := r.fs.OpenFile(r.path(p), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if len(list) == 0 {
			return nil
		}
		return r.rewrite(p, list)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	keep, whole, err := prefix(f, list)
	if err != nil {
		return fmt.Errorf("read %s: %w", r.path(p), err)
	}
	if !whole {
		return r.rewrite(p, list)
	}
	if size, err := f.Seek(0, io.SeekEnd); err != nil || size == keep {
		return err
	}
	if err := f.Truncate(keep); err != nil {
		return fmt.Errorf("truncate %s: %w", r.path(p), err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", r.path(p), err)
	}
	return nil
}

// prefix tells whether the first len(list) lines of a file are about the events
// of the list, in any order, and how many bytes they have.
func prefix(f io.Reader, list []rejected) (keep int64, whole bool, err error) {
	want := wanted(list)
	in := bufio.NewReader(f)
	for len(want) > 0 {
		line, err := in.ReadBytes('\n')
		if err == io.EOF { // what has no newline was being written
			return 0, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		event := rejectedEvent(line)
		if _, ok := want[event]; !ok {
			return 0, false, nil
		}
		delete(want, event)
		keep += int64(len(line))
	}
	return keep, true, nil
}

func wanted(list []rejected) map[int64]rejected {
	want := make(map[int64]rejected, len(list))
	for _, e := range list {
		want[e.event] = e
	}
	return want
}

// rejectedEvent reads which event a line of a rejected file is about; -1: none.
func rejectedEvent(line []byte) int64 {
	fields, err := jsonscan.Fields(nil, bytes.TrimSuffix(line, []byte("\n")))
	if err != nil {
		return -1
	}
	for i := range fields {
		if string(fields[i].Key(line)) == "line" {
			if n, err := strconv.ParseInt(string(fields[i].Value(line)), 10, 64); err == nil {
				return n - 1
			}
		}
	}
	return -1
}

// rewrite makes the file new, out of the partition.
func (r *rejects) rewrite(p *partition, list []rejected) error {
	want := wanted(list)
	out, err := durable.Create(r.fs, r.path(p))
	if err != nil {
		return err
	}
	defer out.Abort()
	lines, err := p.open()
	if err != nil {
		return err
	}
	defer lines.close()
	w := bufio.NewWriter(out)
	var buf []byte
	for len(want) > 0 {
		line, index, err := lines.read()
		if err != nil {
			return err
		}
		if e, ok := want[index]; ok {
			delete(want, index)
			buf = finding.AppendRejected(buf[:0], p.place(index), e.rule, e.reason, line)
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return out.Commit()
}
