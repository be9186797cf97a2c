package parquet

import (
	"errors"
	"fmt"
	"io"
)

// compact reads Thrift's compact protocol, as much of it as it takes to look
// at a footer and at page headers before arrow-go does: it allocates nothing,
// and a count that the bytes cannot hold is an error.
//
//	struct:  (delta of id << 4 | type) [id as zigzag varint, where delta is 0] value … 0
//	list:    (count << 4 | type) [count as varint, where it is 15] value …
//	map:     count as varint, (key type << 4 | value type), key value …
type compact struct {
	b   []byte
	at  int
	err error
}

// The types of the compact protocol.
const (
	thriftStop   = 0
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
	thriftUUID   = 13
)

// maxThriftDepth is deeper than any footer.
const maxThriftDepth = 32

var errThrift = errors.New("it is no valid Thrift")

func (c *compact) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.at = len(c.b)
}

func (c *compact) byte() byte {
	if c.at >= len(c.b) {
		c.fail(io.ErrUnexpectedEOF)
		return 0
	}
	c.at++
	return c.b[c.at-1]
}

func (c *compact) varint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := c.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.fail(errThrift)
	return 0
}

func (c *compact) int() int64 {
	v := c.varint()
	return int64(v>>1) ^ -int64(v&1)
}

// field reads the head of the next member of a struct whose last one had the
// id last. At the end of the struct the type is thriftStop.
func (c *compact) field(last int64) (id int64, typ byte) {
	head := c.byte()
	typ = head & 15
	if typ == thriftStop {
		return 0, thriftStop
	}
	if delta := int64(head >> 4); delta != 0 {
		return last + delta, typ
	}
	return c.int(), typ
}

// list reads the head of a list; each element takes at least a byte.
func (c *compact) list() (n int, typ byte) {
	head := c.byte()
	count := uint64(head >> 4)
	if count == 15 {
		count = c.varint()
	}
	if count > uint64(len(c.b)-c.at) {
		c.fail(errThrift)
		return 0, 0
	}
	return int(count), head & 15
}

// skip reads a value. A bool in a list is a byte of its own, in a struct it is
// its type.
func (c *compact) skip(typ byte, inList bool, depth int) {
	if depth > maxThriftDepth {
		c.fail(errThrift)
	}
	if c.err != nil {
		return
	}
	switch typ {
	case thriftTrue, thriftFalse:
		if inList {
			c.byte()
		}
	case thriftByte:
		c.byte()
	case 4, 5, 6:
		c.varint()
	case thriftDouble:
		c.advance(8)
	case thriftUUID:
		c.advance(16)
	case thriftBinary:
		c.advance(c.varint())
	case thriftList, thriftSet:
		n, elem := c.list()
		for i := 0; i < n && c.err == nil; i++ {
			c.skip(elem, true, depth+1)
		}
	case thriftMap:
		n := c.varint()
		if n == 0 {
			return
		}
		kinds := c.byte()
		for i := uint64(0); i < n && c.err == nil; i++ {
			c.skip(kinds>>4, true, depth+1)
			c.skip(kinds&15, true, depth+1)
		}
	case thriftStruct:
		var id int64
		for c.err == nil {
			var t byte
			if id, t = c.field(id); t == thriftStop {
				return
			}
			c.skip(t, false, depth+1)
		}
	default:
		c.fail(errThrift)
	}
}

func (c *compact) advance(n uint64) {
	if n > uint64(len(c.b)-c.at) {
		c.fail(io.ErrUnexpectedEOF)
		return
	}
	c.at += int(n)
}

// Bounds on a footer, far above what warehouses write.
const (
	maxSchemaElements = 20_000
	maxSchemaDepth    = 60
	maxChunks         = 200_000 // column chunks in all row groups
)

// checkFooter looks through a footer before arrow-go builds its objects of it:
// parquet.thrift's FileMetaData, with the schema as member 2, a list of
//
//	SchemaElement { … 5: num_children … }
//
// in the order of a walk through the tree, and the row groups as member 4.
func checkFooter(b []byte) error {
	c := &compact{b: b}
	var id int64
	for c.err == nil {
		var typ byte
		if id, typ = c.field(id); typ == thriftStop {
			break
		}
		switch {
		case id == 2 && typ == thriftList:
			if err := c.schema(); err != nil {
				return err
			}
		case id == 4 && typ == thriftList:
			if err := c.rowGroups(); err != nil {
				return err
			}
		default:
			c.skip(typ, false, 1)
		}
	}
	if c.err != nil {
		return &Refusal{Reason: fmt.Sprintf("the footer is damaged (%v)", c.err), Err: c.err}
	}
	return nil
}

func (c *compact) schema() error {
	n, typ := c.list()
	if c.err == nil && (typ != thriftStruct || n > maxSchemaElements) {
		return &Refusal{Reason: fmt.Sprintf("the schema has %d elements, more than %d", n, maxSchemaElements)}
	}
	var open []int64 // children still to come, by level
	for range n {
		if len(open) > maxSchemaDepth {
			return &Refusal{Reason: fmt.Sprintf("the schema is nested more than %d deep", maxSchemaDepth)}
		}
		var id, children int64
		for c.err == nil {
			var t byte
			if id, t = c.field(id); t == thriftStop {
				break
			}
			if id == 5 && t == 5 {
				children = c.int()
				continue
			}
			c.skip(t, false, 2)
		}
		if len(open) > 0 {
			open[len(open)-1]--
		}
		if children < 0 || children > int64(n) {
			return &Refusal{Reason: "the footer is damaged: the schema's tree does not close"}
		}
		if children > 0 {
			open = append(open, children)
		}
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
	}
	if c.err == nil && len(open) > 0 {
		return &Refusal{Reason: "the footer is damaged: the schema's tree does not close"}
	}
	return nil
}

// rowGroups counts the column chunks: RowGroup { 1: list<ColumnChunk> … }.
func (c *compact) rowGroups() error {
	n, typ := c.list()
	if typ != thriftStruct && n > 0 {
		c.fail(errThrift)
	}
	chunks := 0
	for range n {
		var id int64
		for c.err == nil {
			var t byte
			if id, t = c.field(id); t == thriftStop {
				break
			}
			if id != 1 || t != thriftList {
				c.skip(t, false, 2)
				continue
			}
			m, elem := c.list()
			if chunks += m; chunks > maxChunks {
				return &Refusal{Reason: fmt.Sprintf("the file has more than %d column chunks", maxChunks), WayOut: "split the file, or " + rewrite}
			}
			for i := 0; i < m && c.err == nil; i++ {
				c.skip(elem, true, 3)
			}
		}
	}
	return nil
}

// pageHeader is what matters of parquet.thrift's PageHeader.
type pageHeader struct {
	typ          int64 // 0 data, 1 index, 2 dictionary, 3 data V2
	uncompressed int64
	compressed   int64
	crc          uint32
	hasCRC       bool
	values       int64
	encoding     int64
	levels       int64 // bytes in front of the values; only V2
	plain        bool  // V2: the values are not compressed
}

const (
	dataPage       = 0
	dictionaryPage = 2
	dataPageV2     = 3
)

// readPageHeader reads a header at the start of b and returns its length;
// io.ErrUnexpectedEOF when b ends before it does.
func readPageHeader(b []byte) (h pageHeader, length int, err error) {
	c := &compact{b: b}
	h.typ = -1
	var id int64
	for c.err == nil {
		var t byte
		if id, t = c.field(id); t == thriftStop {
			break
		}
		switch {
		case id == 1 && t == 5:
			h.typ = c.int()
		case id == 2 && t == 5:
			h.uncompressed = c.int()
		case id == 3 && t == 5:
			h.compressed = c.int()
		case id == 4 && t == 5:
			h.crc, h.hasCRC = uint32(c.int()), true
		case (id == 5 || id == 7 || id == 8) && t == thriftStruct:
			c.pageDetails(&h, id == 8)
		default:
			c.skip(t, false, 1)
		}
	}
	return h, c.at, c.err
}

// pageDetails reads DataPageHeader and DictionaryPageHeader { 1: num_values,
// 2: encoding … } or DataPageHeaderV2 { 1: num_values … 4: encoding, 5 and 6:
// bytes of the levels, 7: is_compressed … }.
func (c *compact) pageDetails(h *pageHeader, v2 bool) {
	encoding := int64(2)
	if v2 {
		encoding = 4
	}
	var id int64
	for c.err == nil {
		var t byte
		if id, t = c.field(id); t == thriftStop {
			return
		}
		switch {
		case id == 1 && t == 5:
			h.values = c.int()
		case id == encoding && t == 5:
			h.encoding = c.int()
		case v2 && (id == 5 || id == 6) && t == 5:
			h.levels += c.int()
		case v2 && id == 7 && t == thriftFalse:
			h.plain = true
		default:
			c.skip(t, false, 2)
		}
	}
}
