package parquet

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/klauspost/compress/snappy"
)

const (
	// maxPage is the largest page that is read, compressed or not, in bytes.
	// DuckDB ends a page at 100 MB.
	maxPage = 128 << 20
	// maxColumn is how much memory the pages of one column may take.
	maxColumn = 224 << 20
	// maxPageHeader is the longest page header: some writers put whole values
	// into its statistics.
	maxPageHeader = 4 << 20
	// arena bounds what a batch of DELTA_BYTE_ARRAY values can take, of which
	// each can be as long as the whole page.
	arena = 16 << 20
	// batchSize is how many entries of a leaf are decoded at once.
	batchSize = 256
)

// chunkPlan is what the page headers of a column chunk say of it.
type chunkPlan struct {
	values int64 // entries in its data pages
	pages  int
	cost   int64 // bytes of memory its reading takes at most
	batch  int   // entries that may be decoded at once
	sizes  pageSizes

	fixedDelta bool // FIXED_LEN_BYTE_ARRAY values in DELTA_BYTE_ARRAY pages
}

// chunkRange is where a column chunk lies.
func chunkRange(c *metadata.ColumnChunkMetaData) (start, length int64) {
	start = c.DataPageOffset()
	if c.HasDictionaryPage() && c.DictionaryPageOffset() > 0 && c.DictionaryPageOffset() < start {
		start = c.DictionaryPageOffset()
	}
	return start, c.TotalCompressedSize()
}

// walk reads the page headers of a column chunk, before any page is read: that
// the pages fill the chunk and hold as many entries as the footer says, that
// no size is over its bound, and that checksums hold, where there are any.
func (f *File) walk(l *leafType, c *metadata.ColumnChunkMetaData) (p chunkPlan, err error) {
	at, length := chunkRange(c)
	end := at + length
	w := walker{f: f, l: l, codec: c.Compression(), plan: chunkPlan{batch: batchSize}}
	for at < end && w.plan.values < c.NumValues() {
		h, n, err := w.header(at, end)
		if err != nil {
			return p, err
		}
		at += int64(n)
		if h.compressed < 0 || h.compressed > end-at {
			return p, w.damaged("a page of %d bytes reaches out of its column", h.compressed)
		}
		if err := w.page(h, at); err != nil {
			return p, err
		}
		at += h.compressed
	}
	if w.plan.values != c.NumValues() {
		return p, w.damaged("its pages hold %d of the %d values that the footer counts", w.plan.values, c.NumValues())
	}
	w.plan.cost = w.data + w.dictionary
	if w.plan.cost > maxColumn {
		return p, &Refusal{Column: l.path, Reason: fmt.Sprintf("its pages take %d bytes of memory, more than %d", w.plan.cost, maxColumn), WayOut: rewrite}
	}
	return w.plan, nil
}

// walker is on its way through the pages of a column chunk.
type walker struct {
	f     *File
	l     *leafType
	codec compress.Compression
	plan  chunkPlan

	data       int64 // memory of the largest data page
	dictionary int64
	buffer     []byte
}

func (w *walker) damaged(format string, args ...any) error {
	return &Refusal{Column: w.l.path, Reason: "it is damaged: " + fmt.Sprintf(format, args...)}
}

func (w *walker) header(at, end int64) (h pageHeader, n int, err error) {
	for size := int64(256); ; size *= 8 {
		size = min(size, end-at)
		if int64(cap(w.buffer)) < size {
			w.buffer = make([]byte, size)
		}
		b := w.buffer[:size]
		if err := readFull(w.f.source, b, at); err != nil {
			return h, 0, err
		}
		h, n, err = readPageHeader(b)
		if err == nil {
			return h, n, nil
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) && size == end-at || size == end-at || size >= maxPageHeader {
			return h, 0, w.damaged("a page header cannot be read")
		}
	}
}

// page looks at one page, whose body stands at at.
func (w *walker) page(h pageHeader, at int64) error {
	if h.uncompressed < 0 || h.values < 0 || h.levels < 0 || h.levels > h.compressed || h.levels > h.uncompressed {
		return w.damaged("a page header contradicts itself")
	}
	if h.compressed > maxPage || h.uncompressed > maxPage {
		return &Refusal{Column: w.l.path, Reason: fmt.Sprintf("it has a page of %d bytes, more than %d", max(h.compressed, h.uncompressed), maxPage), WayOut: rewrite}
	}
	if err := w.body(h, at); err != nil {
		return err
	}
	memory := h.uncompressed + h.compressed
	w.plan.sizes.stored = max(w.plan.sizes.stored, int(h.compressed))
	w.plan.sizes.unpacked = max(w.plan.sizes.unpacked, int(h.uncompressed))
	switch h.typ {
	case dictionaryPage:
		if h.values > h.uncompressed/minWidth(w.l) {
			return w.damaged("its dictionary of %d bytes cannot hold %d values", h.uncompressed, h.values)
		}
		w.dictionary = max(w.dictionary, memory+h.values*sliceSize)
	case dataPage, dataPageV2:
		w.plan.pages++
		w.plan.values += h.values
		switch pq.Encoding(h.encoding) {
		case pq.Encodings.DeltaByteArray:
			w.plan.batch = min(w.plan.batch, int(max(1, arena/max(1, h.uncompressed))))
			memory += h.values*16 + min(arena, h.uncompressed*batchSize) + h.uncompressed
			w.plan.fixedDelta = w.plan.fixedDelta || w.l.value.physical == pq.Types.FixedLenByteArray
		case pq.Encodings.DeltaLengthByteArray:
			memory += h.values * 8
		case pq.Encodings.ByteStreamSplit:
			memory += h.uncompressed
		}
		w.data = max(w.data, memory)
	}
	return nil
}

// sliceSize is what the dictionary's decoder keeps of a value: a slice.
const sliceSize = 24

// minWidth is how many bytes a value takes at least in a dictionary.
func minWidth(l *leafType) int64 {
	switch l.value.physical {
	case pq.Types.Int64, pq.Types.Double:
		return 8
	case pq.Types.Int96:
		return 12
	case pq.Types.FixedLenByteArray:
		return int64(max(1, l.value.length))
	}
	return 4
}

// body checks what can be told of a page's bytes without decoding them: its
// checksum, over the page as it is stored, and what Snappy says it will become.
func (w *walker) body(h pageHeader, at int64) error {
	if h.hasCRC {
		sum := crc32.NewIEEE()
		section := io.NewSectionReader(w.f.source, at, h.compressed)
		if cap(w.buffer) < 64<<10 {
			w.buffer = make([]byte, 64<<10)
		}
		n, err := io.CopyBuffer(sum, section, w.buffer[:cap(w.buffer)])
		if err != nil {
			return err
		}
		if n != h.compressed || sum.Sum32() != h.crc {
			return w.damaged("the checksum of a page does not match")
		}
	}
	packed := h.compressed - h.levels
	if w.codec != compress.Codecs.Snappy || h.plain || packed == 0 {
		return nil
	}
	var head [10]byte
	b := head[:min(packed, int64(len(head)))]
	if err := readFull(w.f.source, b, at+h.levels); err != nil {
		return err
	}
	if n, err := snappy.DecodedLen(b); err != nil || int64(n) != h.uncompressed-h.levels {
		return w.damaged("a page unpacks to another size than its header says")
	}
	return nil
}
