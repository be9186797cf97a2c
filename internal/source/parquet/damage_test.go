package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// TestRefusals reads what is no whole Parquet file.
func TestRefusals(t *testing.T) {
	whole, _ := layout(t, 50, "plain", "snappy", pq.DataPageV1)
	n := int(binary.LittleEndian.Uint32(whole[len(whole)-8:]))
	with := func(change func(b []byte) []byte) []byte { return change(slices.Clone(whole)) }
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "cut short"},
		{"magic alone", []byte("PAR1PAR1"), "cut short"},
		{"cut in the footer", whole[:len(whole)-20], "cut short"},
		{"cut in the data", whole[:len(whole)/2], "cut short"},
		{"other text", []byte(`{"event_type":"x","user_id":"y"}`), "no Parquet file"},
		{"encrypted", with(func(b []byte) []byte { copy(b[len(b)-4:], "PARE"); return b }), "encrypted"},
		{"footer longer than the file", with(func(b []byte) []byte { b[len(b)-5] = 0x7f; return b }), "claims"},
		{"footer of no bytes", with(func(b []byte) []byte { clear(b[len(b)-8 : len(b)-4]); return b }), "claims 0"},
		{"footer of zeros", with(func(b []byte) []byte { clear(b[len(b)-8-n : len(b)-8]); return b }), "the footer"},
		{"another schema", changed(t, whole, func(r *file.Reader) { setInt(r.MetaData().FileMetaData.Schema[3].Type, 4) }), "the schema says"},
		{"too many children", changed(t, whole, func(r *file.Reader) { *r.MetaData().FileMetaData.Schema[0].NumChildren = 90 }), "tree does not close"},
		{"too few rows", changed(t, whole, func(r *file.Reader) { r.MetaData().NumRows-- }), "it counts 49 rows"},
		{"a column of another length", changed(t, whole, func(r *file.Reader) { r.MetaData().RowGroups[0].Columns[0].MetaData.NumValues-- }), "20 values"},
		{"a column beyond the end", changed(t, whole, func(r *file.Reader) { r.MetaData().RowGroups[0].Columns[0].MetaData.TotalCompressedSize = 1 << 40 }), "points out"},
		{"an unknown codec", changed(t, whole, func(r *file.Reader) { setInt(&r.MetaData().RowGroups[0].Columns[0].MetaData.Codec, 3) }), `column "USER_ID": it is compressed with LZO`},
		{"a row group less", changed(t, whole, func(r *file.Reader) { r.MetaData().RowGroups = r.MetaData().RowGroups[:1] }), "its row groups 21"},
		{"a column less", changed(t, whole, func(r *file.Reader) { g := r.MetaData().RowGroups[0]; g.Columns = g.Columns[1:] }), "columns"},
		{"two user ids", table(t, []arrow.Field{null("user_id", arrow.BinaryTypes.String), null("USER_ID", arrow.BinaryTypes.String)}, `[{}]`), `--columns 'user_id=USER_ID'`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := refused(t, tt.data, Options{}); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// changed writes a file with another footer.
func changed(t testing.TB, data []byte, change func(*file.Reader)) []byte {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	change(r)
	return refooted(t, data, r)
}

// TestEmpty reads files without rows.
func TestEmpty(t *testing.T) {
	equal(t, lines(t, table(t, []arrow.Field{null("user_id", arrow.BinaryTypes.String)}, `[]`), Options{}), nil)
	equal(t, lines(t, table(t, nil, `[]`), Options{}), nil)
}

// TestMissingRows gives fewer pages than the footer promises: no row may be
// lost in silence, and those before the fault are kept.
func TestMissingRows(t *testing.T) {
	data, want := layout(t, 400, "plain", "none", pq.DataPageV1)
	short := changed(t, data, func(r *file.Reader) {
		c := r.MetaData().RowGroups[1].Columns[1].MetaData
		c.TotalCompressedSize = c.TotalCompressedSize * 2 / 3
	})
	got, err := read(short, Options{})
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Column != "EVENT_ID" {
		t.Fatalf("got %v", err)
	}
	equal(t, got, want[:161])
}

type brokenDevice struct {
	io.ReaderAt
	from int64
}

func (d brokenDevice) ReadAt(p []byte, at int64) (int, error) {
	if at >= d.from && at < d.from+1000 {
		return 0, &fs.PathError{Op: "read", Path: "x", Err: errors.New("input/output error")}
	}
	return d.ReaderAt.ReadAt(p, at)
}

// TestDevice tells a device that fails from a damaged file.
func TestDevice(t *testing.T) {
	data, _ := layout(t, 400, "plain", "none", pq.DataPageV1)
	for _, from := range []int64{4, 6000, int64(len(data)) - 500} {
		f, err := Open(brokenDevice{bytes.NewReader(data), from}, int64(len(data)), Options{})
		if err == nil {
			_, err = readAll(f)
		}
		if !errors.As(err, new(*fs.PathError)) || errors.As(err, new(*Refusal)) {
			t.Errorf("from %d: got %v", from, err)
		}
	}
}

// TestPageBounds looks at the edges of what a page header may say.
func TestPageBounds(t *testing.T) {
	body := []byte("abcdefgh")
	for _, tt := range []struct {
		name string
		h    pageHeader
		want string
	}{
		{"largest page", pageHeader{compressed: 8, uncompressed: maxPage, values: 1}, ""},
		{"larger page", pageHeader{compressed: 8, uncompressed: maxPage + 1, values: 1}, "134217729 bytes, more than"},
		{"larger stored page", pageHeader{compressed: maxPage + 1, uncompressed: 8}, "134217729 bytes, more than"},
		{"negative", pageHeader{compressed: 8, uncompressed: -1}, "contradicts"},
		{"levels as long as the page", pageHeader{typ: dataPageV2, compressed: 8, uncompressed: 8, levels: 8}, ""},
		{"levels longer than the page", pageHeader{typ: dataPageV2, compressed: 8, uncompressed: 9, levels: 9}, "contradicts"},
		{"fullest dictionary", pageHeader{typ: dictionaryPage, compressed: 8, uncompressed: 40, values: 10}, ""},
		{"fuller dictionary", pageHeader{typ: dictionaryPage, compressed: 8, uncompressed: 40, values: 11}, "cannot hold 11"},
		{"checksum", pageHeader{compressed: 8, uncompressed: 8, hasCRC: true, crc: crc32.ChecksumIEEE(body)}, ""},
		{"wrong checksum", pageHeader{compressed: 8, uncompressed: 8, hasCRC: true, crc: 1}, "checksum"},
	} {
		f := &File{source: bytes.NewReader(body), size: int64(len(body))}
		w := &walker{f: f, l: &leafType{path: "c"}, codec: compress.Codecs.Gzip, plan: chunkPlan{batch: batchSize}}
		err := w.page(tt.h, 0)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}

	// Snappy says in front how much it unpacks to.
	w := &walker{f: &File{source: bytes.NewReader([]byte{9, 0, 0}), size: 3}, l: &leafType{path: "c"}, codec: compress.Codecs.Snappy}
	for size, ok := range map[int64]bool{8: false, 9: true, 10: false} {
		if err := w.page(pageHeader{compressed: 3, uncompressed: size}, 0); (err == nil) != ok {
			t.Errorf("unpacking to 9 bytes in a page of %d: %v", size, err)
		}
	}

	// A batch of DELTA_BYTE_ARRAY can take a page for each of its values.
	w = &walker{f: &File{source: bytes.NewReader(body)}, l: &leafType{path: "c"}, codec: compress.Codecs.Gzip, plan: chunkPlan{batch: batchSize}}
	if err := w.page(pageHeader{compressed: 8, uncompressed: 1 << 20, encoding: int64(pq.Encodings.DeltaByteArray)}, 0); err != nil || w.plan.batch != 16 {
		t.Errorf("batches of %d, %v", w.plan.batch, err)
	}
}

// TestUnpackBounds unpacks into the room that the page header gives, no more.
func TestUnpackBounds(t *testing.T) {
	text := []byte(strings.Repeat("0123456789", 1000))
	for name, id := range codecs {
		if name == "none" {
			continue
		}
		codec, err := compress.GetCodec(id)
		if err != nil {
			t.Fatal(err)
		}
		packed := codec.Encode(nil, text)
		if got, err := compress.Decode(codec, make([]byte, len(text)), packed); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if got, err := compress.Decode(codec, make([]byte, len(text)-1), packed); err == nil {
			t.Errorf("%s: unpacked %d bytes into %d", name, len(got), len(text)-1)
		}
		if got, err := compress.Decode(codec, nil, packed); len(got) != 0 {
			t.Errorf("%s: unpacked %d bytes into none, %v", name, len(got), err)
		}
	}
}

// TestRowBound reads the longest row, and one that is a byte longer, from pages
// and from temporary files.
func TestRowBound(t *testing.T) {
	long := strings.Repeat("a", 1000)
	row := `{"city":"` + long + `","region":"` + long + `","x":"` + long + `"}`
	text := arrow.BinaryTypes.String
	data := table(t, []arrow.Field{null("city", text), null("region", text), null("x", text)}, "["+row+`,{"city":"z"}]`, pq.WithDictionaryDefault(false))
	for _, open := range []int64{openBudget, 0} {
		for bound, want := range map[int]string{
			len(row):     row,
			len(row) - 1: " " + RuleTooLong + ": the row has more than 3029 bytes as JSON",
			500:          " " + RuleTooLong + ": the row has more than 500 bytes as JSON",
		} {
			f, err := Open(bytes.NewReader(data), int64(len(data)), Options{})
			if err != nil {
				t.Fatal(err)
			}
			f.longest, f.open = bound, open
			got, err := readAll(f)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, []string{want, `{"city":"z"}`})
		}
	}
}

// footer writes Thrift's compact protocol for TestFooterBounds.
func footer(elements, chunks int, children func(i int) byte) []byte {
	b := []byte{0x29, 0xfc} // member 2: a list of structs
	b = binary.AppendUvarint(b, uint64(elements))
	for i := range elements {
		if n := children(i); n > 0 {
			b = append(b, 0x55, n<<1) // member 5: an i32
		}
		b = append(b, 0)
	}
	b = append(b, 0x29, 0x1c, 0x19, 0xfc) // member 4: a list of one struct, whose member 1 is a list of structs
	b = binary.AppendUvarint(b, uint64(chunks))
	b = append(b, make([]byte, chunks)...)
	return append(b, 0, 0)
}

func TestFooterBounds(t *testing.T) {
	flat := func(int) byte { return 0 }
	deep := func(n int) func(int) byte {
		return func(i int) byte {
			if i < n {
				return 1
			}
			return 0
		}
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"most elements", footer(maxSchemaElements, 1, flat), ""},
		{"more elements", footer(maxSchemaElements+1, 1, flat), "20001 elements"},
		{"deepest", footer(maxSchemaDepth+1, 1, deep(maxSchemaDepth)), ""},
		{"deeper", footer(maxSchemaDepth+2, 1, deep(maxSchemaDepth+1)), "nested more than 60"},
		{"most chunks", footer(1, maxChunks, flat), ""},
		{"more chunks", footer(1, maxChunks+1, flat), "more than 200000 column chunks"},
		{"an open tree", footer(3, 1, deep(3)), "does not close"},
		{"a list longer than the footer", []byte{0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x0f}, "Thrift"},
		{"a text longer than the footer", []byte{0x18, 0xff, 0xff, 0xff, 0xff, 0x0f}, "unexpected EOF"},
		{"deeper than any footer", bytes.Repeat([]byte{0x1c}, 100), "Thrift"},
		{"an endless number", bytes.Repeat([]byte{0x16, 0xff}, 100), "Thrift"},
		{"cut", footer(10, 10, flat)[:20], "damaged"},
	} {
		err := checkFooter(tt.b)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	tail := append(binary.LittleEndian.AppendUint32(nil, maxFooter+1), magic...)
	if _, err := readFooter(sparse{tail, 1 << 40}, 1<<40); err == nil || !strings.Contains(err.Error(), "33554433 bytes") {
		t.Errorf("a footer over the bound: %v", err)
	}
}

// sparse is a file of PAR1, zeros and a tail.
type sparse struct {
	tail []byte
	size int64
}

func (s sparse) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at == 0 {
		copy(p, magic)
	}
	if at == s.size-int64(len(s.tail)) {
		copy(p, s.tail)
	}
	return len(p), nil
}

// TestSpillChoice sends the largest columns through files, and only those.
func TestSpillChoice(t *testing.T) {
	f := &File{open: 100}
	for i := range 4 {
		fd := &field{}
		f.fields = append(f.fields, fd)
		f.leaves = append(f.leaves, &leafType{field: fd, index: i})
	}
	for _, tt := range []struct {
		costs   []int64
		spilled []int
		cost    int64
	}{
		{[]int64{10, 20, 30, 40}, nil, 100},
		{[]int64{10, 20, 30, 41}, []int{3}, 60},
		{[]int64{10, 200, 30, 300}, []int{1, 3}, 300},
	} {
		g := &group{f: f}
		for _, c := range tt.costs {
			g.plans = append(g.plans, chunkPlan{cost: c})
		}
		g.chooseSpills()
		var got []int
		for i, fd := range f.fields {
			if g.spilled[fd] {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, tt.spilled) || g.cost != tt.cost {
			t.Errorf("%v: spilled %v at %d, want %v at %d", tt.costs, got, g.cost, tt.spilled, tt.cost)
		}
	}
}

// TestMutated reads files with bytes changed or cut off: each must come to an
// end, in time, within memory, with its rows or a refusal. PARQUET_MUTATIONS
// says how many; 2000 take about a minute.
func TestMutated(t *testing.T) {
	count := 60
	if n, err := strconv.Atoi(os.Getenv("PARQUET_MUTATIONS")); err == nil {
		count = n
	}
	var files [][]byte
	var wants [][]string
	for i, encoding := range []string{"plain", "dictionary", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"} {
		for j, codec := range []string{"none", "snappy", "gzip", "zstd", "brotli", "lz4_raw"} {
			data, want := layout(t, 300, encoding, codec, pq.DataPageVersion((i+j)%2))
			files, wants = append(files, data), append(wants, want)
		}
	}
	var before, after runtime.MemStats
	outcomes := map[string]int{}
	for seed := range count {
		rng := rand.New(rand.NewPCG(uint64(seed), 4))
		k := rng.IntN(len(files))
		data := mutate(rng, files[k])
		runtime.ReadMemStats(&before)
		start := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			got, err := read(data, Options{Workers: 1 + seed%2})
			switch {
			case err != nil && !errors.As(err, new(*Refusal)):
				t.Errorf("seed %d: %v", seed, err)
			case err != nil:
				outcomes["refused"]++
			case slices.Equal(got, wants[k]):
				outcomes["no difference"]++
			case len(got) != len(wants[k]):
				outcomes["other number of rows"]++
				t.Errorf("seed %d: %d rows of %d without a word", seed, len(got), len(wants[k]))
			default:
				outcomes["other values"]++ // only a checksum could tell
			}
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatalf("seed %d: no end", seed)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 400<<20 {
			t.Errorf("seed %d: %d bytes of memory, %s", seed, took, time.Since(start))
		}
	}
	t.Log(outcomes)
}

// mutate changes some bytes of a file, or cuts it, more often where it is
// densest: in the footer and at the headers of pages.
func mutate(rng *rand.Rand, data []byte) []byte {
	out := slices.Clone(data)
	footer := len(out) - 8 - int(binary.LittleEndian.Uint32(out[len(out)-8:]))
	at := func() int {
		if rng.IntN(2) == 0 {
			return footer + rng.IntN(len(out)-footer)
		}
		return 4 + rng.IntN(footer-4)
	}
	switch rng.IntN(5) {
	case 0: // cut
		return out[:rng.IntN(len(out))]
	case 1: // a hole, so that the footer stands where it did not
		a := at()
		return slices.Delete(out, a, min(len(out), a+1+rng.IntN(40)))
	case 2: // bytes overwritten
		a := at()
		for i := a; i < min(len(out), a+8); i++ {
			out[i] = byte(rng.Uint32())
		}
	case 3: // the largest numbers
		a := at()
		for i := a; i < min(len(out), a+4); i++ {
			out[i] = 0xff
		}
	default: // bits
		for range 1 + rng.IntN(4) {
			out[at()] ^= 1 << rng.IntN(8)
		}
	}
	return out
}
