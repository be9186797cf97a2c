package diff

import (
	"fmt"

	"export2batch/internal/jsonscan"
)

// eventReader makes records from lines. It is not safe for concurrent use.
type eventReader struct {
	key    string
	ignore *ignore

	fields []jsonscan.Field
	canon  canonical
	buf    []byte
	name   []byte
}

// read hashes the key and the content of the event that line holds. Its error
// is a *jsonscan.SyntaxError, or says that there is no key.
func (r *eventReader) read(line []byte) (record, error) {
	fields, err := jsonscan.Fields(r.fields[:0], line)
	r.fields = fields
	if err != nil {
		return record{}, err
	}
	var rec record
	var found bool
	if rec.key, found = r.keyOf(line); !found {
		return record{}, fmt.Errorf("no %s to match the event by", r.key)
	}
	r.buf, _ = r.canon.append(r.buf[:0], line, 0, r.ignore)
	rec.sum = hashOf(r.buf)
	return rec, nil
}

func (r *eventReader) keyOf(line []byte) (hash, bool) {
	f := r.field(line, r.key)
	if f == nil || f.Kind == jsonscan.Null || f.Kind == jsonscan.String && f.End-f.Start == 2 {
		return hash{}, false
	}
	r.buf, _ = r.canon.append(r.buf[:0], line, int(f.Start), nil)
	if r.key == defaultKey && !r.ignore.below([]byte(deviceKey)).whole() {
		r.buf = append(r.buf, 0)
		if f := r.field(line, deviceKey); f != nil && f.Kind != jsonscan.Null {
			r.buf, _ = r.canon.append(r.buf, line, int(f.Start), nil)
		}
	}
	return hashOf(r.buf), true
}

// field finds a member of the event that was read last.
func (r *eventReader) field(line []byte, key string) *jsonscan.Field {
	for i := range r.fields {
		f := &r.fields[i]
		name := f.Key(line)
		if f.KeyEscaped {
			r.name = jsonscan.AppendUnescaped(r.name[:0], name)
			name = r.name
		}
		if string(name) == key {
			return f
		}
	}
	return nil
}
