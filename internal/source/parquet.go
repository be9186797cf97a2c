package source

import (
	"errors"
	"io"
	"os"
	"slices"

	"export2batch/internal/finding"
	"export2batch/internal/source/parquet"
)

// ParquetOptions say how Parquet files are read.
type ParquetOptions struct {
	// Columns names the column to take for a key of the export, where its name
	// does not say it. A column that no file has is an error.
	Columns map[string]string
	// Workers is how many row groups of a file are read at once; default 1.
	Workers int
}

// RowError says why a row of a Parquet file cannot be given as the line that
// the Export API would have given. Next returns it with what can be given.
type RowError = parquet.RowError

// IsExportKey tells whether the Export API writes the key.
func IsExportKey(key string) bool { return parquet.IsExportKey(key) }

// Presence tells whether an input has a key, when that is known without
// reading it.
type Presence uint8

// What may be known of a key.
const (
	NotKnown Presence = iota
	Present
	Absent
)

// parquetFile is a Parquet file that can be opened.
type parquetFile struct {
	path    string
	options parquet.Options
}

// parquetSet is what the Parquet files of a set share.
type parquetSet struct {
	budget *parquet.Budget
	used   map[string]bool // columns named in the options that a file has
}

// parquet adds a Parquet file, when its footer can be read.
func (e *expander) parquet(path, rel string, info os.FileInfo) error {
	place := finding.Place{File: path}
	if e.o.Parquet == nil {
		e.find(place, "parquet", "Parquet files hold exports: convert it first, or check it with validate --schema export")
		return nil
	}
	if e.columns.budget == nil {
		e.columns = parquetSet{parquet.NewBudget(), map[string]bool{}}
	}
	in := fileInput(path, info, ParquetFile)
	in.parquet = &parquetFile{path: path, options: parquet.Options{
		Columns: e.o.Parquet.Columns, Workers: e.o.Parquet.Workers, Budget: e.columns.budget,
	}}
	r, err := in.parquet.open()
	var refusal *parquet.Refusal
	if errors.As(err, &refusal) {
		e.find(place, "parquet", "not read: "+refusal.Error())
		return nil
	}
	if err != nil {
		return err
	}
	defer r.file.Close() // it was only read
	if m := r.parquet.Missing(); m != "" && r.parquet.Rows() > 0 {
		e.find(place, "parquet-columns", m)
	}
	for _, c := range r.parquet.Used() {
		e.columns.used[c] = true
	}
	if in.InsertID = Absent; r.parquet.HasInsertID() {
		in.InsertID = Present
	}
	if r.parquet.Rows() == 0 {
		in.InsertID = NotKnown
	}
	in.Name = e.names.take(rel)
	e.set.Inputs = append(e.set.Inputs, in)
	return nil
}

// unusedColumn returns a column that was named and that no file has, or "".
func (e *expander) unusedColumn() string {
	if e.o.Parquet == nil {
		return ""
	}
	var unused []string
	for _, c := range e.o.Parquet.Columns {
		if !e.columns.used[c] {
			unused = append(unused, c)
		}
	}
	if len(unused) == 0 {
		return ""
	}
	return slices.Min(unused)
}

// parquetReader is an open Parquet file, and its rows once they are wanted.
type parquetReader struct {
	file    *os.File
	parquet *parquet.File
	size    int64
	rows    *parquet.Rows
}

func (f *parquetFile) open() (*parquetReader, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	p, err := parquet.Open(file, info.Size(), f.options)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &parquetReader{file: file, parquet: p, size: info.Size()}, nil
}

// next is Lines.Next for rows.
func (r *parquetReader) next() ([]byte, error) {
	if r.rows == nil {
		r.rows = r.parquet.Read()
	}
	line, err := r.rows.Next()
	var refusal *parquet.Refusal
	if errors.As(err, &refusal) {
		err = &DamageError{Reason: refusal.Error(), Err: err}
	}
	return line, err
}

// number is the number of the row that next returned last.
func (r *parquetReader) number() int64 {
	if r.rows == nil {
		return 0
	}
	return r.rows.Number()
}

// stored is the part of the file's bytes that the rows read so far are of its
// rows.
func (r *parquetReader) stored() int64 {
	total := r.parquet.Rows()
	if total == 0 {
		return r.size
	}
	return int64(float64(r.size) * (float64(r.number()) / float64(total)))
}

func (r *parquetReader) Close() error {
	var err error
	if r.rows != nil {
		err = r.rows.Close()
	}
	return errors.Join(err, r.file.Close())
}

// parquetLines opens the input for its rows. The stored bytes are read beside
// them, by Sum.
func (in *Input) parquetLines(raw *countedReader, closer io.Closer) (*Lines, error) {
	r, err := in.parquet.open()
	var refusal *parquet.Refusal
	if errors.As(err, &refusal) {
		return &Lines{raw: raw, closer: closer, err: &DamageError{Reason: refusal.Error(), Err: err}}, nil
	}
	if err != nil {
		return nil, errors.Join(err, closer.Close())
	}
	return &Lines{raw: raw, closer: closer, rows: r, err: io.EOF}, nil
}
