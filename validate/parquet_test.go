package validate

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"export2batch/internal/finding"
)

// parquetFile writes rows, a JSON array of objects, as a Parquet file of
// strings, with user_id as a floating point number.
func parquetFile(t *testing.T, rows string, columns ...string) string {
	t.Helper()
	fields := []arrow.Field{{Name: "user_id", Type: arrow.PrimitiveTypes.Float64, Nullable: true}}
	for _, c := range columns {
		fields = append(fields, arrow.Field{Name: c, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	schema := arrow.NewSchema(fields, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := pqarrow.WriteTable(array.NewTableFromRecords(schema, []arrow.RecordBatch{rec}), &b, 100, pq.NewWriterProperties(), pqarrow.DefaultWriterProps()); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "rows.parquet", b.String())
}

// TestParquet checks rows, right ones and wrong ones, among which some have no
// line.
func TestParquet(t *testing.T) {
	t.Parallel()
	path := parquetFile(t, `[
		{"user_id":12345,"event_type":"a","event_time":"2023-01-02 03:04:05"},
		{"user_id":9007199254740992,"event_type":"a","event_time":"2023-01-02 03:04:05"},
		{"user_id":12345,"event_time":"2023-01-02 03:04:05"},
		{"user_id":1.5,"event_type":"a","event_time":"2023-01-02 03:04:05"},
		{"user_id":12345,"event_type":"a"},
		{"user_id":12345,"event_type":"a","event_time":"2023-01-02 03:04:05"}]`, "event_type", "event_time")
	aside := filepath.Join(t.TempDir(), "aside")
	s, found := runAll(t, Options{Paths: []string{path}, Schemas: []string{SchemaExport}, SetAside: aside})
	if want := []string{"2  inexact-id", "3  required", "4  invalid-value", "5  export-time"}; !slices.Equal(places(found), want) || s.Read != 6 || s.Valid != 2 {
		t.Errorf("%+v, found %q, want %q", s, places(found), want)
	}
	for _, f := range found {
		if !f.Row || !isRule(f.Rule) || !strings.Contains(f.String(), "rows.parquet:row ") {
			t.Errorf("found %v", f)
		}
	}
	if n := strings.Count(readFolder(t, aside)["rejected/rows.ndjson"], "\n"); n != 4 {
		t.Errorf("%d rows set aside", n)
	}

	// A column that is missing is told once for the file too.
	path = parquetFile(t, `[{"user_id":12345,"event_type":"a"}]`, "event_type")
	s, found = runAll(t, Options{Paths: []string{path}, Schemas: []string{SchemaExport}})
	if want := []string{"0  parquet-columns", "1  export-time"}; !slices.Equal(places(found), want) {
		t.Errorf("%+v, found %q, want %q", s, places(found), want)
	}

	// They are no events of the Batch API.
	for _, schemas := range [][]string{nil, {SchemaBatch, SchemaExport}} {
		s, found := runAll(t, Options{Paths: []string{path}, Schemas: schemas})
		if len(found) != 1 || found[0].Rule != ruleParquet || found[0].Place != (finding.Place{File: path}) || s.Read != 0 {
			t.Errorf("%+v, found %v", s, found)
		}
	}
}

// TestParquetTwins holds rows of warehouses to the lines beside them.
func TestParquetTwins(t *testing.T) {
	t.Parallel()
	twins, err := filepath.Glob("../internal/source/parquet/testdata/*.parquet")
	if err != nil || len(twins) == 0 {
		t.Fatal(twins, err)
	}
	for _, path := range twins {
		lines := strings.TrimSuffix(path, ".parquet") + ".ndjson"
		if _, err := os.Stat(lines); err != nil {
			t.Fatal(err)
		}
		want, wantFound := runAll(t, Options{Paths: []string{lines}, Schemas: []string{SchemaExport}})
		got, found := runAll(t, Options{Paths: []string{path}, Schemas: []string{SchemaExport}})
		if !reflect.DeepEqual(got, want) || !slices.Equal(places(found), places(wantFound)) || got.Read == 0 {
			t.Errorf("%s: %+v, %q\nwant %+v, %q", path, got, places(found), want, places(wantFound))
		}
	}
}
