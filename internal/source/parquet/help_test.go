package parquet

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// table writes rows, a JSON array of objects, as a Parquet file.
func table(t testing.TB, fields []arrow.Field, rows string, props ...pq.WriterProperty) []byte {
	t.Helper()
	s := arrow.NewSchema(fields, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return writeRecord(t, rec, props...)
}

func writeRecord(t testing.TB, rec arrow.RecordBatch, props ...pq.WriterProperty) []byte {
	t.Helper()
	var b bytes.Buffer
	tbl := array.NewTableFromRecords(rec.Schema(), []arrow.RecordBatch{rec})
	w := pq.NewWriterProperties(props...)
	if err := pqarrow.WriteTable(tbl, &b, w.MaxRowGroupLength(), w, pqarrow.DefaultWriterProps()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func null(name string, typ arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: typ, Nullable: true}
}

// read opens a file and reads all of its lines, with the reasons of bad rows
// behind theirs.
func read(data []byte, o Options) (lines []string, err error) {
	f, err := Open(bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		return nil, err
	}
	return readAll(f)
}

func readAll(f *File) (lines []string, err error) {
	r := f.Read()
	defer r.Close()
	for {
		line, err := r.Next()
		var bad *RowError
		switch {
		case err == io.EOF:
			return lines, nil
		case errors.As(err, &bad):
			lines = append(lines, string(line)+" "+bad.Rule+": "+bad.Reason)
		case err != nil:
			return lines, err
		default:
			lines = append(lines, string(line))
		}
		if int64(len(lines)) != r.Number() {
			return lines, errors.New("rows are numbered wrongly")
		}
	}
}

// lines reads a file that can be read.
func lines(t testing.TB, data []byte, o Options) []string {
	t.Helper()
	got, err := read(data, o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// refused reads a file that cannot be read and returns why.
func refused(t testing.TB, data []byte, o Options) string {
	t.Helper()
	_, err := read(data, o)
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, not a refusal", err)
	}
	return refusal.Error()
}

// rawColumn is a column of a file written below Arrow, value by value.
type rawColumn struct {
	node  schema.Node
	write func(file.ColumnChunkWriter) error
}

// raw writes one row group of columns.
func raw(t testing.TB, columns []rawColumn, props ...pq.WriterProperty) []byte {
	t.Helper()
	var fields schema.FieldList
	for _, c := range columns {
		fields = append(fields, c.node)
	}
	root, err := schema.NewGroupNode("schema", pq.Repetitions.Required, fields, -1)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := file.NewParquetWriter(&b, root, file.WithWriterProps(pq.NewWriterProperties(props...)))
	rg, err := w.AppendRowGroupChecked()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range columns {
		cw, err := rg.NextColumn()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.write(cw); err != nil {
			t.Fatal(err)
		}
		if err := cw.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(rg.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func equal(t testing.TB, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, not %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d is\n%s\nnot\n%s", i+1, got[i], want[i])
		}
	}
}
