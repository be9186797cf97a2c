package parquet

import (
	"context"
	"errors"
	"io"
	"sync"
)

// errStopped ends the work for rows that nobody wants any more.
var errStopped = errors.New("stopped")

// Rows gives the rows of a file in their order, as lines of JSON. Row groups
// are read ahead, as many at once as Options.Workers says. It is not safe for
// concurrent use.
type Rows struct {
	f      *File
	groups chan *group
	stop   context.CancelFunc
	work   sync.WaitGroup

	free   chan *batch // taken, to be used again
	group  *group      // whose batches are taken
	batch  *batch
	at     int // lines taken of the batch
	number int64
	err    error // what ended the rows
}

// Read begins to read the rows. Close must be called.
func (f *File) Read() *Rows {
	ctx, stop := context.WithCancel(context.Background())
	r := &Rows{f: f, groups: make(chan *group, f.o.Workers), stop: stop, free: make(chan *batch, (queued+2)*f.o.Workers)}
	r.work.Go(func() { r.feed(ctx) })
	return r
}

// feed starts the row groups in their order, each when there are a worker and
// memory for it.
func (r *Rows) feed(ctx context.Context) {
	defer close(r.groups)
	workers := make(chan struct{}, r.f.o.Workers)
	for i := range r.f.reader.NumRowGroups() {
		select {
		case workers <- struct{}{}:
		case <-ctx.Done():
			return
		}
		g, err := r.f.plan(i, r.free)
		release := func() {}
		if err == nil {
			release, err = r.f.o.Budget.acquire(ctx, g.cost)
		}
		if err != nil {
			g.err = err
			close(g.batches)
		} else {
			r.work.Go(func() {
				g.err = guarded("the file", func() error { return g.run(ctx) })
				release()
				<-workers
				close(g.batches)
			})
		}
		select {
		case r.groups <- g:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// Next returns the line of the next row, valid until the next call; io.EOF
// behind the last one. With a *RowError it returns what can be given of the
// row, and there may be more rows. A *Refusal ends the rows.
func (r *Rows) Next() ([]byte, error) {
	for r.batch == nil || r.at == len(r.batch.ends) {
		if r.err != nil {
			return nil, r.err
		}
		r.advance()
	}
	start := 0
	if r.at > 0 {
		start = r.batch.ends[r.at-1]
	}
	line := r.batch.text[start:r.batch.ends[r.at]]
	bad := r.batch.bad[r.at]
	r.at++
	r.number++
	if bad != nil {
		return line, bad
	}
	return line, nil
}

// advance takes the next batch, or finds out that there is none.
func (r *Rows) advance() {
	if r.batch != nil {
		select {
		case r.free <- r.batch:
		default:
		}
	}
	r.batch, r.at = nil, 0
	if r.group == nil {
		g, ok := <-r.groups
		if !ok {
			r.err = io.EOF
			return
		}
		r.group = g
	}
	b, ok := <-r.group.batches
	if ok {
		r.batch = b
		return
	}
	r.err, r.group = r.group.err, nil
}

// Number is the number of the row that Next returned last, from 1.
func (r *Rows) Number() int64 { return r.number }

// Close stops the reading and releases its memory. The file itself stays open.
func (r *Rows) Close() error {
	r.stop()
	r.work.Wait()
	return nil
}
