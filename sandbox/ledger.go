package sandbox

import (
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"
)

var errClosed = errors.New("the sandbox is closed")

// ledger keeps the lines of the accepted events. append is called by one
// goroutine at a time, everything else by any.
type ledger interface {
	// append adds whole lines, the first of which has the number seq, received
	// at this Unix second. They count once commit has returned nil for mark.
	append(lines []byte, seq, received int64) (mark int64)
	// commit waits until everything up to mark is as durable as it gets.
	commit(mark int64) error
	// copyTo writes the lines committed so far.
	copyTo(w io.Writer) error
	// failed returns why nothing can be added any more, nil while it can.
	failed() error
	close() error
}

// appendLine writes one event in the ledger's format.
func appendLine(b []byte, seq, request int64, e *event, duplicate bool) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendInt(b, seq, 10)
	b = append(b, `,"request":`...)
	b = strconv.AppendInt(b, request, 10)
	b = appendOrNull(append(b, `,"insert_id":`...), e.insertID)
	b = appendOrNull(append(b, `,"device_id":`...), e.deviceID)
	b = appendOrNull(append(b, `,"user_id":`...), e.userID)
	b = appendOrNull(append(b, `,"event_type":`...), e.eventType)
	b = appendOrNull(append(b, `,"time":`...), e.time)
	b = append(b, `,"duplicate":`...)
	b = strconv.AppendBool(b, duplicate)
	return append(b, '}', '\n')
}

func appendOrNull(b, value []byte) []byte {
	if value == nil {
		return append(b, "null"...)
	}
	return append(b, value...)
}

// sealBytes is how much of the ledger in memory is compressed at a time.
const sealBytes = 512 << 10

// memoryLedger is the ledger of a sandbox without a folder. It is kept in
// pieces of zstd, about a third of the text.
type memoryLedger struct {
	mu     sync.Mutex
	sealed [][]byte
	open   []byte
	zip    *zstd.Encoder
	closed bool
	after  func() error // what commit does besides; nil: nothing
}

func (l *memoryLedger) append(lines []byte, _, _ int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, lines...)
	if len(l.open) < sealBytes {
		return 0
	}
	if l.zip == nil {
		// The options are constants, so this cannot fail.
		l.zip, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	}
	piece := l.zip.EncodeAll(l.open, make([]byte, 0, len(l.open)/2))
	l.sealed = append(l.sealed, append([]byte(nil), piece...)) // no spare capacity: it stays
	l.open = l.open[:0]
	return 0
}

func (l *memoryLedger) commit(int64) error {
	if l.after == nil {
		return nil
	}
	return l.after()
}

func (l *memoryLedger) copyTo(w io.Writer) error {
	l.mu.Lock()
	sealed, open := l.sealed, append([]byte(nil), l.open...)
	l.mu.Unlock()
	unzip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer unzip.Close()
	var text []byte
	for _, piece := range sealed {
		if text, err = unzip.DecodeAll(piece, text[:0]); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	_, err = w.Write(open)
	return err
}

func (l *memoryLedger) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	return nil
}

func (l *memoryLedger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true // what was accepted can still be read
	return nil
}
