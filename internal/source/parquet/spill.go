package parquet

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// spilled is a field whose values were put into a temporary file, so that its
// pages need not be in memory together with those of the other fields. For
// each row:
//
//	0                                      null
//	2 + length(uvarint)  value             a value
//	1  rule 0 reason 0  and one of these   a value that sets its row aside
type spilled struct {
	field  *field
	render *renderer
	file   *os.File
	r      *bufio.Reader
	rows   int64 // still to come
}

// spill reads all of a field's pages in the row group.
func (g *group) spill(ctx context.Context, fd *field) (_ cells, err error) {
	f, err := os.CreateTemp("", "export2batch-parquet-*")
	if err != nil {
		return nil, err
	}
	s := &spilled{field: fd, render: &g.render, file: f, rows: g.rows}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	c, err := g.open(fd)
	if err != nil {
		return nil, err
	}
	defer func() {
		c.close()
		g.collect(g.cost)
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	var value, head []byte
	for row := range g.rows {
		if row%1024 == 0 && ctx.Err() != nil {
			return nil, errStopped
		}
		var null bool
		g.render.bad = nil
		if value, null, err = c.append(value[:0]); err != nil {
			return nil, err
		}
		if len(value) > g.f.longest { // row makes a RowError of it as well
			value = value[:g.f.longest+1]
		}
		head = head[:0]
		if bad := g.render.bad; bad != nil {
			head = append(head, 1)
			head = append(append(head, bad.Rule...), 0)
			head = append(append(head, bad.Reason...), 0)
		}
		if null {
			head = append(head, 0)
		} else {
			head = binary.AppendUvarint(head, uint64(len(value))+2)
		}
		if _, err := w.Write(head); err != nil {
			return nil, err
		}
		if _, err := w.Write(value[:len(value):len(value)]); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(c.finish(), w.Flush()); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	s.r = bufio.NewReaderSize(f, 256<<10)
	return s, nil
}

func (s *spilled) append(dst []byte) (out []byte, null bool, err error) {
	n, err := binary.ReadUvarint(s.r)
	if err == nil && n == 1 {
		var rule, reason string
		if rule, err = s.r.ReadString(0); err == nil {
			reason, err = s.r.ReadString(0)
		}
		if err == nil {
			if s.render.bad == nil {
				s.render.bad = &RowError{Rule: rule[:len(rule)-1], Reason: reason[:len(reason)-1]}
			}
			n, err = binary.ReadUvarint(s.r)
		}
	}
	if err != nil {
		return dst, true, s.lost(err)
	}
	s.rows--
	if n == 0 {
		return dst, true, nil
	}
	start := len(dst)
	dst = slices.Grow(dst, int(n-2))[:start+int(n-2)]
	if _, err := io.ReadFull(s.r, dst[start:]); err != nil {
		return dst[:start], true, s.lost(err)
	}
	return dst, false, nil
}

// lost is for a temporary file that does not give back what was put into it.
func (s *spilled) lost(err error) error {
	return fmt.Errorf("read temporary file %s again: %w", s.file.Name(), err)
}

func (s *spilled) finish() error {
	if s.rows != 0 {
		return s.lost(io.ErrUnexpectedEOF)
	}
	return nil
}

func (s *spilled) close() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
