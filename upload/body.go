package upload

import (
	"bytes"
	"crypto/sha256"
	"strconv"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"

	"export2batch/internal/jsonscan"
)

// body makes the body of one request after the other:
//
//	{"api_key":"…","events":[…],"options":{"min_id_length":n}}
//
// The events are the lines of the partition byte for byte. It is not safe for
// concurrent use, but for the readers of the body built last.
type body struct {
	head, tail []byte
	zips       chan *gzip.Writer // shared
	gzip       bool
	sent       []byte       // what goes over the wire
	open       atomic.Int32 // readers not closed: their bytes must stay
}

func newBody(o Options, zips chan *gzip.Writer) *body {
	b := &body{zips: zips, gzip: o.Gzip, head: jsonscan.AppendQuoted([]byte(`{"api_key":`), o.APIKey), tail: []byte("]}")}
	b.head = append(b.head, `,"events":[`...)
	if o.MinIDLength > 0 {
		b.tail = strconv.AppendInt([]byte(`],"options":{"min_id_length":`), int64(o.MinIDLength), 10)
		b.tail = append(b.tail, "}}"...)
	}
	return b
}

// frame is how many bytes a body has around its events.
func (b *body) frame() int { return len(b.head) + len(b.tail) }

// build makes the body of a batch and returns the SHA-256 of its events, as
// they stand between the brackets.
func (b *body) build(text []byte, batch []event) (sum [sha256.Size]byte) {
	buf := b.sent[:0]
	if b.open.Load() > 0 { // a transport that gave up early may still read
		buf = nil
	}
	out := bytes.NewBuffer(buf)
	digest := sha256.New()
	write := func(p []byte) { out.Write(p) }
	var zip *gzip.Writer
	if b.gzip {
		zip = <-b.zips
		defer func() { b.zips <- zip }()
		zip.Reset(out)
		write = func(p []byte) { zip.Write(p) } // a buffer does not fail
	}
	write(b.head)
	for len(batch) > 0 {
		// Lines that stand side by side in text have their commas already.
		n := 1
		for n < len(batch) && batch[n].start == batch[n-1].end+1 {
			n++
		}
		run := text[batch[0].start:batch[n-1].end]
		batch = batch[n:]
		write(run)
		digest.Write(run)
		if len(batch) > 0 {
			write(comma)
			digest.Write(comma)
		}
	}
	write(b.tail)
	if zip != nil {
		zip.Close()
	}
	b.sent = out.Bytes()
	digest.Sum(sum[:0])
	return sum
}

var comma = []byte{','}

// reader returns a new reader of the body. Transports may read on after they
// returned, until they close it.
func (b *body) reader() *bodyReader {
	b.open.Add(1)
	r := &bodyReader{open: &b.open}
	r.Reset(b.sent)
	return r
}

type bodyReader struct {
	bytes.Reader
	open   *atomic.Int32
	closed atomic.Bool
}

func (r *bodyReader) Close() error {
	if !r.closed.Swap(true) {
		r.open.Add(-1)
	}
	return nil
}
