package upload

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"export2batch/internal/durable"
	"export2batch/internal/stage"
)

const journalName = "journal"

// folder is an open state folder, held against other uploads.
type folder struct {
	fs      durable.FS
	path    string
	state   *state
	rejects *rejects
	file    durable.Handle // the journal; nil once a writer has it
	end     int64          // where it goes on
	release func() error
}

// openFolder opens or begins the state of uploading parts to dest.
func openFolder(o Options, parts *partitions, dest *url.URL) (f *folder, err error) {
	if err := o.FS.MkdirAll(o.State, 0o777); err != nil {
		return nil, err
	}
	f = &folder{fs: o.FS, path: o.State, state: newState(parts.sizes()), rejects: newRejects(o.FS, o.State)}
	if f.release, err = stage.Lock(o.State); err != nil {
		return nil, err
	}
	if err = f.open(o, parts, dest); err != nil {
		return nil, also(err, f.close())
	}
	return f, nil
}

func (f *folder) open(o Options, parts *partitions, dest *url.URL) error {
	path := filepath.Join(f.path, journalName)
	file, err := f.fs.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err := f.begin(o, parts, dest); err != nil {
			return err
		}
		file, err = f.fs.OpenFile(path, os.O_RDWR, 0)
	}
	if err != nil {
		return err
	}
	f.file = file
	// Whether this is the right journal is looked at first: against other
	// partitions its requests make no sense.
	var other error
	f.end, err = readJournal(file, func(r record) error {
		if b, ok := r.(*begin); ok {
			if b.manifest != parts.manifest {
				other = f.otherPartitions(parts)
				return other
			}
		}
		return f.state.apply(r)
	})
	if other != nil {
		return other
	}
	if err == nil && f.state.begin == nil {
		err = &CorruptError{int64(headerSize), "it does not say what it is about"}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := f.goesTo(dest); err != nil {
		return err
	} else if f.state.begin.url != dest.String() {
		return f.beginAnew(o, parts, dest)
	}
	if key := f.state.key; key != nil && !o.OtherKey && key.sum != markOf(key.salt, o.APIKey) {
		return fmt.Errorf("%s is the state of an upload under another API key, perhaps to another project: give that key, or another state folder", f.path)
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size > f.end { // the last commit was being written at a crash
		if err := file.Truncate(f.end); err != nil {
			return fmt.Errorf("truncate %s: %w", path, err)
		}
		if err := file.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", path, err)
		}
	}
	_, err = file.Seek(f.end, io.SeekStart)
	return err
}

// begin writes the journal's first commit, in a folder that is empty.
func (f *folder) begin(o Options, parts *partitions, dest *url.URL) error {
	names, err := os.ReadDir(f.path)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !durable.IsTemp(n.Name()) {
			return fmt.Errorf("%s is not empty and holds no journal of an upload: give another state folder", f.path)
		}
	}
	return f.writeBegin(o, parts, dest)
}

// goesTo refuses a destination that is not the one so far, unless that took
// nothing: then it may have been a slip.
func (f *folder) goesTo(dest *url.URL) error {
	if was := f.state.begin.url; was != dest.String() && !f.state.untouched() {
		return fmt.Errorf("%s is the state of an upload to %s, not to %s: give another state folder, or the same destination", f.path, was, dest)
	}
	return nil
}

// beginAnew begins in the place of an upload that came to nothing.
func (f *folder) beginAnew(o Options, parts *partitions, dest *url.URL) error {
	if err := f.file.Close(); err != nil {
		return err
	}
	f.file, f.state = nil, newState(parts.sizes())
	if err := f.writeBegin(o, parts, dest); err != nil {
		return err
	}
	return f.open(o, parts, dest)
}

func (f *folder) writeBegin(o Options, parts *partitions, dest *url.URL) error {
	first := appendRecord(make([]byte, commitHead), &begin{
		manifest: parts.manifest, time: time.Now().UnixMilli(), url: dest.String(), version: o.Version,
		seed: newSeed(),
	})
	header := appendHeader(nil)
	sealCommit(first, int64(len(header)))
	return durable.WriteFile(f.fs, filepath.Join(f.path, journalName), append(header, first...))
}

func (f *folder) otherPartitions(parts *partitions) error {
	return fmt.Errorf("%s is the state of uploading other partitions than %s now holds: what was sent cannot be told from what was not; give another state folder only if nothing of these events was uploaded", f.path, parts.dir)
}

func newSeed() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// newKeyMark marks a key under fresh salt.
func newKeyMark(key string) *keyMark {
	m := &keyMark{}
	rand.Read(m.salt[:]) // never fails
	m.sum = markOf(m.salt, key)
	return m
}

// markOf is too short to tell a key from guesses at it.
func markOf(salt [16]byte, key string) (mark [4]byte) {
	sum := sha256.Sum256(append(salt[:], key...))
	copy(mark[:], sum[:])
	return mark
}

func (f *folder) close() error {
	var err error
	if f.file != nil {
		err = f.file.Close()
		f.file = nil
	}
	return errors.Join(err, f.release())
}
