package parquet

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/klauspost/compress/gzip"
	"github.com/xitongsys/parquet-go/reader"
	parquetsource "github.com/xitongsys/parquet-go/source"

	"export2batch/generate"
)

var update = flag.Bool("update", false, "write the files in testdata again")

// shape is a warehouse's way to keep events. Its two files in testdata hold the
// same events: NAME.parquet and NAME.ndjson, as the Export API gives them.
// convert's tests convert both.
type shape struct {
	name  string
	write func(t *testing.T) (parquet []byte, lines []string)
	// second tells whether xitongsys/parquet-go reads the file as well.
	second bool
}

const shapeRows = 120

var warehouses = []shape{
	{"snowflake", snowflakeShape, true},
	{"bigquery", bigqueryShape, true},
	{"struct", structShape, true},
	{"map", mapShape, true},
}

// snowflakeShape is what generate makes, written by xitongsys/parquet-go:
// names in capitals, JSON text, no insert id.
func snowflakeShape(t *testing.T) ([]byte, []string) {
	o := generate.Defaults()
	o.Events, o.Identify = shapeRows, 0.1
	o.Format, o.Output = generate.FormatParquet, filepath.Join(t.TempDir(), "x.parquet")
	if _, err := generate.Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(o.Output)
	if err != nil {
		t.Fatal(err)
	}
	o.Format, o.Output = generate.FormatZip, filepath.Join(t.TempDir(), "x.zip")
	if _, err := generate.Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(o.Output)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var out []string
	for _, m := range z.File {
		r, err := m.Open()
		if err != nil {
			t.Fatal(err)
		}
		gz, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(gz)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	return data, out
}

// common are the columns and members of the line that the other shapes share.
func common(i int) (columns, line string) {
	columns = fmt.Sprintf(`"EVENT_TYPE":"Größe %[1]d","event_time":"2024-06-01T00:%02[2]d:03.28001%[3]dZ","device_id":"device-%[3]d","uuid":"00000000-0000-4000-8000-%012[1]d"`, i, i%60, i%10)
	line = fmt.Sprintf(`"event_type":"Größe %[1]d","event_time":"2024-06-01 00:%02[2]d:03.28001%[3]d","device_id":"device-%[3]d","uuid":"00000000-0000-4000-8000-%012[1]d"`, i, i%60, i%10)
	return columns, line
}

func commonFields() []arrow.Field {
	text := arrow.BinaryTypes.String
	return []arrow.Field{null("EVENT_TYPE", text), null("event_time", arrow.FixedWidthTypes.Timestamp_us), null("device_id", text), null("uuid", text)}
}

// bigqueryShape has numbers as BIGNUMERIC and properties as bytes.
func bigqueryShape(t *testing.T) ([]byte, []string) {
	number := &arrow.Decimal256Type{Precision: 76, Scale: 38}
	fields := append(commonFields(), null("amplitude_id", number), null("event_id", number), null("session_id", arrow.PrimitiveTypes.Int64),
		null("event_properties", arrow.BinaryTypes.Binary), null("location_lat", arrow.PrimitiveTypes.Float64), null("user_id", arrow.BinaryTypes.String), null("user_properties", arrow.BinaryTypes.String), null("city", arrow.PrimitiveTypes.Float64))
	var rows, lines []string
	for i := range shapeRows {
		columns, line := common(i)
		properties := fmt.Sprintf(`{"price": %d.50,"q\"":[1,{"x":null}],"t":"😀\u00e9"}`, i)
		columns += fmt.Sprintf(`,"amplitude_id":"90071992547409930%02d","event_id":"%d","session_id":-1,"event_properties":%q,"location_lat":%d.125`, i%100, i, base64.StdEncoding.EncodeToString([]byte(properties)), i)
		line += fmt.Sprintf(`,"amplitude_id":90071992547409930%02d,"event_id":%d,"session_id":-1,"event_properties":%s,"location_lat":%d.125`, i%100, i, properties, i)
		if i%3 == 0 {
			columns += `,"user_id":"user-1","user_properties":"{}"`
			line += `,"user_id":"user-1","user_properties":{}`
		}
		rows, lines = append(rows, "{"+columns+"}"), append(lines, "{"+line+`,"city":null}`)
	}
	return table(t, fields, "["+strings.Join(rows, ",")+"]", pq.WithDataPageVersion(pq.DataPageV2), pq.WithCompression(compress.Codecs.Gzip), pq.WithMaxRowGroupLength(50)), lines
}

// structShape has properties as structs and lists.
func structShape(t *testing.T) ([]byte, []string) {
	text, i64 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64
	fields := append(commonFields(), null("event_id", arrow.PrimitiveTypes.Float64),
		null("event_properties", arrow.StructOf(null("price", arrow.PrimitiveTypes.Float64), null("name", text), null("inner", arrow.StructOf(null("a", i64), null("b", arrow.ListOf(i64)))))),
		null("user_properties", arrow.StructOf(null("plan", text), null("tags", arrow.ListOf(text)))), null("groups", arrow.StructOf(null("org", arrow.ListOf(text)))),
		null("plan", arrow.StructOf(null("branch", text), null("source", text))))
	var rows, lines []string
	for i := range shapeRows {
		columns, line := common(i)
		columns += fmt.Sprintf(`,"event_id":%d`, i)
		line += fmt.Sprintf(`,"event_id":%d`, i)
		var members string
		switch i % 4 {
		case 0:
			members = fmt.Sprintf(`,"event_properties":{"price":%d.5,"name":"\"ä\"","inner":{"a":%d,"b":[1,null,2]}},"user_properties":{"plan":"pro","tags":[]},"groups":{"org":["a","b"]}`, i, i)
		case 1:
			members = `,"event_properties":{"name":"x","inner":{"b":[]}},"plan":{"branch":"main"}`
		case 2:
			members = `,"event_properties":{},"user_properties":{"tags":["x"]},"plan":{}`
		}
		rows, lines = append(rows, "{"+columns+members+"}"), append(lines, "{"+line+members+"}")
	}
	return table(t, fields, "["+strings.Join(rows, ",")+"]", pq.WithCompression(compress.Codecs.Snappy)), lines
}

// mapShape has properties as maps.
func mapShape(t *testing.T) ([]byte, []string) {
	text := arrow.BinaryTypes.String
	fields := append(commonFields(), null("event_properties", arrow.MapOf(text, text)), null("user_properties", arrow.MapOf(text, arrow.PrimitiveTypes.Float64)),
		null("groups", arrow.MapOf(text, arrow.ListOf(text))))
	var rows, lines []string
	for i := range shapeRows {
		columns, line := common(i)
		switch i % 3 {
		case 0:
			columns += fmt.Sprintf(`,"event_properties":[{"key":"k%d","value":"\n"},{"key":"n","value":null}],"user_properties":[{"key":"x","value":%d.5},{"key":"y","value":%d}],"groups":[{"key":"org","value":["a"]}]`, i%7, i, i)
			line += fmt.Sprintf(`,"event_properties":{"k%d":"\n","n":null},"user_properties":{"x":%d.5,"y":%d},"groups":{"org":["a"]}`, i%7, i, i)
		case 1:
			columns += `,"event_properties":[],"groups":[]`
			line += `,"event_properties":{},"groups":{}`
		}
		rows, lines = append(rows, "{"+columns+"}"), append(lines, "{"+line+"}")
	}
	return table(t, fields, "["+strings.Join(rows, ",")+"]", pq.WithCompression(compress.Codecs.Zstd), pq.WithMaxRowGroupLength(70)), lines
}

// TestFixtures reads the files in testdata, each twice: by this package, line
// by line, and by xitongsys/parquet-go, leaf by leaf.
func TestFixtures(t *testing.T) {
	for _, s := range warehouses {
		t.Run(s.name, func(t *testing.T) {
			path := filepath.Join("testdata", s.name)
			if *update {
				data, lines := s.write(t)
				if err := os.WriteFile(path+".parquet", data, 0o666); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path+".ndjson", []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			data, err := os.ReadFile(path + ".parquet")
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path + ".ndjson")
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSpace(string(text)), "\n")
			got := lines(t, data, Options{})
			if s.name == "snowflake" { // convert's tests compare its events
				if len(got) != len(want) {
					t.Errorf("%d rows, not %d", len(got), len(want))
				}
			} else {
				for i := range want {
					want[i] = strings.ReplaceAll(want[i], `,"city":null}`, "}")
				}
				equal(t, got, want)
			}
			if s.second {
				secondOpinion(t, data)
			}
		})
	}
}

// memoryFile is a Parquet file in memory for xitongsys/parquet-go.
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

// secondOpinion compares the levels and values of every leaf.
func secondOpinion(t *testing.T, data []byte) {
	t.Helper()
	other, err := reader.NewParquetColumnReader(memoryFile{bytes.NewReader(data), data}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer other.ReadStop()
	f, err := Open(bytes.NewReader(data), int64(len(data)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range f.fields {
		for _, lt := range fd.leaves {
			var got []string
			for g := range f.reader.NumRowGroups() {
				plan, err := f.plan(g, nil)
				if err != nil {
					t.Fatal(err)
				}
				l, err := plan.openLeaf(lt)
				if err != nil {
					t.Fatal(err)
				}
				for {
					more, err := l.more()
					if err != nil {
						t.Fatal(err)
					}
					if !more {
						break
					}
					got = append(got, entry(l))
					l.take()
				}
				l.close()
			}
			values, reps, defs, err := other.ReadColumnByIndex(int64(lt.index), int64(len(got))+10)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for i, v := range values {
				if v == nil {
					want = append(want, fmt.Sprint(defs[i], reps[i]))
					continue
				}
				want = append(want, fmt.Sprintf("%d %d %v", defs[i], reps[i], v))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d entries and %d, which differ", lt.path, len(got), len(want))
			}
		}
	}
}

// entry gives an entry of a leaf with its levels.
func entry(l *leaf) string {
	s := fmt.Sprint(l.def(), l.rep())
	if l.def() < l.maxDef {
		return s
	}
	switch {
	case l.bools != nil:
		return fmt.Sprintf("%s %v", s, l.bools[l.v])
	case l.int32s != nil || l.int64s != nil:
		return fmt.Sprintf("%s %d", s, l.signed())
	case l.double != nil:
		return fmt.Sprintf("%s %v", s, l.double[l.v])
	}
	return fmt.Sprintf("%s %s", s, l.bytes())
}
