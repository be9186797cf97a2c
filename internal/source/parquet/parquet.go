// Package parquet reads Parquet copies of Amplitude's events, as warehouses
// write them, and gives each row as the line of JSON the Export API would have
// given: the export's own key names, text, whole numbers and times in the
// export's form, and properties as JSON whether they are kept as text, as
// STRUCT, MAP or LIST. docs/parquet.md says what is read and how it is turned.
//
// It guarantees that no row is lost in silence. The rows read are compared with
// what the footer and the page headers promise, page by page and row by row; a
// page with a checksum is checked against it; a value that JSON or the export's
// form cannot hold makes its row a RowError, and what cannot be read at all a
// Refusal that names the column, the reason and a way out. Memory is bounded
// (see Budget): sizes are read from the page headers before a page is.
//
// The decoding of pages is that of apache/arrow-go. Every call into it is
// guarded against panics.
package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/apache/arrow-go/v18/arrow/memory"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// Options of reading.
type Options struct {
	// Columns names the column of the file to take for a key of the export,
	// where the names do not say it.
	Columns map[string]string
	// Workers is how many row groups may be read at once; default 1. The rows
	// come in the same order with any number.
	Workers int
	// Budget is shared by all files read at the same time; default one of its own.
	Budget *Budget
}

// Refusal says why a file, or the rest of it, cannot be read. It never holds
// values.
type Refusal struct {
	Column string // as the file calls it; empty: the file as a whole
	Reason string
	WayOut string // what its user can do; may be empty
	Err    error
}

func (r *Refusal) Error() string {
	s := r.Reason
	if r.Column != "" {
		s = fmt.Sprintf("column %q: %s", r.Column, s)
	}
	if r.WayOut != "" {
		s += "; " + r.WayOut
	}
	return s
}

func (r *Refusal) Unwrap() error { return r.Err }

// RowError says why a row cannot become a line that says what the row says.
// Rows after it can be read.
type RowError struct {
	Rule   string
	Reason string
}

func (e *RowError) Error() string { return e.Reason }

// The rules of RowError.
const (
	RuleInexactID = "inexact-id"    // a whole number kept in a float too small for it
	RuleValue     = "invalid-value" // a value that has no form in the export
	RuleTooLong   = "line-too-long"
)

// rewrite is the way out of what another writer would not have done.
const rewrite = `rewrite the file, for example with DuckDB: COPY (FROM 'old.parquet') TO 'new.parquet' (COMPRESSION zstd, ROW_GROUP_SIZE 50000)`

// File is a Parquet file whose footer has been read. It is not safe for
// concurrent use.
type File struct {
	source io.ReaderAt
	size   int64
	o      Options
	reader *file.Reader
	fields []*field
	leaves []*leafType // by their index in the file

	open        int64 // bytes the pages of a row group may take at once
	longest     int   // line, in bytes
	hasInsertID bool
	used        []string // columns named by Options.Columns that the file has
	missing     string   // what the columns lack to be events
}

// Open reads the footer of a file of size bytes and finds what its columns
// mean. The error is a *Refusal unless reading r failed.
func Open(r io.ReaderAt, size int64, o Options) (*File, error) {
	o.Workers = max(1, o.Workers)
	if o.Budget == nil {
		o.Budget = NewBudget()
	}
	f := &File{source: r, size: size, o: o, open: openBudget, longest: maxRow}
	footer, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	if err := checkFooter(footer); err != nil {
		return nil, err
	}
	footer = nil
	err = guarded("the footer", func() (err error) {
		f.reader, err = file.NewParquetReader(io.NewSectionReader(r, 0, size), file.WithReadProps(properties(nil)))
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := guarded("the footer", f.describe); err != nil {
		return nil, err
	}
	return f, nil
}

// properties are how arrow-go reads: page by page, and no larger ones.
func properties(mem memory.Allocator) *pq.ReaderProperties {
	p := pq.NewReaderProperties(mem)
	p.BufferedStreamEnabled = true
	p.BufferSize = 16 << 10
	p.MaxCompressedPageSize, p.MaxUncompressedPageSize = maxPage, maxPage
	return p
}

// Rows is how many rows the footer promises.
func (f *File) Rows() int64 { return f.reader.NumRows() }

// HasInsertID tells whether a column holds the export's $insert_id.
func (f *File) HasInsertID() bool { return f.hasInsertID }

// Used are the columns named in Options.Columns that the file has.
func (f *File) Used() []string { return f.used }

// Missing says, for people, what the columns lack for the rows to be events;
// empty when they have it all.
func (f *File) Missing() string { return f.missing }

// describe finds what the columns mean and whether all of them can be read.
func (f *File) describe() error {
	md := f.reader.MetaData()
	if md.IsSetEncryptionAlgorithm() {
		return errEncrypted
	}
	if err := f.mapColumns(); err != nil {
		return err
	}
	var rows int64
	for g := range md.NumRowGroups() {
		n, err := f.checkGroup(g)
		if err != nil {
			return err
		}
		rows += n
	}
	if md.GetNumRows() < 0 || rows != md.GetNumRows() {
		return &Refusal{Reason: fmt.Sprintf("the footer is damaged: it counts %d rows, its row groups %d", md.GetNumRows(), rows)}
	}
	if len(f.leaves) == 0 && rows > 0 {
		return &Refusal{Reason: "the file has no columns"}
	}
	return nil
}

// checkGroup compares what the footer says of a row group with the schema.
func (f *File) checkGroup(g int) (rows int64, err error) {
	group := f.reader.MetaData().RowGroup(g)
	rows = group.NumRows()
	if rows < 0 || group.NumColumns() != len(f.leaves) {
		return 0, &Refusal{Reason: fmt.Sprintf("the footer is damaged: row group %d has %d rows of %d columns, the schema has %d columns", g+1, rows, group.NumColumns(), len(f.leaves))}
	}
	for i, l := range f.leaves {
		chunk, err := group.ColumnChunk(i)
		if err != nil {
			return 0, &Refusal{Column: l.path, Reason: "the footer is damaged: " + err.Error()}
		}
		switch {
		case chunk.CryptoMetadata() != nil:
			return 0, errEncrypted
		case chunk.FilePath() != "":
			return 0, &Refusal{Column: l.path, Reason: "its data lies in another file, which is not read"}
		case chunk.Type() != l.column.PhysicalType(), l.maxRep == 0 && chunk.NumValues() != rows, chunk.NumValues() < rows:
			return 0, &Refusal{Column: l.path, Reason: fmt.Sprintf("the footer is damaged: row group %d has %d rows and %d values of type %s, the schema says %s",
				g+1, rows, chunk.NumValues(), chunk.Type(), l.column.PhysicalType())}
		}
		if _, err := compress.GetCodec(chunk.Compression()); err != nil {
			reason := "it is compressed with " + chunk.Compression().String() + ", which is not read"
			if !l.field.strict {
				l.field.unreadable = reason
				continue
			}
			return 0, &Refusal{Column: l.path, Reason: reason, WayOut: rewrite}
		}
		start, length := chunkRange(chunk)
		if rows == 0 {
			continue // then nothing is read
		}
		if start < int64(len(magic)) || length < 0 || start > f.size-length {
			return 0, &Refusal{Column: l.path, Reason: fmt.Sprintf("the footer is damaged: row group %d points out of the file", g+1)}
		}
	}
	return rows, nil
}

const (
	magic          = "PAR1"
	magicEncrypted = "PARE"
	maxFooter      = 32 << 20
)

var errEncrypted = &Refusal{Reason: "the file is encrypted", WayOut: "decrypt it: write it again without encryption with what has the key"}

// readFooter reads the footer's bytes and checks what stands around them:
//
//	"PAR1" … footer  length of the footer(4)  "PAR1"
func readFooter(r io.ReaderAt, size int64) ([]byte, error) {
	var head [4]byte
	var tail [8]byte
	cut := &Refusal{Reason: "the file is cut short: no footer stands at its end"}
	if size < int64(len(head)+len(tail)) {
		return nil, cut
	}
	if err := readFull(r, head[:], 0); err != nil {
		return nil, err
	}
	if err := readFull(r, tail[:], size-int64(len(tail))); err != nil {
		return nil, err
	}
	switch {
	case string(head[:]) == magicEncrypted, string(tail[4:]) == magicEncrypted:
		return nil, errEncrypted
	case string(head[:]) != magic:
		return nil, &Refusal{Reason: "this is no Parquet file: it does not begin with PAR1"}
	case string(tail[4:]) != magic:
		return nil, cut
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n == 0 || n > size-int64(len(head)+len(tail)) {
		return nil, &Refusal{Reason: fmt.Sprintf("the footer is damaged: it claims %d of the file's %d bytes", n, size)}
	}
	if n > maxFooter {
		return nil, &Refusal{Reason: fmt.Sprintf("the footer has %d bytes, more than %d", n, maxFooter), WayOut: "split the file, or " + rewrite}
	}
	footer := make([]byte, n)
	return footer, readFull(r, footer, size-int64(len(tail))-n)
}

// readFull reads all of b. A file that became shorter is a Refusal, a device
// that fails is not.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return &Refusal{Reason: "the file is cut short", Err: io.ErrUnexpectedEOF}
	}
	return err
}

// guarded calls into arrow-go: what it panics with, and what it finds wrong,
// becomes a Refusal. Errors of the device stay what they are.
func guarded(what string, call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if e, ok := p.(error); ok && isDevice(e) {
				err = e
				return
			}
			err = &Refusal{Reason: fmt.Sprintf("%s cannot be read (%v): it is damaged, or written in a way that is not known here", what, p), WayOut: rewrite}
		}
	}()
	err = call()
	var refusal *Refusal
	if err == nil || errors.As(err, &refusal) || isDevice(err) || errors.Is(err, errStopped) {
		return err
	}
	return &Refusal{Reason: fmt.Sprintf("%s cannot be read (%v)", what, err), Err: err}
}

func isDevice(err error) bool { return errors.As(err, new(*fs.PathError)) }
