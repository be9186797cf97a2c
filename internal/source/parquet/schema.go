package parquet

import (
	"fmt"
	"math/bits"

	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"export2batch/internal/jsonscan"
)

// field is a column of the table: a leaf, or a tree of them.
type field struct {
	exportKey
	name   string // in the file
	key    string // in the line
	prefix []byte // ,"key":
	root   *node
	leaves []*leafType

	// unreadable says why a column that matters to no event is not read. It
	// counts as populated in every row.
	unreadable string
}

// kind is the shape of a node.
type kind uint8

const (
	kindLeaf kind = iota
	kindStruct
	kindList
	kindMap
)

// node is a part of a field.
//
// A Parquet leaf holds one entry for each value and for each null or empty
// list above it, with two levels: the definition level says how many of the
// optional and repeated steps down to it are there, the repetition level which
// of the repeated steps begins anew; 0 begins a row.
type node struct {
	kind     kind
	name     []byte // as a JSON string with a colon; only members of structs
	optional bool
	def      int16 // definition level from which on it is not null

	// Of lists and maps:
	elementDef int16 // definition level from which on there is an element
	rep        int16 // repetition level of a further element

	leaf     *leafType
	children []*node // the members; the element; the key and the value
	first    int     // its leaves, as indexes into the field's
	last     int
}

// leafType is a leaf of the schema.
type leafType struct {
	field  *field
	index  int // in the file
	path   string
	column *schema.Column
	maxDef int16
	maxRep int16
	value  valueType
}

// mapColumns builds the fields of the file.
func (f *File) mapColumns() error {
	s := f.reader.MetaData().Schema
	root := s.Root()
	names := make([]string, root.NumFields())
	for i := range names {
		names[i] = root.Field(i).Name()
	}
	whole := func(i int) bool {
		leaf, ok := root.Field(i).(*schema.PrimitiveNode)
		if !ok {
			return false
		}
		v, _ := typeOf(leaf)
		return v.meaning == meansInteger || v.meaning == meansDecimal && v.scale == 0
	}
	keys, used, err := nameColumns(names, whole, f.o.Columns)
	if err != nil {
		return err
	}
	f.used = used
	known := exportKeys()
	next := 0
	for i := range names {
		fd := &field{name: names[i], key: keys[i], exportKey: known[keys[i]]}
		fd.prefix = append(jsonscan.AppendQuoted([]byte{','}, fd.key), ':')
		b := builder{file: s, field: fd, next: next}
		if fd.root, err = b.node(root.Field(i), 0, 0, true); err != nil {
			return err
		}
		next = b.next
		if fd.unreadable != "" && fd.strict {
			return &Refusal{Column: fd.name, Reason: fd.unreadable, WayOut: fmt.Sprintf("give it as JSON text, for example with DuckDB: COPY (SELECT * REPLACE (%q::JSON AS %q) FROM 'old.parquet') TO 'new.parquet'", fd.name, fd.name)}
		}
		f.fields = append(f.fields, fd)
		f.leaves = append(f.leaves, fd.leaves...)
		if fd.key == "$insert_id" {
			f.hasInsertID = true
		}
	}
	if next != s.NumColumns() {
		return &Refusal{Reason: "the footer is damaged: the schema's tree does not close"}
	}
	f.missing = missingKeys(keys, names)
	return nil
}

// builder walks the schema of one field.
type builder struct {
	file  *schema.Schema
	field *field
	next  int // leaves met so far, in the file
}

// node builds what stands at n, below def and rep levels. Top tells that n is
// the column itself.
func (b *builder) node(n schema.Node, def, rep int16, top bool) (*node, error) {
	switch n.RepetitionType() {
	case pq.Repetitions.Repeated:
		// A list without the annotation, as protobuf has them.
		list := &node{kind: kindList, def: def, elementDef: def + 1, rep: rep + 1, first: len(b.field.leaves)}
		element, err := b.bare(n, def+1, rep+1, top)
		list.children, list.last = []*node{element}, len(b.field.leaves)
		return list, err
	case pq.Repetitions.Optional:
		out, err := b.bare(n, def+1, rep, top)
		if err == nil {
			out.optional = true
		}
		return out, err
	}
	return b.bare(n, def, rep, top)
}

// bare builds what stands at n without looking at its repetition.
func (b *builder) bare(n schema.Node, def, rep int16, top bool) (*node, error) {
	group, ok := n.(*schema.GroupNode)
	if !ok {
		return b.leaf(n.(*schema.PrimitiveNode), def, rep, top)
	}
	out := &node{def: def, first: len(b.field.leaves)}
	defer func() { out.last = len(b.field.leaves) }()
	if group.NumFields() == 0 {
		return nil, &Refusal{Column: n.Path(), Reason: "it is a structure without members"}
	}
	if _, ok := n.LogicalType().(schema.VariantLogicalType); ok {
		b.field.unreadable = "its type is VARIANT, which is not read"
	}
	inner, one := group.Field(0), group.NumFields() == 1
	switch n.ConvertedType() {
	case schema.ConvertedTypes.List:
		if !one || inner.RepetitionType() != pq.Repetitions.Repeated {
			break
		}
		out.kind, out.elementDef, out.rep = kindList, def+1, rep+1
		element, err := b.element(n.Name(), inner, def+1, rep+1)
		out.children = []*node{element}
		return out, err
	case schema.ConvertedTypes.Map, schema.ConvertedTypes.MapKeyValue:
		pair, ok := inner.(*schema.GroupNode)
		if !one || !ok || inner.RepetitionType() != pq.Repetitions.Repeated {
			break
		}
		if pair.NumFields() != 2 {
			b.field.unreadable = "it is a map without values"
		}
		out.kind, out.elementDef, out.rep = kindMap, def+1, rep+1
		return out, b.members(out, pair, def+1, rep+1, false)
	}
	out.kind = kindStruct
	return out, b.members(out, group, def, rep, true)
}

func (b *builder) members(out *node, group *schema.GroupNode, def, rep int16, named bool) error {
	for i := range group.NumFields() {
		m := group.Field(i)
		child, err := b.node(m, def, rep, false)
		if err != nil {
			return err
		}
		if named {
			child.name = append(jsonscan.AppendQuoted(nil, m.Name()), ':')
		}
		out.children = append(out.children, child)
	}
	return nil
}

// element builds the element of a list from the repeated node in it, which is
// the element itself in lists of the old form of two levels (parquet-format,
// LogicalTypes, "Backward-compatibility rules").
func (b *builder) element(list string, repeated schema.Node, def, rep int16) (*node, error) {
	group, ok := repeated.(*schema.GroupNode)
	if !ok || group.NumFields() > 1 || group.NumFields() == 1 && (group.Name() == "array" || group.Name() == list+"_tuple") ||
		group.LogicalType().IsNested() {
		return b.bare(repeated, def, rep, false)
	}
	if group.NumFields() == 0 {
		return nil, &Refusal{Column: repeated.Path(), Reason: "it is a list without elements"}
	}
	return b.node(group.Field(0), def, rep, false)
}

func (b *builder) leaf(n *schema.PrimitiveNode, def, rep int16, top bool) (*node, error) {
	if b.next >= b.file.NumColumns() {
		return nil, &Refusal{Reason: "the footer is damaged: the schema's tree does not close"}
	}
	column := b.file.Column(b.next)
	if column.MaxDefinitionLevel() != def || column.MaxRepetitionLevel() != rep || bits.Len16(uint16(def)) > 8 {
		return nil, &Refusal{Column: n.Path(), Reason: fmt.Sprintf("its levels %d and %d are not those of the schema, %d and %d", column.MaxDefinitionLevel(), column.MaxRepetitionLevel(), def, rep)}
	}
	l := &leafType{field: b.field, index: b.next, path: n.Path(), column: column, maxDef: def, maxRep: rep}
	b.next++
	value, reason := typeOf(n)
	l.value = value
	if reason != "" && b.field.unreadable == "" {
		b.field.unreadable = reason
	}
	if top && rep == 0 {
		l.value.form, l.value.strict = b.field.form, b.field.strict
	} else {
		l.value.strict = b.field.strict
	}
	out := &node{kind: kindLeaf, def: def, leaf: l, first: len(b.field.leaves)}
	b.field.leaves = append(b.field.leaves, l)
	out.last = len(b.field.leaves)
	return out, nil
}
