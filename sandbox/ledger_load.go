package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"

	"export2batch/internal/durable"
)

// openLedger opens the ledger in opts.Data, or starts it, and brings the
// server to where it was: numbers, deduplication and quota. (The throttle
// looks back 30 s only, and starts empty.)
func (s *Server) openLedger() (opened *fileLedger, err error) {
	fsys, dir := s.opts.fs, s.opts.Data
	if err := fsys.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	l := &fileLedger{fs: fsys, dir: dir, noSync: s.opts.NoSync, lock: flock.New(filepath.Join(dir, lockName))}
	l.turn = sync.NewCond(&l.mu)
	locked, err := l.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !locked {
		return nil, fmt.Errorf("%s is used by another sandbox", dir)
	}
	defer func() {
		if err == nil {
			return
		}
		for _, h := range []durable.Handle{l.file, l.times} {
			if h != nil {
				h.Close() // nothing was written
			}
		}
		l.lock.Close()
	}()
	if l.times, err = openAppend(fsys, filepath.Join(dir, receivedName)); err != nil {
		return nil, err
	}
	stamps, err := readStamps(l.times, filepath.Join(dir, receivedName))
	if err != nil {
		return nil, err
	}
	if l.file, err = openAppend(fsys, filepath.Join(dir, ledgerName)); err != nil {
		return nil, err
	}
	if l.durable, err = s.replay(l.file, filepath.Join(dir, ledgerName), stamps); err != nil {
		return nil, err
	}
	l.marked = l.durable
	l.received = -1 // the first event after a start always gets its time written
	if n := len(stamps); n > 0 {
		s.clock = max(s.clock, stamps[n-1].received)
	}
	return l, fsys.SyncDir(dir)
}

func openAppend(fsys durable.FS, path string) (durable.Handle, error) {
	return fsys.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
}

// stamp says that the events from seq on were received at a Unix second.
type stamp struct{ seq, received int64 }

func readStamps(h durable.Handle, path string) ([]stamp, error) {
	var all []stamp
	var rec record
	_, err := readLines(h, path, func(line []byte) error {
		rec.read(line)
		st := stamp{rec.integer("seq"), rec.integer("received")}
		if rec.bad != nil {
			return rec.bad
		}
		if n := len(all); n > 0 && st.received < all[n-1].received {
			return errors.New("received goes back")
		}
		// A killed process leaves times of events that did not get into the
		// ledger; whose numbers they were is then said again.
		for len(all) > 0 && all[len(all)-1].seq >= st.seq {
			all = all[:len(all)-1]
		}
		all = append(all, st)
		return nil
	})
	return all, err
}

// replay reads the ledger and returns its size.
func (s *Server) replay(h durable.Handle, path string, stamps []stamp) (int64, error) {
	received, next := s.clock, 0 // without any stamp: as late as can be
	if len(stamps) > 0 {
		received = stamps[0].received
	}
	var rec record
	in := new(intake)
	return readLines(h, path, func(line []byte) error {
		rec.read(line)
		e := event{insertID: rec.text("insert_id"), deviceID: rec.text("device_id"), userID: rec.text("user_id")}
		seq, request, duplicate := rec.integer("seq"), rec.integer("request"), rec.boolean("duplicate")
		switch {
		case rec.bad != nil:
			return rec.bad
		case seq != s.seq+1:
			return fmt.Errorf("seq %d follows %d", seq, s.seq)
		case request != s.request && request != s.request+1:
			return fmt.Errorf("request %d follows %d", request, s.request)
		}
		for next < len(stamps) && stamps[next].seq <= seq {
			received = stamps[next].received
			next++
		}
		s.seq, s.request = seq, request
		in.scratch = in.scratch[:0]
		s.remember(in, &e, duplicate, received)
		return nil
	})
}

// remember does with an event of the ledger what taking it did.
func (s *Server) remember(in *intake, e *event, duplicate bool, received int64) {
	if e.deviceID != nil {
		e.device, in.scratch = text(in.scratch, e.deviceID)
		s.quota.devices.add(string(e.device), 1, received)
	}
	if e.userID != nil {
		e.user, in.scratch = text(in.scratch, e.userID)
		s.quota.users.add(string(e.user), 1, received)
	}
	if duplicate {
		s.duplicates++
		return
	}
	if in.setKey(e); e.keyed {
		s.dedup.take(e.key, received)
	}
}

// readLines gives each line of an append-only file to read, cuts off a last
// line that has no newline, leaves h at the end, and returns the size.
func readLines(h durable.Handle, path string, read func(line []byte) error) (size int64, err error) {
	r := bufio.NewReaderSize(h, 1<<20)
	var long []byte
	for number := 1; ; number++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long[:0], line...)
			for errors.Is(err, bufio.ErrBufferFull) {
				line, err = r.ReadSlice('\n')
				long = append(long, line...)
			}
			line = long
		}
		if err == io.EOF {
			if len(line) == 0 {
				return size, nil
			}
			return size, cut(h, path, size)
		}
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", path, err)
		}
		if err := read(line[:len(line)-1]); err != nil {
			return 0, fmt.Errorf("%s is damaged: line %d: %w", path, number, err)
		}
		size += int64(len(line))
	}
}

func cut(h durable.Handle, path string, size int64) error {
	if err := h.Truncate(size); err != nil {
		return fmt.Errorf("cut %s: %w", path, err)
	}
	if _, err := h.Seek(size, io.SeekStart); err != nil {
		return fmt.Errorf("cut %s: %w", path, err)
	}
	if err := h.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}
