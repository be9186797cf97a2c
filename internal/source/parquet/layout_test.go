package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// shapes is a table with every kind of nesting and of value, and its lines.
func shapes(rows int) (fields []arrow.Field, in string, out []string) {
	text, i64 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64
	fields = []arrow.Field{
		null("USER_ID", text), null("EVENT_ID", i64), null("LOCATION_LAT", arrow.PrimitiveTypes.Float64), null("PAYING", arrow.FixedWidthTypes.Boolean),
		null("AMPLITUDE_ID", &arrow.Decimal128Type{Precision: 38}), null("EVENT_TIME", arrow.FixedWidthTypes.Timestamp_us),
		null("EVENT_PROPERTIES", arrow.StructOf(null("a", i64), null("s", arrow.StructOf(null("l", arrow.ListOf(i64)), null("t", text))), null("ll", arrow.ListOf(arrow.ListOf(text))))),
		null("USER_PROPERTIES", arrow.MapOf(text, text)), null("GROUPS", arrow.MapOf(text, arrow.ListOf(text))),
		null("DATA", arrow.ListOf(arrow.StructOf(null("k", text), null("v", i64)))), {Name: "EVENT_TYPE", Type: text},
	}
	var b strings.Builder
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		long := strings.Repeat("ä", i%50)
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, `{"USER_ID":"user-%[1]d","EVENT_ID":%[1]d,"LOCATION_LAT":%[1]d.5,"PAYING":true,"AMPLITUDE_ID":"%[1]d00000000000000000000","EVENT_TIME":"2024-06-01T00:00:03.280014Z","EVENT_TYPE":"a",
				"EVENT_PROPERTIES":{"a":%[1]d,"s":{"l":[1,null,%[1]d],"t":"%[2]s"},"ll":[["x",null],[],null,["%[2]s"]]},
				"USER_PROPERTIES":[{"key":"k","value":"%[2]s"},{"key":"n","value":null}],"GROUPS":[{"key":"org","value":["a","b"]},{"key":"e","value":[]}],"DATA":[{"k":"x","v":1},null,{"v":2}]}`, i, long)
			out = append(out, fmt.Sprintf(`{"user_id":"user-%[1]d","event_id":%[1]d,"location_lat":%[1]d.5,"paying":true,"amplitude_id":%[3]s,"event_time":"2024-06-01 00:00:03.280014",`+
				`"event_properties":{"a":%[1]d,"s":{"l":[1,null,%[1]d],"t":"%[2]s"},"ll":[["x",null],[],null,["%[2]s"]]},"user_properties":{"k":"%[2]s","n":null},"groups":{"org":["a","b"],"e":[]},"data":[{"k":"x","v":1},null,{"v":2}],"event_type":"a"}`,
				i, long, zeros(i)))
		case 1:
			fmt.Fprintf(&b, `{"EVENT_TYPE":"b"}`)
			out = append(out, `{"event_type":"b"}`)
		case 2:
			fmt.Fprintf(&b, `{"EVENT_PROPERTIES":{},"USER_PROPERTIES":[],"DATA":[],"EVENT_TYPE":"%s","USER_ID":"","PAYING":false}`, long)
			out = append(out, fmt.Sprintf(`{"user_id":"","paying":false,"event_properties":{},"user_properties":{},"data":[],"event_type":"%s"}`, long))
		case 3:
			fmt.Fprintf(&b, `{"EVENT_PROPERTIES":{"s":{},"ll":[]},"GROUPS":[{"key":"x","value":null}],"DATA":[null],"EVENT_TYPE":"d","EVENT_ID":-%d}`, i)
			out = append(out, fmt.Sprintf(`{"event_id":-%d,"event_properties":{"s":{},"ll":[]},"groups":{"x":null},"data":[null],"event_type":"d"}`, i))
		}
	}
	return fields, "[" + b.String() + "]", out
}

// zeros is i followed by twenty zeros, as a number.
func zeros(i int) string {
	if i == 0 {
		return "0"
	}
	return fmt.Sprintf("%d00000000000000000000", i)
}

// encoded are the columns that an encoding is tried on.
var encoded = map[string][]string{
	"plain":                   nil,
	"dictionary":              nil,
	"DELTA_BINARY_PACKED":     {"EVENT_ID", "EVENT_TIME", "EVENT_PROPERTIES.a", "EVENT_PROPERTIES.s.l.list.element", "DATA.list.element.v"},
	"DELTA_LENGTH_BYTE_ARRAY": {"USER_ID", "EVENT_TYPE", "EVENT_PROPERTIES.s.t", "EVENT_PROPERTIES.ll.list.element.list.element", "USER_PROPERTIES.key_value.value"},
	"DELTA_BYTE_ARRAY":        {"USER_ID", "EVENT_TYPE", "EVENT_PROPERTIES.s.t", "EVENT_PROPERTIES.ll.list.element.list.element", "USER_PROPERTIES.key_value.key"},
	"BYTE_STREAM_SPLIT":       {"LOCATION_LAT", "EVENT_ID", "EVENT_TIME", "AMPLITUDE_ID"},
	"RLE":                     {"PAYING"},
}

var encodings = map[string]pq.Encoding{
	"DELTA_BINARY_PACKED": pq.Encodings.DeltaBinaryPacked, "DELTA_LENGTH_BYTE_ARRAY": pq.Encodings.DeltaLengthByteArray,
	"DELTA_BYTE_ARRAY": pq.Encodings.DeltaByteArray, "BYTE_STREAM_SPLIT": pq.Encodings.ByteStreamSplit, "RLE": pq.Encodings.RLE,
}

var codecs = map[string]compress.Compression{
	"none": compress.Codecs.Uncompressed, "snappy": compress.Codecs.Snappy, "gzip": compress.Codecs.Gzip,
	"zstd": compress.Codecs.Zstd, "brotli": compress.Codecs.Brotli, "lz4_raw": compress.Codecs.Lz4Raw,
}

// layout writes shapes with an encoding, a codec and a version of data pages.
func layout(t testing.TB, rows int, encoding, codec string, version pq.DataPageVersion) (data []byte, want []string) {
	fields, in, want := shapes(rows)
	props := []pq.WriterProperty{
		pq.WithCompression(codecs[codec]), pq.WithDataPageVersion(version), pq.WithDictionaryDefault(encoding == "dictionary"),
		pq.WithDataPageSize(2048), pq.WithBatchSize(64), pq.WithMaxRowGroupLength(int64(rows*2/5) + 1),
	}
	for _, c := range encoded[encoding] {
		props = append(props, pq.WithEncodingFor(c, encodings[encoding]))
	}
	return table(t, fields, in, props...), want
}

// TestLayouts reads the same rows from every encoding, codec and version of
// data pages, in nested columns and plain ones.
func TestLayouts(t *testing.T) {
	for encoding := range encoded {
		for codec := range codecs {
			for _, version := range []pq.DataPageVersion{pq.DataPageV1, pq.DataPageV2} {
				t.Run(fmt.Sprintf("%s %s V%d", encoding, codec, version+1), func(t *testing.T) {
					data, want := layout(t, 200, encoding, codec, version)
					equal(t, lines(t, data, Options{}), want)
				})
			}
		}
	}
}

// TestWorkers reads row groups side by side, and through temporary files: the
// lines are the same.
func TestWorkers(t *testing.T) {
	data, want := layout(t, 1200, "dictionary", "zstd", pq.DataPageV2)
	for _, workers := range []int{1, 2, 7} {
		equal(t, lines(t, data, Options{Workers: workers}), want)
	}
	for _, open := range []int64{0, 20_000} {
		f, err := Open(bytes.NewReader(data), int64(len(data)), Options{Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		f.open = open
		got, err := readAll(f)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, want)
	}
}

// TestSpilledFaults keeps the reasons of bad rows through a temporary file.
func TestSpilledFaults(t *testing.T) {
	data := table(t, []arrow.Field{null("event_properties", arrow.BinaryTypes.String), null("event_id", arrow.PrimitiveTypes.Float64)},
		`[{"event_properties":"{}"},{"event_properties":"{"},{"event_id":9007199254740993},{"event_properties":"}","event_id":1},{}]`)
	want := lines(t, data, Options{})
	if len(want) != 5 || strings.Count(strings.Join(want, "\n"), RuleValue) != 2 || strings.Count(strings.Join(want, "\n"), RuleInexactID) != 1 {
		t.Fatalf("got %q", want)
	}
	f, err := Open(bytes.NewReader(data), int64(len(data)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.open = 0
	got, err := readAll(f)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, want)
}

// TestStop closes a reader in the middle.
func TestStop(t *testing.T) {
	data, want := layout(t, 1200, "plain", "none", pq.DataPageV1)
	f, err := Open(bytes.NewReader(data), int64(len(data)), Options{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	r := f.Read()
	if line, err := r.Next(); err != nil || string(line) != want[0] {
		t.Fatalf("got %s, %v", line, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(f) // again, from the start
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, want)
}

// retyped gives the columns of a file another type in its footer.
func retyped(t testing.TB, data []byte, physical, length int32) []byte {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	md := r.MetaData()
	for _, e := range md.FileMetaData.Schema {
		if e.Type != nil {
			setInt(e.Type, physical)
			e.TypeLength = &length
			e.ConvertedType, e.LogicalType = nil, nil
		}
	}
	for _, g := range md.RowGroups {
		for _, c := range g.Columns {
			setInt(&c.MetaData.Type, physical)
		}
	}
	return refooted(t, data, r)
}

func setInt[T ~int64](v *T, n int32) { *v = T(n) }

// refooted writes a file's footer again.
func refooted(t testing.TB, data []byte, r *file.Reader) []byte {
	t.Helper()
	n := binary.LittleEndian.Uint32(data[len(data)-8:])
	out := bytes.NewBuffer(slices.Clone(data[:len(data)-8-int(n)]))
	length, err := r.MetaData().WriteTo(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	tail := binary.LittleEndian.AppendUint32(nil, uint32(length))
	out.Write(append(tail, magic...))
	return out.Bytes()
}

// TestFixedDelta reads bytes of fixed length in DELTA_BYTE_ARRAY pages, which
// arrow-go refuses.
func TestFixedDelta(t *testing.T) {
	var rows []string
	var want []string
	for i := range 600 {
		rows = append(rows, fmt.Sprintf(`{"USER_ID":"user-%04d"}`, i/2))
		want = append(want, fmt.Sprintf(`{"user_id":"user-%04d"}`, i/2))
	}
	for _, version := range []pq.DataPageVersion{pq.DataPageV1, pq.DataPageV2} {
		data := table(t, []arrow.Field{null("USER_ID", arrow.BinaryTypes.String)}, "["+strings.Join(rows, ",")+"]",
			pq.WithDictionaryDefault(false), pq.WithEncoding(pq.Encodings.DeltaByteArray), pq.WithDataPageVersion(version), pq.WithDataPageSize(512), pq.WithBatchSize(16))
		equal(t, lines(t, retyped(t, data, 7, 9), Options{}), want)
	}

	// With a dictionary, as parquet-mr begins such a column.
	many := strings.Repeat(`,{"USER_ID":"YWJj"},{},{"USER_ID":"ZGVm"}`, 500)
	data := table(t, []arrow.Field{null("USER_ID", &arrow.FixedSizeBinaryType{ByteWidth: 3})}, "["+many[1:]+"]")
	f, err := Open(bytes.NewReader(data), int64(len(data)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := f.plan(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	g.plans[0].fixedDelta = true
	c, err := g.open(f.fields[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	var got []string
	for range 3 {
		value, _, err := c.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(value))
	}
	equal(t, got, []string{`"abc"`, "", `"def"`})
}

// TestOldLists reads lists and maps in the forms that older writers used.
func TestOldLists(t *testing.T) {
	must := func(n *schema.GroupNode, err error) schema.Node {
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	text := func(name string, r pq.Repetition) schema.Node {
		return schema.MustPrimitive(schema.NewPrimitiveNodeLogical(name, r, schema.StringLogicalType{}, pq.Types.ByteArray, 0, -1))
	}
	opt, req, rep := pq.Repetitions.Optional, pq.Repetitions.Required, pq.Repetitions.Repeated
	values := func(v []string, defs, reps []int16) func(file.ColumnChunkWriter) error {
		return func(w file.ColumnChunkWriter) error {
			b := make([]pq.ByteArray, len(v))
			for i := range v {
				b[i] = []byte(v[i])
			}
			_, err := w.(*file.ByteArrayColumnChunkWriter).WriteBatch(b, defs, reps)
			return err
		}
	}
	list, keyed := schema.ConvertedTypes.List, schema.ConvertedTypes.Map
	for _, tt := range []struct {
		name string
		node schema.Node
		defs []int16
		reps []int16
		vals []string
		want []string
	}{
		{"two levels", must(schema.NewGroupNodeConverted("data", opt, schema.FieldList{text("array", rep)}, list, -1)),
			[]int16{2, 2, 1, 0}, []int16{0, 1, 0, 0}, []string{"a", "b"}, []string{`{"data":["a","b"]}`, `{"data":[]}`, `{}`}},
		{"group called array", must(schema.NewGroupNodeConverted("data", opt, schema.FieldList{must(schema.NewGroupNode("array", rep, schema.FieldList{text("x", opt)}, -1))}, list, -1)),
			[]int16{3, 2, 1, 0}, []int16{0, 1, 0, 0}, []string{"a"}, []string{`{"data":[{"x":"a"},{}]}`, `{"data":[]}`, `{}`}},
		{"three levels", must(schema.NewGroupNodeConverted("data", opt, schema.FieldList{must(schema.NewGroupNode("bag", rep, schema.FieldList{text("array_element", opt)}, -1))}, list, -1)),
			[]int16{3, 2, 1, 0}, []int16{0, 1, 0, 0}, []string{"a"}, []string{`{"data":["a",null]}`, `{"data":[]}`, `{}`}},
		{"required all the way", must(schema.NewGroupNodeConverted("data", req, schema.FieldList{must(schema.NewGroupNode("list", rep, schema.FieldList{text("element", req)}, -1))}, list, -1)),
			[]int16{1, 1, 0}, []int16{0, 1, 0}, []string{"a", "b"}, []string{`{"data":["a","b"]}`, `{"data":[]}`}},
		{"no annotation", text("data", rep), []int16{1, 1, 0}, []int16{0, 1, 0}, []string{"a", "b"}, []string{`{"data":["a","b"]}`, `{"data":[]}`}},
	} {
		data := raw(t, []rawColumn{{tt.node, values(tt.vals, tt.defs, tt.reps)}})
		got := lines(t, data, Options{})
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}

	// A map as Presto writes them: its keys may be null.
	node := must(schema.NewGroupNodeConverted("user_properties", opt, schema.FieldList{
		must(schema.NewGroupNode("map", rep, schema.FieldList{text("key", opt), text("value", opt)}, -1))}, keyed, -1))
	for _, tt := range []struct{ keys, want string }{
		{"k", `{"user_properties":{"k":"v"}}`},
		{"", `{"user_properties":{"null":"v"}} invalid-value: column "user_properties.map.key": a key of the map is null`},
	} {
		def, keys := int16(2), []string(nil)
		if tt.keys != "" {
			def, keys = 3, []string{tt.keys}
		}
		var b bytes.Buffer
		root := must(schema.NewGroupNode("schema", req, schema.FieldList{node}, -1)).(*schema.GroupNode)
		w := file.NewParquetWriter(&b, root)
		rg, err := w.AppendRowGroupChecked()
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range [][]string{keys, {"v"}} {
			cw, err := rg.NextColumn()
			if err != nil {
				t.Fatal(err)
			}
			d := []int16{def, 3}[i]
			if err := values(c, []int16{d}, []int16{0})(cw); err != nil {
				t.Fatal(err)
			}
			if err := cw.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		equal(t, lines(t, b.Bytes(), Options{}), []string{tt.want})
	}
}
