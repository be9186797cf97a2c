package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/gofrs/flock"

	"export2batch/internal/durable"
)

const (
	ledgerName   = "ledger.ndjson"
	receivedName = "received.ndjson"
	lockName     = "lock"
)

// fileLedger appends the ledger to a file. Requests that wait at the same time
// share one write and one fsync: the first of them does both for all whose
// lines are there, those that come meanwhile wait for the next turn.
//
// The first failure is final: nobody can say what the disk then holds, so
// nothing more is written and every later request is refused.
type fileLedger struct {
	fs     durable.FS
	dir    string
	file   durable.Handle
	times  durable.Handle
	lock   *flock.Flock
	noSync bool
	before func() error // makes durable what must be so before the lines; nil: nothing

	mu       sync.Mutex
	turn     *sync.Cond // the write under way has ended
	writing  bool
	lines    []byte // to be written
	stamps   []byte // to be written before them
	received int64  // of the last stamp
	marked   int64  // bytes of the ledger with lines
	durable  int64  // bytes of the ledger that are committed
	err      error

	spareLines, spareStamps []byte
}

func (l *fileLedger) append(lines []byte, seq, received int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if received != l.received {
		l.stamps = append(l.stamps, `{"seq":`...)
		l.stamps = strconv.AppendInt(l.stamps, seq, 10)
		l.stamps = append(l.stamps, `,"received":`...)
		l.stamps = strconv.AppendInt(l.stamps, received, 10)
		l.stamps = append(l.stamps, '}', '\n')
		l.received = received
	}
	l.lines = append(l.lines, lines...)
	l.marked += int64(len(lines))
	return l.marked
}

func (l *fileLedger) commit(mark int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.durable >= mark:
			return nil
		case l.err != nil:
			return l.err
		case l.writing:
			l.turn.Wait()
		default:
			l.writeTurn()
		}
	}
}

// writeTurn writes what is there. It is called with mu held and gives it up
// while it writes.
func (l *fileLedger) writeTurn() {
	lines, stamps := l.lines, l.stamps
	l.lines, l.stamps = l.spareLines[:0], l.spareStamps[:0]
	l.writing = true
	l.mu.Unlock()
	err := l.write(stamps, lines)
	l.mu.Lock()
	l.writing = false
	l.spareLines, l.spareStamps = lines, stamps
	if err != nil {
		l.err = fmt.Errorf("write %s: %w", filepath.Join(l.dir, ledgerName), err)
	} else {
		l.durable += int64(len(lines))
	}
	l.turn.Broadcast()
}

// write makes durable what the events hold, then the times, before the lines
// that they are for.
func (l *fileLedger) write(stamps, lines []byte) error {
	if l.before != nil {
		if err := l.before(); err != nil {
			return err
		}
	}
	if len(stamps) > 0 {
		if err := l.writeTo(l.times, stamps); err != nil {
			return err
		}
	}
	return l.writeTo(l.file, lines)
}

func (l *fileLedger) writeTo(h durable.Handle, b []byte) error {
	if _, err := h.Write(b); err != nil {
		return err
	}
	if l.noSync {
		return nil
	}
	return h.Sync()
}

func (l *fileLedger) copyTo(w io.Writer) error {
	l.mu.Lock()
	size := l.durable
	l.mu.Unlock()
	h, err := l.fs.OpenFile(filepath.Join(l.dir, ledgerName), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer h.Close() // only read
	_, err = io.CopyN(w, h, size)
	return err
}

func (l *fileLedger) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *fileLedger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing {
		l.turn.Wait()
	}
	if errors.Is(l.err, errClosed) {
		return nil
	}
	if l.err == nil && l.durable < l.marked {
		l.writeTurn()
	}
	failed := l.err
	l.err = errClosed
	return errors.Join(failed, l.file.Close(), l.times.Close(), l.lock.Close())
}
