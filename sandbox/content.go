package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"export2batch/internal/jsonscan"
	"export2batch/sandbox/export"
	"export2batch/sandbox/people"
	"export2batch/sandbox/store"
)

// contentName is the file of what events hold, beside the ledger.
const contentName = "events.ndjson.zst"

// content is what events hold and what Amplitude makes of them: the stored
// lines, the people and their properties. It is made again from the lines at
// each start. Its methods are called with Server.taking held, but for those of
// the log.
//
// A line is
//
//	{"seq":7,"request":2,"received":1700000000123,"path":"/batch","amplitude_id":100000000001,"previous":3,"user_properties":{…},"group_properties":{…},"event":{…}}
//
// seq and request are those of the ledger; duplicates have no line. received
// is in ms, previous the seq of the event before under the same Amplitude ID,
// 0 for none, user_properties what the event shows where that is not what it
// carries, group_properties what it shows of its groups. event is what was
// sent, byte for byte but for line breaks.
type content struct {
	log    *store.Log
	people *people.Table
	names  catalog
	last   int64 // seq of the last line
	line   []byte
	shown  []byte
}

func newContent() *content {
	return &content{people: people.New(), names: newCatalog()}
}

// openContent opens what is stored beside the ledger, whose last line has
// s.seq, and makes the people from it.
func (s *Server) openContent() (err error) {
	c := newContent()
	if s.opts.Data == "" {
		c.log = store.NewMemory(s.opts.EventMemory)
		s.content = c
		return nil
	}
	var rec record
	in := new(intake)
	c.log, err = store.Open(store.FileOptions{
		FS: s.opts.fs, Path: filepath.Join(s.opts.Data, contentName), NoSync: s.opts.NoSync, Last: s.seq,
		Each: func(line []byte) error { return c.replay(&rec, in, line, s.meter) },
	})
	if err != nil {
		return err
	}
	s.content = c
	return nil
}

// replay takes a stored line as take did, and holds it against what was stored.
func (c *content) replay(rec *record, in *intake, line []byte, m *meter) error {
	rec.read(line)
	seq, received := rec.integer("seq"), rec.integer("received")
	id, raw := rec.value("amplitude_id", jsonscan.Number, jsonscan.Null), rec.value("event", jsonscan.Object)
	if rec.bad != nil {
		return rec.bad
	}
	if seq <= c.last {
		return fmt.Errorf("seq %d follows %d", seq, c.last)
	}
	c.last = seq
	var p problems
	in.scratch, in.events = in.scratch[:0], in.events[:0]
	in.groupOnly = id == nil
	in.readEvent(0, jsonscan.Span{End: uint32(len(raw)), Kind: jsonscan.Object}, raw, 0, &p)
	if len(in.events) != 1 {
		return errors.New("the event is not one that is taken")
	}
	shown := c.join(&in.events[0], seq, received, in)
	if want := appendID(nil, shown.Person); !bytes.Equal(want, orNull(id)) {
		return fmt.Errorf("amplitude_id is %s, not %s", orNull(id), want)
	}
	m.addDay(&in.events[0], received, in)
	return nil
}

// join tells the people of an event.
func (c *content) join(e *event, seq, received int64, in *intake) people.Shown {
	kind, scratch := text(in.scratch, e.eventType)
	in.scratch = scratch
	var shown people.Shown
	shown, c.shown = c.people.Take(&people.Event{
		Number: seq, User: e.user, Device: e.device, Type: kind, Time: export.Millis(e.time, received),
		UserProperties: e.userProperties, Groups: e.groups, GroupProperties: e.groupProperties, SkipSync: e.skipSync,
	}, c.shown[:0])
	c.names.add(e, in)
	return shown
}

// take stores an event that was taken.
func (c *content) take(e *event, seq, request, received int64, path string, in *intake) {
	shown := c.join(e, seq, received, in)
	c.last = seq
	b := append(c.line[:0], `{"seq":`...)
	b = strconv.AppendInt(b, seq, 10)
	b = append(b, `,"request":`...)
	b = strconv.AppendInt(b, request, 10)
	b = append(b, `,"received":`...)
	b = strconv.AppendInt(b, received, 10)
	b = append(b, `,"path":"`...)
	b = append(b, path...)
	b = append(b, `","amplitude_id":`...)
	b = appendID(b, shown.Person)
	b = append(b, `,"previous":`...)
	b = strconv.AppendInt(b, shown.Previous, 10)
	if shown.UserProperties != nil {
		b = append(append(b, `,"user_properties":`...), shown.UserProperties...)
	}
	if shown.GroupProperties != nil {
		b = append(append(b, `,"group_properties":`...), shown.GroupProperties...)
	}
	b = append(b, `,"event":`...)
	if bytes.IndexByte(e.raw, '\n') < 0 && bytes.IndexByte(e.raw, '\r') < 0 {
		b = append(b, e.raw...)
	} else {
		b = jsonscan.AppendCompact(b, e.raw)
	}
	b = append(b, '}', '\n')
	c.log.Append(b, seq, received)
	c.line = b
	if cap(c.line) > keep {
		c.line = nil
	}
}

func appendID(b []byte, p *people.Person) []byte {
	if p == nil {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, p.ID, 10)
}

func orNull(value []byte) []byte {
	if value == nil {
		return []byte("null")
	}
	return value
}

// stored reads a stored line for an export. The parts point into it.
func (r *record) stored(line []byte) (export.Event, error) {
	r.read(line)
	e := export.Event{Number: r.integer("seq"), Received: r.integer("received"), Sent: r.value("event", jsonscan.Object)}
	if path := r.value("path", jsonscan.String); path != nil {
		e.Path = string(jsonscan.AppendUnquoted(nil, path))
	}
	if id := r.value("amplitude_id", jsonscan.Number, jsonscan.Null); id != nil {
		e.AmplitudeID = r.integer("amplitude_id")
	}
	if r.bad == nil {
		e.UserProperties, e.GroupProperties = r.optional("user_properties"), r.optional("group_properties")
	}
	return e, r.bad
}
