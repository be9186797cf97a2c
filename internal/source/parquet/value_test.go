package parquet

import (
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// one builds a file of one column from Go values; nil is null.
func one(t testing.TB, name string, typ arrow.DataType, values ...any) []byte {
	t.Helper()
	b := array.NewBuilder(memory.DefaultAllocator, typ)
	for _, v := range values {
		if v == nil {
			b.AppendNull()
			continue
		}
		switch b := b.(type) {
		case *array.StringBuilder:
			b.Append(v.(string))
		case *array.BinaryBuilder:
			b.Append([]byte(v.(string)))
		case *array.FixedSizeBinaryBuilder:
			b.Append([]byte(v.(string)))
		case *array.Int32Builder:
			b.Append(int32(v.(int)))
		case *array.Uint32Builder:
			b.Append(uint32(v.(int)))
		case *array.Int64Builder:
			b.Append(int64(v.(int)))
		case *array.Uint64Builder:
			b.Append(v.(uint64))
		case *array.Float32Builder:
			b.Append(float32(v.(float64)))
		case *array.Float64Builder:
			b.Append(v.(float64))
		case *array.BooleanBuilder:
			b.Append(v.(bool))
		case *array.Date32Builder:
			b.Append(arrow.Date32(v.(int)))
		case *array.Time64Builder:
			b.Append(arrow.Time64(v.(int)))
		case *array.TimestampBuilder:
			b.Append(arrow.Timestamp(v.(int)))
		case *array.Decimal128Builder:
			n, err := decimal.Decimal128FromString(v.(string), typ.(*arrow.Decimal128Type).Precision, typ.(*arrow.Decimal128Type).Scale)
			if err != nil {
				t.Fatal(err)
			}
			b.Append(n)
		case *array.Decimal256Builder:
			n, err := decimal.Decimal256FromString(v.(string), typ.(*arrow.Decimal256Type).Precision, typ.(*arrow.Decimal256Type).Scale)
			if err != nil {
				t.Fatal(err)
			}
			b.Append(n)
		default:
			t.Fatalf("no builder for %T", b)
		}
	}
	rec := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{null(name, typ)}, nil), []arrow.Array{b.NewArray()}, int64(len(values)))
	return writeRecord(t, rec)
}

// TestValues reads each kind of value under the keys that make a difference.
func TestValues(t *testing.T) {
	text, binary, f64, i64 := arrow.BinaryTypes.String, arrow.BinaryTypes.Binary, arrow.PrimitiveTypes.Float64, arrow.PrimitiveTypes.Int64
	number := &arrow.Decimal128Type{Precision: 38, Scale: 0}
	ts := func(u arrow.TimeUnit, zone string) arrow.DataType {
		return &arrow.TimestampType{Unit: u, TimeZone: zone}
	}
	const when = 1717200003
	for _, tt := range []struct {
		name   string
		typ    arrow.DataType
		value  any
		want   string // the value in the line; "" none
		reason string // of a row set aside
	}{
		{"user_id", text, "Größe \"L\"\\\n\x01\u2028", `"Größe \"L\"\\\n\u0001` + "\u2028\"", ""},
		{"user_id", text, "", `""`, ""},
		{"user_id", text, nil, "", ""},
		{"user_id", binary, "abc", `"abc"`, ""},
		{"user_id", binary, "a\xff", "\"a\ufffd\"", "invalid-value"},
		{"other", binary, "a\xff", `"61ff"`, ""},
		{"user_id", i64, 42, `42`, ""},
		{"user_id", f64, 42.0, `42`, ""},
		{"user_id", f64, 42.5, `42.5`, "invalid-value"},
		{"user_id", f64, math.NaN(), "", ""},
		{"user_id", f64, float64(1<<53 - 1), `9007199254740991`, ""},
		{"user_id", f64, float64(1 << 53), `9007199254740992`, "inexact-id"},
		{"user_id", f64, -float64(1<<53 + 2), `-9007199254740994`, "inexact-id"},
		{"event_id", arrow.PrimitiveTypes.Float32, float64(1<<24 - 1), `16777215`, ""},
		{"event_id", arrow.PrimitiveTypes.Float32, float64(1 << 24), `16777216`, "inexact-id"},
		{"app", f64, float64(1 << 60), `1152921504606846976`, ""}, // matters to no event
		{"event_id", f64, 1.5, `1.5`, "invalid-value"},
		{"event_id", f64, math.Copysign(0, -1), `0`, ""},
		{"event_id", i64, 1<<53 + 1, `9007199254740993`, ""},
		{"event_id", arrow.PrimitiveTypes.Int32, -7, `-7`, ""},
		{"event_id", arrow.PrimitiveTypes.Uint32, 1<<32 - 1, `4294967295`, ""},
		{"event_id", arrow.PrimitiveTypes.Uint64, uint64(math.MaxUint64), `18446744073709551615`, ""},
		{"event_id", number, "9007199254740993", `9007199254740993`, ""},
		{"event_id", number, "-99999999999999999999999999999999999999", `-99999999999999999999999999999999999999`, ""},
		{"event_id", &arrow.Decimal128Type{Precision: 20, Scale: 2}, "12.00", `12`, ""},
		{"event_id", &arrow.Decimal128Type{Precision: 20, Scale: 2}, "12.50", `12.5`, "invalid-value"},
		{"event_id", &arrow.Decimal256Type{Precision: 76, Scale: 38}, "104887485650", `104887485650`, ""},
		{"event_id", text, "12", `12`, ""},
		{"event_id", text, "-1.00", `-1`, ""},
		{"event_id", text, "1e3", `"1e3"`, ""},
		{"event_id", text, " ", "", ""},
		{"event_id", text, "007", `"007"`, ""},
		{"other", &arrow.Decimal128Type{Precision: 5, Scale: 3}, "-0.050", `-0.05`, ""},
		{"other", &arrow.Decimal128Type{Precision: 5, Scale: 3}, "0.000", `0`, ""},
		{"location_lat", f64, 52.52, `52.52`, ""},
		{"location_lat", f64, 3.0, `3`, ""},
		{"location_lat", f64, 1e-7, `1e-7`, ""},
		{"location_lat", f64, 1e21, `1e+21`, ""},
		{"location_lat", f64, math.Inf(1), "", "invalid-value"},
		{"location_lat", arrow.PrimitiveTypes.Float32, 33.53, `33.53`, ""},
		{"location_lat", text, "52.50", `52.50`, ""},
		{"os_version", i64, 10, `"10"`, ""},
		{"os_version", f64, 10.5, `"10.5"`, ""},
		{"os_version", f64, 10.0, `"10"`, ""},
		{"city", arrow.FixedWidthTypes.Boolean, true, `"true"`, ""},
		{"paying", arrow.FixedWidthTypes.Boolean, true, `true`, ""},
		{"paying", text, "true", `"true"`, ""},
		{"uuid", &arrow.FixedSizeBinaryType{ByteWidth: 16}, "\x55\x0e\x84\x00\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\x00\x00", `"550e8400-e29b-41d4-a716-446655440000"`, ""},
		{"uuid", &arrow.FixedSizeBinaryType{ByteWidth: 4}, "abcd", `"abcd"`, ""},
		{"event_properties", text, `{"a": 1.50,"b":"\u00e9"}`, `{"a": 1.50,"b":"\u00e9"}`, ""},
		{"event_properties", binary, "\n {\"a\":\n\t[1, 2]}\r\n", `{"a":[1,2]}`, ""},
		{"event_properties", text, `null`, "", ""},
		{"event_properties", text, ``, "", ""},
		{"event_properties", text, `{'a': 1}`, `"{'a': 1}"`, "invalid-value"},
		{"event_properties", text, `{},"user_id":"x"`, `"{},\"user_id\":\"x\""`, "invalid-value"},
		{"event_properties", text, `{"a":"` + "\x01" + `"}`, `"{\"a\":\"\u0001\"}"`, "invalid-value"},
		{"data", text, `{'a': 1}`, `"{'a': 1}"`, ""},
		{"data", text, `{}`, `{}`, ""},
		{"event_time", ts(arrow.Second, ""), when, `"2024-06-01 00:00:03"`, ""}, // written as ms
		{"event_time", ts(arrow.Millisecond, ""), when*1000 + 280, `"2024-06-01 00:00:03.280"`, ""},
		{"event_time", ts(arrow.Microsecond, "UTC"), when*1_000_000 + 280014, `"2024-06-01 00:00:03.280014"`, ""},
		{"event_time", ts(arrow.Microsecond, "Europe/Berlin"), when*1_000_000 + 280014, `"2024-06-01 00:00:03.280014"`, ""},
		{"event_time", ts(arrow.Nanosecond, ""), when*1_000_000_000 + 1, `"2024-06-01 00:00:03.000000001"`, ""},
		{"event_time", ts(arrow.Millisecond, ""), -1, `"1969-12-31 23:59:59.999"`, ""},
		{"event_time", ts(arrow.Microsecond, ""), math.MinInt64, `"out of range"`, "invalid-value"},
		{"processed_time", ts(arrow.Microsecond, ""), math.MaxInt64, `"out of range"`, ""},
		{"event_time", arrow.FixedWidthTypes.Date32, 19875, `"2024-06-01 00:00:00"`, ""},
		{"event_time", text, "2024-06-01T00:00:03Z", `"2024-06-01T00:00:03Z"`, ""},
		{"event_time", i64, when, `"2024-06-01 00:00:03"`, ""},
		{"event_time", i64, when*1000 + 280, `"2024-06-01 00:00:03.280"`, ""},
		{"event_time", i64, when * 1_000_000, `"2024-06-01 00:00:03"`, ""},
		{"event_time", i64, when * 1_000_000_000, `"2024-06-01 00:00:03"`, ""},
		{"event_time", f64, when + 0.678, `"2024-06-01 00:00:03.678"`, ""},
		{"event_time", f64, when*1e3 + 678, `"2024-06-01 00:00:03.678"`, ""},
		{"event_time", f64, when * 1e9, `1717200003000000000`, "inexact-id"},
		{"event_time", number, "1717200003280", `"2024-06-01 00:00:03.280"`, ""},
		{"event_time", arrow.FixedWidthTypes.Time64us, 3_280_014, `"00:00:03.280014"`, ""},
	} {
		got := lines(t, one(t, tt.name, tt.typ, tt.value), Options{})[0]
		want := `{"` + tt.name + `":` + tt.want + `}`
		if tt.want == "" {
			want = "{}"
		}
		line, reason, _ := strings.Cut(got, "} ")
		if reason != "" || strings.HasSuffix(got, "} ") {
			line += "}"
		}
		if line != want || !strings.HasPrefix(reason, tt.reason) || (reason == "") != (tt.reason == "") {
			t.Errorf("%s of %s, %v: got %s (%s), want %s (%s)", tt.name, tt.typ, tt.value, line, reason, want, tt.reason)
		}
	}
}

// TestAllNull reads a column without values of every type.
func TestAllNull(t *testing.T) {
	for _, typ := range []arrow.DataType{arrow.Null, arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64, arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Boolean,
		arrow.FixedWidthTypes.Timestamp_us, &arrow.Decimal128Type{Precision: 38}, arrow.ListOf(arrow.BinaryTypes.String),
		arrow.StructOf(null("a", arrow.BinaryTypes.String)), arrow.MapOf(arrow.BinaryTypes.String, arrow.BinaryTypes.String)} {
		for _, name := range []string{"event_properties", "event_id", "city", "event_time", "user_id"} {
			data := table(t, []arrow.Field{null(name, typ), null("uuid", arrow.BinaryTypes.String)}, `[{"uuid":"u"},{},{"uuid":"v"}]`)
			equal(t, lines(t, data, Options{}), []string{`{"uuid":"u"}`, `{}`, `{"uuid":"v"}`})
		}
	}
}

// TestUUID reads 16 bytes that are said to be a UUID, under any key.
func TestUUID(t *testing.T) {
	values := []pq.FixedLenByteArray{[]byte("\x55\x0e\x84\x00\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\x00\x00")}
	node, err := schema.NewPrimitiveNodeLogical("trace", pq.Repetitions.Required, schema.UUIDLogicalType{}, pq.Types.FixedLenByteArray, 16, -1)
	if err != nil {
		t.Fatal(err)
	}
	data := raw(t, []rawColumn{{node: node, write: func(w file.ColumnChunkWriter) error {
		_, err := w.(*file.FixedLenByteArrayColumnChunkWriter).WriteBatch(values, nil, nil)
		return err
	}}})
	equal(t, lines(t, data, Options{}), []string{`{"trace":"550e8400-e29b-41d4-a716-446655440000"}`})
}

// TestInt96 reads times that nanoseconds in 64 bits cannot hold.
func TestInt96(t *testing.T) {
	at := func(day uint32, nanos uint64) (v pq.Int96) {
		v.SetNanoSeconds(int64(nanos))
		for i := range 4 {
			v[8+i] = byte(day >> (8 * i))
		}
		return v
	}
	values := []pq.Int96{at(2_440_588, 0), at(2_460_463, 3_280_014_000), at(2_305_448, 1), at(2_816_788, 86_399_999_999_999), at(0, 0)}
	data := raw(t, []rawColumn{{node: schema.NewInt96Node("EVENT_TIME", pq.Repetitions.Required, -1), write: func(w file.ColumnChunkWriter) error {
		_, err := w.(*file.Int96ColumnChunkWriter).WriteBatch(values, nil, nil)
		return err
	}}})
	got := lines(t, data, Options{})
	equal(t, got[:4], []string{`{"event_time":"1970-01-01 00:00:00"}`, `{"event_time":"2024-06-01 00:00:03.280014"}`, `{"event_time":"1600-01-01 00:00:00.000000001"}`, `{"event_time":"3000-01-01 23:59:59.999999999"}`})
	if !strings.Contains(got[4], RuleValue) { // 4714 before Christ
		t.Errorf("got %s", got[4])
	}
}

// TestUnreadable refuses a type that is not read for a key that matters, with a
// way out; for others it counts as populated.
func TestUnreadable(t *testing.T) {
	for _, name := range []string{"EVENT_PROPERTIES", "trace"} {
		node, err := schema.NewPrimitiveNodeLogical(name, pq.Repetitions.Required, schema.BSONLogicalType{}, pq.Types.ByteArray, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		data := raw(t, []rawColumn{{node: node, write: func(w file.ColumnChunkWriter) error {
			_, err := w.(*file.ByteArrayColumnChunkWriter).WriteBatch([]pq.ByteArray{[]byte("x")}, nil, nil)
			return err
		}}})
		if name == "trace" {
			equal(t, lines(t, data, Options{}), []string{`{"trace":true}`})
		} else if got := refused(t, data, Options{}); !strings.HasPrefix(got, `column "EVENT_PROPERTIES": its type is BSON, which is not read; give it as JSON text`) {
			t.Errorf("got %s", got)
		}
	}
}
