package partition

import (
	"cmp"
	"errors"
	"fmt"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
)

// place is where an event stands in the order.
type place struct {
	time, eventID int64
	order         uint64
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.time, o.time), cmp.Compare(p.eventID, o.eventID), cmp.Compare(p.order, o.order))
}

// wins tells which of two events with one insert id has it.
func (p place) wins(o place, keepLast bool) bool { return (p.compare(o) > 0) == keepLast }

// winners has, for dedup keys that stand on different events, what the event
// that has the key hashes to.
type winners map[uint64]uint64

// keyUse is the winner so far of a dedup key.
type keyUse struct {
	place   place
	content uint64
	several bool
}

// uses finds the winners among many events.
type uses struct {
	keys     map[uint64]keyUse
	keepLast bool
}

func newUses(keepLast bool) *uses { return &uses{map[uint64]keyUse{}, keepLast} }

func (u *uses) note(r *row) {
	p := place{r.time, r.eventID, r.order}
	k, known := u.keys[r.dedup]
	if !known {
		u.keys[r.dedup] = keyUse{place: p, content: r.content}
		return
	}
	several := k.several || k.content != r.content
	if p.wins(k.place, u.keepLast) {
		k.place, k.content = p, r.content
	} else if several == k.several {
		return
	}
	k.several = several
	u.keys[r.dedup] = k
}

// addTo adds the keys that stand on different events.
func (u *uses) addTo(w winners) {
	for dedup, k := range u.keys {
		if k.several {
			w[dedup] = k.content
		}
	}
}

// ErrCollision ends a partitioning with the rule Stop.
var ErrCollision = errors.New("an insert id occurs on different events of one device")

// collide decides about an event whose insert id goes to another one: it
// returns the line to write, or nil.
func (w *writer) collide(r *row) ([]byte, error) {
	policy := w.run.o.Rules.Collisions
	in := &w.run.in.events[r.order>>40]
	at := in.Place(int64(r.order & (1<<40 - 1)))
	if policy == Stop {
		return nil, fmt.Errorf("%s: %w; --insert-id-collisions says what to do with it", at, ErrCollision)
	}
	w.done.Collisions++
	var out []byte
	newID := ""
	if policy == Suffix {
		out, newID = withSuffix(r.line, r.content)
	} else {
		w.done.Hashes.Dropped += Hash(r.content)
		if policy == Reject {
			w.done.Counts.Reject("insert-id-collision")
		} else {
			w.done.Counts.Drop("collision")
		}
	}
	note := finding.AppendRejected(nil, at, "insert-id-collision", "the insert id stands on another event of this device too: "+policy, r.line)
	note = append(note[:len(note)-2], `,"action":"`+policy+`"`...)
	if newID != "" {
		note = append(note, `,"new_insert_id":`+newID...)
	}
	_, err := w.aside.Write(append(note, "}\n"...))
	return out, err
}

// withSuffix appends what the content hashes to to the event's insert id. All
// 64 bits of it: many events can have one id.
func withSuffix(line []byte, content uint64) (out []byte, id string) {
	fields, err := jsonscan.Fields(nil, line)
	if err != nil {
		panic("a line that was scanned before is not JSON: " + err.Error())
	}
	for i := range fields {
		f := &fields[i]
		key := f.Key(line)
		if f.KeyEscaped {
			key = jsonscan.AppendUnescaped(nil, key)
		}
		if string(key) == "insert_id" {
			id = string(line[f.Start:f.End-1]) + fmt.Sprintf("-%016x", content) + `"`
			out = append(append(append(out, line[:f.Start]...), id...), line[f.End:]...)
		}
	}
	return out, id
}
