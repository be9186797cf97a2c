package generate

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/xitongsys/parquet-go/reader"
	parquetsource "github.com/xitongsys/parquet-go/source"
)

// memoryFile is a Parquet file in memory, for the reader.
type memoryFile struct {
	*bytes.Reader
	data []byte
}

func (f memoryFile) Open(string) (parquetsource.ParquetFile, error) {
	return memoryFile{bytes.NewReader(f.data), f.data}, nil
}
func (f memoryFile) Create(string) (parquetsource.ParquetFile, error) { panic("read only") }
func (f memoryFile) Write([]byte) (int, error)                        { panic("read only") }
func (f memoryFile) Close() error                                     { return nil }

func readParquet(t *testing.T, path string) (*reader.ParquetReader, []row) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := reader.NewParquetReader(memoryFile{bytes.NewReader(b), b}, new(row), 2)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]row, r.GetNumRows())
	if err := r.Read(&rows); err != nil {
		t.Fatal(err)
	}
	return r, rows
}

// The rows of the warehouse copy are the lines of the export.
func TestParquetHoldsTheLines(t *testing.T) {
	o := small(filepath.Join(t.TempDir(), "out.zip"))
	o.Duplicates = 0.1
	run(t, o)
	names, lines := readZip(t, o.Output)
	var want []string
	for _, name := range names {
		want = append(want, lines[name]...)
	}

	o.Format, o.Output = FormatParquet, filepath.Join(t.TempDir(), "out.parquet")
	s := run(t, o)
	r, rows := readParquet(t, o.Output)
	if len(rows) != len(want) || s.Events+s.Repeated != int64(len(rows)) || s.Files != 1 || s.Events != int64(o.Events) {
		t.Fatalf("%d rows, %d lines, summary %+v", len(rows), len(want), s)
	}
	for i, l := range want {
		var e struct {
			exported
			RawEvent json.RawMessage `json:"event_properties"`
			RawUser  json.RawMessage `json:"user_properties"`
			Lat      *float64        `json:"location_lat"`
		}
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatal(err)
		}
		got := rows[i]
		if *got.UUID != e.UUID || *got.AmplitudeID != e.AmplitudeID || *got.EventID != int64(e.EventID) || *got.SessionID != e.SessionID ||
			!equal(got.UserID, e.UserID) || !equal(got.DeviceID, e.DeviceID) || !equal(got.LocationLat, e.Lat) ||
			*got.EventProperties != string(e.RawEvent) || *got.UserProperties != string(e.RawUser) || *got.EventType != e.EventType {
			t.Fatalf("row %d is not line %s", i+1, l)
		}
		for text, micros := range map[string]int64{
			e.EventTime: *got.EventTime, e.ClientEventTime: *got.ClientEventTime, e.Created: *got.UserCreationTime,
			e.ServerUpload: *got.ServerUploadTime * 1000, e.ServerReceived: *got.ServerReceivedTime * 1000,
		} {
			if parseMicros(t, text) != micros {
				t.Fatalf("row %d: %d is not %s", i+1, micros, text)
			}
		}
	}
	for _, e := range r.Footer.Schema {
		if e.Name == "_INSERT_ID" || e.Name == "$INSERT_ID" {
			t.Errorf("column %s", e.Name)
		}
	}
}

func TestParquetFolder(t *testing.T) {
	o := small(filepath.Join(t.TempDir(), "copy") + "/")
	o.Format = FormatParquet
	s := run(t, o)
	_, rows := readParquet(t, filepath.Join(o.Output, "data_0_0_0.snappy.parquet"))
	if len(rows) != o.Events || s.Files != 1 {
		t.Errorf("%d rows, summary %+v", len(rows), s)
	}
	info, err := os.Stat(filepath.Join(o.Output, "data_0_0_0.snappy.parquet"))
	if err != nil || info.Size() != s.WrittenBytes {
		t.Errorf("%v %v, summary %+v", info.Size(), err, s)
	}
}

func equal[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}
