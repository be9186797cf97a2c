package parquet

import (
	"bytes"
	"errors"
)

// column reads one field of a row group, row by row, as JSON values.
type column struct {
	*field
	leaves []*leaf
	render *renderer
	row    int64
}

var errBoundary = errors.New("the lists in it have another number of elements than their rows")

// append appends the field's value in the next row; null tells that there is
// none, and nothing was appended.
func (c *column) append(dst []byte) (out []byte, null bool, err error) {
	if c.unreadable != "" {
		return append(dst, "true"...), false, nil
	}
	first := c.leaves[0]
	if ok, err := first.more(); err != nil || !ok {
		return dst, true, c.short(err)
	}
	if c.root.kind == kindLeaf {
		if first.def() < first.maxDef {
			first.take()
			return dst, true, nil
		}
		dst, null = c.render.value(dst, first)
		first.take()
		return dst, null, nil
	}
	c.row++
	if dst, null, err = c.node(dst, c.root); err != nil {
		return dst, true, err
	}
	// Every leaf must have gone exactly to the end of the row.
	for _, l := range c.leaves {
		more, err := l.more()
		if err != nil {
			return dst, true, err
		}
		if l.rows != c.row || more && l.rep() != 0 {
			return dst, true, &Refusal{Column: c.name, Reason: "it is damaged: " + errBoundary.Error()}
		}
	}
	return dst, null, nil
}

// finish checks that the field ends with its row group.
func (c *column) finish() error {
	for _, l := range c.leaves {
		more, err := l.more()
		if err != nil {
			return err
		}
		if more {
			return &Refusal{Column: c.name, Reason: "it is damaged: it has more rows than the footer says"}
		}
	}
	return nil
}

func (c *column) close() error {
	for _, l := range c.leaves {
		l.close()
	}
	c.leaves = nil
	return nil
}

func (c *column) short(err error) error {
	if err != nil {
		return err
	}
	return &Refusal{Column: c.name, Reason: "it is damaged: it ends before the other columns"}
}

// node appends what stands at n in the row.
func (c *column) node(dst []byte, n *node) (out []byte, null bool, err error) {
	first := c.leaves[n.first]
	if ok, err := first.more(); err != nil || !ok {
		return dst, true, c.short(err)
	}
	def := first.def()
	if n.optional && def < n.def {
		return dst, true, c.skip(n)
	}
	switch n.kind {
	case kindLeaf:
		dst, null = c.render.value(dst, first)
		first.take()
		return dst, null, nil
	case kindStruct:
		dst, err = c.members(dst, n)
		return dst, false, err
	case kindList:
		if def < n.elementDef {
			return append(dst, '[', ']'), false, c.skip(n)
		}
		dst, err = c.elements(append(dst, '['), n, (*column).element)
		return append(dst, ']'), false, err
	}
	if def < n.elementDef {
		return append(dst, '{', '}'), false, c.skip(n)
	}
	dst, err = c.elements(append(dst, '{'), n, (*column).pair)
	return append(dst, '}'), false, err
}

// skip takes the one entry that each leaf below n has for a null or empty n.
func (c *column) skip(n *node) error {
	for _, l := range c.leaves[n.first:n.last] {
		if ok, err := l.more(); err != nil || !ok {
			return c.short(err)
		}
		l.take()
	}
	return nil
}

// members appends a struct. Null members are left out: data frames and
// warehouses give every row the members that any row has.
func (c *column) members(dst []byte, n *node) ([]byte, error) {
	start := len(dst)
	for _, m := range n.children {
		mark := len(dst)
		dst = append(append(dst, ','), m.name...)
		out, null, err := c.node(dst, m)
		if err != nil {
			return out, err
		}
		if dst = out; null {
			dst = dst[:mark]
		}
	}
	if len(dst) == start {
		return append(dst, '{', '}'), nil
	}
	dst[start] = '{'
	return append(dst, '}'), nil
}

// elements appends what a list or a map holds.
func (c *column) elements(dst []byte, n *node, one func(*column, []byte, *node) ([]byte, error)) (out []byte, err error) {
	first := c.leaves[n.first]
	for {
		if dst, err = one(c, dst, n); err != nil {
			return dst, err
		}
		more, err := first.more()
		if err != nil || !more || first.rep() < n.rep {
			return dst, err
		}
		if first.rep() > n.rep {
			return dst, &Refusal{Column: c.name, Reason: "it is damaged: " + errBoundary.Error()}
		}
		dst = append(dst, ',')
	}
}

// element appends an element of a list, null as null.
func (c *column) element(dst []byte, n *node) ([]byte, error) {
	dst, null, err := c.node(dst, n.children[0])
	if null && err == nil {
		dst = append(dst, "null"...)
	}
	return dst, err
}

// pair appends a key and its value of a map, a null value as null.
func (c *column) pair(dst []byte, n *node) ([]byte, error) {
	start := len(dst)
	dst, null, err := c.node(dst, n.children[0])
	if err != nil {
		return dst, err
	}
	if key := dst[start:]; null {
		c.render.fault(c.leaves[n.first].leafType, RuleValue, "a key of the map is null")
		dst = append(dst, `"null"`...)
	} else if key[0] != '"' {
		dst = c.render.quote(dst[:start], bytes.Clone(key), c.leaves[n.first].leafType)
	}
	dst = append(dst, ':')
	if dst, null, err = c.node(dst, n.children[1]); null && err == nil {
		dst = append(dst, "null"...)
	}
	return dst, err
}
