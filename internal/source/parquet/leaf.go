package parquet

import (
	"fmt"
	"io"

	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// leaf reads the entries of one column chunk, one after the other. Texts point
// into the page they stand in and are valid until fill is called, which is when
// the last entry of a batch has been taken and the next is asked for.
type leaf struct {
	*leafType
	reader file.ColumnChunkReader
	plan   chunkPlan
	seen   int64 // entries decoded
	rows   int64 // rows whose first entry has been taken

	defs, reps []int16 // of the batch; nil where the level is always 0
	n, i       int     // entries in the batch, and taken of it
	v          int     // values taken of the batch

	read   func(batch int64) (entries int64, values int, err error)
	bools  []bool
	int32s []int32
	int64s []int64
	int96s []pq.Int96
	floats []float32
	double []float64
	texts  []pq.ByteArray
	fixed  []pq.FixedLenByteArray
}

// openLeaf begins to read a column chunk that has been walked through.
func (g *group) openLeaf(t *leafType) (*leaf, error) {
	plan := g.plans[t.index]
	l := &leaf{leafType: t, plan: plan}
	if t.maxDef > 0 {
		l.defs = make([]int16, plan.batch)
	}
	if t.maxRep > 0 {
		l.reps = make([]int16, plan.batch)
	}
	return l, guarded(t.what(), func() (err error) {
		r, err := file.NewParquetReader(io.NewSectionReader(g.f.source, 0, g.f.size), file.WithMetadata(g.f.reader.MetaData()), file.WithReadProps(properties(&plan.sizes)))
		if err != nil {
			return err
		}
		group := r.RowGroup(g.index)
		if plan.fixedDelta {
			l.reader, err = openFixedDelta(group, t)
		} else {
			l.reader, err = group.Column(t.index)
		}
		if err != nil {
			return err
		}
		return l.bind()
	})
}

func (t *leafType) what() string { return fmt.Sprintf("column %q", t.path) }

// bind makes room for a batch of values of the column's type.
func (l *leaf) bind() error {
	n := l.plan.batch
	switch r := l.reader.(type) {
	case *file.BooleanColumnChunkReader:
		l.bools = make([]bool, n)
		l.read = func(b int64) (int64, int, error) { return r.ReadBatchInPage(b, l.bools, l.defs, l.reps) }
	case *file.Int32ColumnChunkReader:
		l.int32s = make([]int32, n)
		l.read = func(b int64) (int64, int, error) { return r.ReadBatchInPage(b, l.int32s, l.defs, l.reps) }
	case *file.Int64ColumnChunkReader:
		l.int64s = make([]int64, n)
		l.read = func(b int64) (int64, int, error) { return r.ReadBatchInPage(b, l.int64s, l.defs, l.reps) }
	case *file.Int96ColumnChunkReader:
		l.int96s = make([]pq.Int96, n)
		l.read = func(b int64) (int64, int, error) { return r.ReadBatchInPage(b, l.int96s, l.defs, l.reps) }
	case *file.Float32ColumnChunkReader:
		l.floats = make([]float32, n)
		l.read = func(b int64) (int64, int, error) { return r.ReadBatchInPage(b, l.floats, l.defs, l.reps) }
	case *file.Float64ColumnChunkReader:
		l.double = make([]float64, n)
		l.read = func(b int64) (int64, int, error) { return r.ReadBatchInPage(b, l.double, l.defs, l.reps) }
	case *file.ByteArrayColumnChunkReader:
		l.texts = make([]pq.ByteArray, n)
		l.read = func(b int64) (int64, int, error) { return r.ReadBatchInPage(b, l.texts, l.defs, l.reps) }
	case *file.FixedLenByteArrayColumnChunkReader:
		l.fixed = make([]pq.FixedLenByteArray, n)
		l.read = func(b int64) (int64, int, error) { return r.ReadBatchInPage(b, l.fixed, l.defs, l.reps) }
	default:
		return &Refusal{Column: l.path, Reason: "its type is not known"}
	}
	return nil
}

// close releases the pages.
func (l *leaf) close() {
	if l.reader != nil {
		// What closing could say was said by reading.
		_ = guarded(l.what(), l.reader.Close)
	}
	l.reader = nil
}

// more makes sure that there is an entry to take; false at the end of the chunk.
func (l *leaf) more() (bool, error) {
	if l.i < l.n {
		return true, nil
	}
	if l.seen == l.plan.values {
		return false, nil
	}
	return true, l.fill()
}

// fill decodes the next batch and checks that it is what its levels say.
func (l *leaf) fill() error {
	l.n, l.i, l.v = 0, 0, 0
	for tries := 0; l.n == 0; tries++ {
		var entries int64
		var values int
		err := guarded(l.what(), func() (err error) {
			entries, values, err = l.read(int64(l.plan.batch))
			if err == nil && entries == 0 {
				err = l.reader.Err()
			}
			return err
		})
		if err != nil {
			return err
		}
		if entries == 0 && tries > l.plan.pages { // an empty page may stand between others
			return l.damaged("only %d of %d values could be read", l.seen, l.plan.values)
		}
		want := int(entries)
		if l.maxDef > 0 {
			want = 0
			for _, d := range l.defs[:entries] {
				if d == l.maxDef {
					want++
				}
				if d > l.maxDef {
					return l.damaged("a definition level is too high")
				}
			}
		}
		if l.maxRep > 0 {
			for _, r := range l.reps[:entries] {
				if r > l.maxRep {
					return l.damaged("a repetition level is too high")
				}
			}
		}
		if want != values || l.seen+entries > l.plan.values {
			return l.damaged("a page holds another number of values than its levels say")
		}
		l.n = int(entries)
	}
	l.seen += int64(l.n)
	return nil
}

func (l *leaf) damaged(format string, args ...any) error {
	return &Refusal{Column: l.path, Reason: "it is damaged: " + fmt.Sprintf(format, args...)}
}

// def is the definition level of the entry to take next. There must be one.
func (l *leaf) def() int16 {
	if l.maxDef == 0 {
		return 0
	}
	return l.defs[l.i]
}

// rep is its repetition level.
func (l *leaf) rep() int16 {
	if l.maxRep == 0 {
		return 0
	}
	return l.reps[l.i]
}

// take moves behind the entry. A value among the entries is at l.v before it.
func (l *leaf) take() {
	if l.rep() == 0 {
		l.rows++
	}
	if l.def() == l.maxDef {
		l.v++
	}
	l.i++
}
