package partition

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
)

// keyUse is who has one dedup key, where several events with different content
// do.
type keyUse struct {
	first, last    place
	firstContent   uint64
	lastContent    uint64
	severalContent bool
}

type place struct {
	time, eventID int64
	order         uint64
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.time, o.time), cmp.Compare(p.eventID, o.eventID), cmp.Compare(p.order, o.order))
}

// note takes one event with the key.
func (u keyUse) note(content uint64, first, last place) keyUse {
	if u == (keyUse{}) {
		return keyUse{first: first, last: last, firstContent: content, lastContent: content}
	}
	u.severalContent = u.severalContent || content != u.firstContent
	if first.compare(u.first) < 0 {
		u.first, u.firstContent = first, content
	}
	if last.compare(u.last) > 0 {
		u.last, u.lastContent = last, content
	}
	return u
}

// uses finds the keys that several events of the batch share.
func (b *batch) uses() map[uint64]keyUse {
	uses := map[uint64]keyUse{}
	for dedup, i := range b.byDedup {
		if b.entries[i-1].next == 0 {
			continue
		}
		var u keyUse
		for ; i != 0; i = b.entries[i-1].next {
			e := &b.entries[i-1]
			u = u.note(e.content, place{e.time, e.eventID, e.order}, place{e.time, e.eventID, e.lastOrder})
		}
		uses[dedup] = u
	}
	return uses
}

// usesOf is uses for a spill too large for a batch.
func usesOf(s *spill) (map[uint64]keyUse, error) {
	uses := map[uint64]keyUse{}
	err := s.each(func(r *row) error {
		if r.dedup != 0 {
			p := place{r.time, r.eventID, r.order}
			uses[r.dedup] = uses[r.dedup].note(r.content, p, p)
		}
		return nil
	})
	return uses, err
}

// ErrCollision ends a partitioning with the rule Stop.
var ErrCollision = errors.New("an insert id occurs on different events of one device")

// collide decides about an event whose key several share: it returns the line
// to write, or nil.
func (w *writer) collide(e *entry, line []byte, u keyUse) ([]byte, error) {
	policy := w.run.o.Rules.Collisions
	winner := u.firstContent
	if policy == KeepLast {
		winner = u.lastContent
	}
	if e.content == winner {
		return line, nil
	}
	w.counts.collisions++
	in := &w.run.in.events[e.order>>40]
	at := in.Place(int64(e.order & (1<<40 - 1)))
	var out []byte
	newID := ""
	switch policy {
	case Stop:
		return nil, fmt.Errorf("%s: %w; --insert-id-collisions says what to do with it", at, ErrCollision)
	case Suffix:
		out, newID = withSuffix(line, e.content)
	case Reject:
		w.counts.Reject("insert-id-collision")
	default:
		w.counts.Drop("collision")
	}
	note := finding.AppendRejected(nil, at, "insert-id-collision", "the insert id stands on another event of this device too: "+policy, line)
	note = append(note[:len(note)-2], `,"action":"`+policy+`"`...)
	if newID != "" {
		note = append(note, `,"new_insert_id":`+newID...)
	}
	return out, w.run.aside.write(w.asideName, append(note, "}\n"...))
}

// withSuffix appends what the content hashes to to the event's insert id.
func withSuffix(line []byte, content uint64) (out []byte, id string) {
	fields, err := jsonscan.Fields(nil, line)
	if err != nil {
		panic("a line that was scanned before is not JSON: " + err.Error())
	}
	for i := range fields {
		f := &fields[i]
		if string(f.Key(line)) == "insert_id" {
			suffix := "-" + strconv.FormatUint(content|1<<63, 16)[:8]
			id = string(line[f.Start:f.End-1]) + suffix + `"`
			out = append(append(append(out, line[:f.Start]...), id...), line[f.End:]...)
		}
	}
	return out, id
}
