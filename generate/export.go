package generate

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	// linesPerFile is when an hour is split, about 20 MB of text.
	linesPerFile = 10_000
	// compression is the gzip level: 6 as in the files of real exports.
	compression = 6
	// organisation is the ORG of merged-id files.
	organisation = 204331
)

// sink takes finished .json.gz files. Either commit or abort ends it.
type sink interface {
	add(name string, data []byte) error
	commit() (written int64, err error)
	abort()
}

// compressed is a file ready to be written.
type compressed struct {
	data []byte
	tally
}

func (p *plan) writeExport(ctx context.Context, to sink, s *Summary) error {
	defer to.abort()
	err := inOrder(ctx, p.parts(ctx, linesPerFile), p.newPacker, func(part part, c compressed) error {
		s.count(c.tally, part.repeat)
		s.Files++
		return to.add(p.fileName(part.hour, part.number), c.data)
	})
	if err == nil {
		err = p.writeMerges(to, s)
	}
	if err == nil {
		s.WrittenBytes, err = to.commit()
	}
	return err
}

// newPacker returns a function that makes the file of a part.
func (p *plan) newPacker() func(part) (compressed, error) {
	c := p.newComposer()
	var text []byte
	zw, _ := gzip.NewWriterLevel(nil, compression) // fails on a bad level only
	return func(part part) (compressed, error) {
		var (
			out bytes.Buffer
			n   tally
		)
		zw.Reset(&out)
		for _, e := range part.events {
			rec := c.compose(e)
			text = appendLine(text[:0], rec)
			n.add(rec)
			n.bytes += int64(len(text))
			if _, err := zw.Write(text); err != nil {
				return compressed{}, err
			}
		}
		if err := zw.Close(); err != nil {
			return compressed{}, err
		}
		return compressed{out.Bytes(), n}, nil
	}
}

func (p *plan) fileName(h, number int) string {
	project := strconv.Itoa(p.options.Project)
	return project + "/" + project + "_" + hourName(p.hourStart(h)) + "#" + strconv.Itoa(number) + ".json.gz"
}

func hourName(t time.Time) string {
	return t.Format(time.DateOnly) + "_" + strconv.Itoa(t.Hour())
}

// writeMerges adds the merged-id files, if there are to be any.
func (p *plan) writeMerges(to sink, s *Summary) error {
	for rest := p.merges; len(rest) > 0; {
		h := int((rest[0].upload - p.start) / hour)
		var out bytes.Buffer
		zw, _ := gzip.NewWriterLevel(&out, compression)
		n := 0
		for n < len(rest) && int((rest[n].upload-p.start)/hour) == h {
			m := rest[n]
			l := line{b: []byte{'{'}, layout: timeLayout}
			l.number("scope", int64(p.options.Project))
			l.time("merge_time", m.at)
			l.time("merge_server_time", m.upload)
			l.number("amplitude_id", m.into)
			l.number("merged_amplitude_id", m.merged)
			if _, err := zw.Write(append(l.b, '}', '\n')); err != nil {
				return err
			}
			n++
		}
		if err := zw.Close(); err != nil {
			return err
		}
		name := fmt.Sprintf("-%[1]d/-%[1]d_%s.json.gz", organisation, hourName(p.hourStart(h)))
		if err := to.add(name, out.Bytes()); err != nil {
			return err
		}
		s.MergedIDs += int64(n)
		s.MergedFiles++
		rest = rest[n:]
	}
	return nil
}
