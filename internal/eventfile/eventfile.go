// Package eventfile writes event files: one Batch event a line, ended by a
// newline, compressed or not. A file appears under its final name whole or
// not at all. Equal lines and compression give equal bytes.
package eventfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"export2batch/internal/durable"
)

// Compression is how an event file is stored.
type Compression string

// The compressions, named as the --compress option names them.
const (
	Zstd Compression = "zst" // level fastest: 8.6 times smaller on export data
	Gzip Compression = "gz"  // level 1
	None Compression = "none"
)

// Validate refuses unknown names.
func (c Compression) Validate() error {
	switch c {
	case Zstd, Gzip, None:
		return nil
	}
	return fmt.Errorf("unknown compression %q: zst, gz or none", string(c))
}

// Suffix is the end of an event file's name, from its first dot.
func (c Compression) Suffix() string {
	if c == None {
		return ".ndjson"
	}
	return ".ndjson." + string(c)
}

// Info describes a written file, as manifests list it.
type Info struct {
	Name      string `json:"name"` // relative to the stage folder, with slashes
	Events    int64  `json:"events"`
	Bytes     int64  `json:"bytes"` // as stored
	SHA256    string `json:"sha256"`
	Lines     Chain  `json:"xxh64,omitempty"`      // of its lines, decompressed; 0: not known
	FirstTime *int64 `json:"first_time,omitempty"` // smallest time of its events, ms since the epoch
	LastTime  *int64 `json:"last_time,omitempty"`
}

// Chain is a checksum of lines in their order: it starts at 0, and for each line,
// without its newline, is multiplied by 0x9E3779B97F4A7C15 and gets its XXH64
// added (modulo 2^64). Who hashes the lines anyway has it for nothing, where
// SHA-256 takes longer than reading them. JSON has it as 16 hexadecimal digits.
type Chain uint64

// Add takes the XXH64 of the next line.
func (c *Chain) Add(line uint64) { *c = *c*0x9E3779B97F4A7C15 + Chain(line) }

// MarshalText writes the digits.
func (c Chain) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(c)), nil }

// UnmarshalText reads them.
func (c *Chain) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*c = Chain(n)
	return err
}

// Writer writes one event file. It is not safe for concurrent use. Commit or
// Abort must be called; Abort after Commit does nothing.
type Writer struct {
	file *durable.File
	out  io.Writer     // the file, behind the compressor
	end  func() error  // flushes the compressor
	done func()        // gives the compressor back
	sum  hash.Hash     // of the stored bytes
	size countedWriter // stored bytes
	info Info
}

// Create starts the event file path; name is what Info will call it.
func Create(fsys durable.FS, path, name string, c Compression) (*Writer, error) {
	f, err := durable.Create(fsys, path)
	if err != nil {
		return nil, err
	}
	w := &Writer{file: f, sum: sha256.New(), info: Info{Name: name}, done: func() {}}
	w.size.w = io.MultiWriter(f, w.sum)
	switch c {
	case Zstd:
		enc := encoders.Get().(*zstd.Encoder)
		enc.Reset(&w.size)
		w.out, w.end = enc, enc.Close
		w.done = func() { encoders.Put(enc) }
	case Gzip:
		gz, err := gzip.NewWriterLevel(&w.size, gzip.BestSpeed)
		if err != nil {
			f.Abort()
			return nil, err
		}
		w.out, w.end = gz, gz.Close
	case None:
		w.out, w.end = &w.size, func() error { return nil }
	default:
		f.Abort()
		return nil, c.Validate()
	}
	return w, nil
}

// encoders keeps zstd encoders, which are costly to make, between files.
var encoders = sync.Pool{New: func() any {
	// A small window costs 1 % in size and saves every reader megabytes.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(err) // constant options: a mistake in this file
	}
	return enc
}}

// Write stores whole lines, newlines included; Count must be told of them.
func (w *Writer) Write(lines []byte) error {
	for rest := lines; len(rest) > 0; {
		line, more, _ := bytes.Cut(rest, newline)
		w.info.Lines.Add(xxhash.Sum64(line))
		rest = more
	}
	_, err := w.out.Write(lines)
	return err
}

var newline = []byte("\n")

// WriteHashed is Write for who has added the lines' hashes to chain, which
// starts with the first line of the file.
func (w *Writer) WriteHashed(lines []byte, chain Chain) error {
	w.info.Lines = chain
	_, err := w.out.Write(lines)
	return err
}

// Count notes one written event and its time in ms since the epoch.
func (w *Writer) Count(time int64) {
	w.info.Events++
	if w.info.FirstTime == nil {
		first, last := time, time
		w.info.FirstTime, w.info.LastTime = &first, &last
		return
	}
	*w.info.FirstTime = min(*w.info.FirstTime, time)
	*w.info.LastTime = max(*w.info.LastTime, time)
}

// CountUntimed notes one written event without a time.
func (w *Writer) CountUntimed() { w.info.Events++ }

// End says that nothing more is written. What is left for Commit is to wait
// for the disk, so another goroutine may be the one that calls it.
func (w *Writer) End() error {
	if err := w.end(); err != nil {
		w.Abort()
		return err
	}
	w.end = func() error { return nil }
	w.done()
	w.done = func() {}
	return nil
}

// Commit makes the file durable under its name, after End if that was not
// called.
func (w *Writer) Commit() (Info, error) {
	if err := w.End(); err != nil {
		return Info{}, err
	}
	if err := w.file.Commit(); err != nil {
		return Info{}, err
	}
	w.info.Bytes = w.size.n
	w.info.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	return w.info, nil
}

// Abort removes what was written.
func (w *Writer) Abort() { w.file.Abort() }

type countedWriter struct {
	w io.Writer
	n int64
}

func (c *countedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
