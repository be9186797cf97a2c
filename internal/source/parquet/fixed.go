package parquet

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow/memory"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// openFixedDelta reads FIXED_LEN_BYTE_ARRAY values in DELTA_BYTE_ARRAY pages,
// as parquet-mr and pyarrow write decimals with data pages V2. arrow-go knows
// that encoding for BYTE_ARRAY alone, but the bytes of the pages are the same
// for both, so the column is read as one of BYTE_ARRAY. Only the dictionary,
// if there is one, differs: its values get the length that BYTE_ARRAY has in
// front of each.
func openFixedDelta(group *file.RowGroupReader, t *leafType) (file.ColumnChunkReader, error) {
	pages, err := group.GetColumnPageReader(t.index)
	if err != nil {
		return nil, err
	}
	node := schema.NewByteArrayNode(t.column.Name(), t.column.SchemaNode().RepetitionType(), -1)
	column := schema.NewColumn(node, t.maxDef, t.maxRep)
	//lint:ignore SA1019 arrow-go has no other way to give a column another type; the version is pinned and the tests read such columns
	return file.NewColumnReader(column, &lengthened{PageReader: pages, leaf: t}, memory.DefaultAllocator, nil), nil
}

// lengthened gives the pages of a column of fixed length as those of BYTE_ARRAY.
type lengthened struct {
	file.PageReader
	leaf *leafType
	page file.Page
	err  error
}

func (r *lengthened) Next() bool {
	if r.page = nil; r.err != nil || !r.PageReader.Next() {
		return false
	}
	r.page = r.PageReader.Page()
	if dict, ok := r.page.(*file.DictionaryPage); ok {
		r.page, r.err = r.dictionary(dict)
		return r.err == nil
	}
	switch pq.Encoding(r.page.Encoding()) {
	case pq.Encodings.DeltaByteArray, pq.Encodings.RLEDict, pq.Encodings.PlainDict:
		return true
	}
	r.err = &Refusal{Column: r.leaf.path, Reason: "its pages of fixed length mix DELTA_BYTE_ARRAY with another encoding, which is not read", WayOut: rewrite}
	return false
}

func (r *lengthened) Page() file.Page { return r.page }

func (r *lengthened) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.PageReader.Err()
}

func (r *lengthened) GetDictionaryPage() (*file.DictionaryPage, error) {
	dict, err := r.PageReader.GetDictionaryPage()
	if err != nil || dict == nil {
		return dict, err
	}
	return r.dictionary(dict)
}

func (r *lengthened) dictionary(dict *file.DictionaryPage) (*file.DictionaryPage, error) {
	data, length := dict.Data(), r.leaf.value.length
	if len(data) != int(dict.NumValues())*length {
		return nil, &Refusal{Column: r.leaf.path, Reason: "it is damaged: its dictionary has another length than its values"}
	}
	out := make([]byte, 0, int(dict.NumValues())*(4+length))
	for i := 0; i < len(data); i += length {
		out = binary.LittleEndian.AppendUint32(out, uint32(length))
		out = append(out, data[i:i+length]...)
	}
	return file.NewDictionaryPage(memory.NewBufferBytes(out), dict.NumValues(), pq.Encodings.Plain), nil
}
