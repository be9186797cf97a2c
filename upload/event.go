package upload

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"export2batch/internal/jsonscan"
)

// event is one line of a partition, held in a chunk.
type event struct {
	start, end   int   // in the chunk's text
	index        int64 // in the partition, from 0
	device, user uint64
	fault        error // not nil: it is not a JSON object
}

// chunk is the events of one request, in the order of the partition.
type chunk struct {
	text   []byte // the lines, joined by commas
	events []event
	share  int64 // of memory's bound
}

func (c *chunk) reset() { c.text, c.events = c.text[:0], c.events[:0] }

// size is how many bytes the events take in a body.
func (c *chunk) size() int { return len(c.text) }

func (c *chunk) add(line []byte, e event) {
	if len(c.events) > 0 {
		c.text = append(c.text, ',')
	}
	e.start = len(c.text)
	c.text = append(c.text, line...)
	e.end = len(c.text)
	c.events = append(c.events, e)
}

// ranges are the events of a batch as the journal names them.
func ranges(batch []event) spans {
	var out spans
	for i := range batch {
		at := batch[i].index
		if n := len(out); n > 0 && out[n-1].end == at {
			out[n-1].end++
			continue
		}
		out = append(out, span{at, at + 1})
	}
	return out
}

// ids reads who events belong to. It is not safe for concurrent use; all of a
// state folder share their seed, so that parked ids are known after a restart.
type ids struct {
	seed   uint64
	fields []jsonscan.Field
	text   []byte
	digest xxhash.Digest
}

// idKind tells devices and users with the same id apart.
type idKind uint64

const (
	deviceID idKind = iota
	userID
)

// read fills in the hashes of the line's ids; 0 is none. A hash that two ids
// share makes them wait for each other, which does no harm.
func (x *ids) read(e *event, line []byte) {
	x.fields, e.fault = jsonscan.Fields(x.fields[:0], line)
	if e.fault != nil {
		return
	}
	for i := range x.fields {
		f := &x.fields[i]
		if f.Kind == jsonscan.Null {
			continue
		}
		switch string(f.Key(line)) {
		case "device_id":
			e.device = x.value(deviceID, f, line)
		case "user_id":
			e.user = x.value(userID, f, line)
		}
	}
}

// value is the hash of an id in an event: of the string as it reads, so that
// it is the same however it was escaped.
func (x *ids) value(kind idKind, f *jsonscan.Field, line []byte) uint64 {
	v := f.Value(line)
	switch {
	case f.Kind != jsonscan.String:
	case f.Escaped:
		x.text = jsonscan.AppendUnquoted(x.text[:0], v)
		v = x.text
	default:
		v = v[1 : len(v)-1]
	}
	return x.of(kind, v)
}

// of is the hash of an id, never 0.
func (x *ids) of(kind idKind, id []byte) uint64 {
	x.digest.ResetWithSeed(x.seed + uint64(kind))
	x.digest.Write(id) // never fails
	return max(1, x.digest.Sum64())
}

// ids are the hashes of who the event belongs to; 0 is none.
func (e *event) ids() [2]uint64 { return [2]uint64{e.device, e.user} }

// ofDevices names the events of a batch whose device_id is one of these.
func ofDevices(text []byte, batch []event, devices []string) []namedEvent {
	var out []namedEvent
	for i, e := range batch {
		line := text[e.start:e.end]
		fields, err := jsonscan.Fields(nil, line)
		if err != nil {
			continue
		}
		for k := range fields {
			f := &fields[k]
			if string(f.Key(line)) == "device_id" && f.Kind == jsonscan.String &&
				slices.Contains(devices, string(jsonscan.AppendUnquoted(nil, f.Value(line)))) {
				out = append(out, namedEvent{i, ruleSilenced, "silenced device"})
			}
		}
	}
	return out
}
