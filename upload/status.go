package upload

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Status is the account of a state folder, and, of a running upload, how it
// does.
type Status struct {
	Summary
	Complete    bool   `json:"complete"`
	Destination string `json:"destination"`
	State       string `json:"state"`                // the state folder
	Begun       string `json:"begun"`                // RFC 3339, UTC
	LastAnswer  string `json:"last_answer"`          // of the latest decided request; empty: none
	InDoubt     int64  `json:"in_doubt"`             // events in requests without a decision: in flight, or cut off
	ParkedIDs   int    `json:"parked_ids,omitempty"` // as far as the journal knows
	// Retry is the account of the set-aside events that were sent again with
	// upload retry; nil when none were.
	Retry *Status `json:"retry,omitempty"`

	Running *Running `json:"running,omitempty"`
}

// ReadStatus reads the state folder of uploading dir; an empty state means
// dir + ".upload". It changes nothing and needs no lock, so it can look at a
// running upload.
func ReadStatus(dir, state string) (Status, error) {
	parts, err := loadPartitions(dir)
	if err != nil {
		return Status{}, err
	}
	f, err := peekFolder(parts, Options{Dir: dir, State: state}.withDefaults().State)
	if err != nil {
		return Status{}, err
	}
	s := f.status(f.state.summary())
	now := time.Now()
	s.ParkedIDs, _ = newParked(f.state.parks, now).count(now)
	for i := range f.state.parts {
		if open := f.state.parts[i].open; open != nil {
			s.InDoubt += open.events.count()
		}
	}
	if s.Retry, err = retryStatus(f.path); err != nil {
		return Status{}, err
	}
	return s, nil
}

// status is the account; the caller knows the rest.
func (f *folder) status(sum Summary) Status {
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	s := Status{Summary: sum, Complete: sum.Complete(), Destination: f.state.begin.url, State: f.path, Begun: stamp(f.state.begin.time)}
	if f.state.last > f.state.begin.time {
		s.LastAnswer = stamp(f.state.last)
	}
	return s
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// errNoState is a state folder that was not begun.
var errNoState = errors.New("holds no upload")

func isNoState(err error) bool { return errors.Is(err, errNoState) }

// peekFolder reads a state folder that another process may be writing to.
func peekFolder(parts *partitions, path string) (*folder, error) {
	f := &folder{path: path, state: newState(parts.sizes())}
	file, err := os.Open(filepath.Join(path, journalName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s %w: nothing was sent yet", path, errNoState)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	// What is written from now on would make a commit that is half there look
	// like damage.
	var other error
	if f.end, err = readJournal(io.LimitReader(file, info.Size()), func(r record) error {
		if b, ok := r.(*begin); ok && b.manifest != parts.manifest {
			other = f.otherPartitions(parts)
			return other
		}
		return f.state.apply(r)
	}); other != nil {
		return nil, other
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	if f.state.begin == nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), &CorruptError{int64(headerSize), "it does not say what it is about"})
	}
	return f, nil
}
