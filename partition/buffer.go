package partition

// buffer collects records for a spill. It is for one goroutine.
type buffer struct {
	to     *spill
	limit  int // bytes; only a line longer than that exceeds it
	packed *[]byte

	records []byte
	events  int64
}

func newBuffers(to []*spill, limit int, packed *[]byte) []buffer {
	buffers := make([]buffer, len(to))
	for i := range buffers {
		buffers[i] = buffer{to: to[i], limit: limit, packed: packed}
	}
	return buffers
}

// put appends a record.
func (b *buffer) put(r *row) error {
	need := recordHeader + len(r.line)
	if len(b.records)+need > b.limit {
		if err := b.flush(); err != nil {
			return err
		}
	}
	if b.records == nil {
		b.records = make([]byte, 0, max(b.limit, need))
	}
	b.records = appendRow(b.records, r)
	b.events++
	return nil
}

// flush gives the spill what there is.
func (b *buffer) flush() (err error) {
	if b.events == 0 {
		return nil
	}
	b.records, err = b.to.add(b.records, b.events, b.packed)
	if cap(b.records) > b.limit {
		b.records = nil // made for one long line
	}
	b.events = 0
	return err
}
