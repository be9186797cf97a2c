package sandbox

import (
	"fmt"
	"strconv"

	"export2batch/internal/jsonscan"
)

// record reads lines of ours back, one after the other. The first thing about
// a line that is not as it was written stays in bad.
type record struct {
	line   []byte
	fields []jsonscan.Field
	bad    error
}

func (r *record) read(line []byte) {
	r.line = line
	r.fields, r.bad = jsonscan.Fields(r.fields[:0], line)
}

// value returns the value of a key that must be there and be of one of these
// kinds, nil for null.
func (r *record) value(key string, kinds ...jsonscan.Kind) []byte {
	if r.bad != nil {
		return nil
	}
	for i := range r.fields {
		f := &r.fields[i]
		if string(f.Key(r.line)) != key {
			continue
		}
		for _, kind := range kinds {
			if f.Kind != kind {
				continue
			}
			if kind == jsonscan.Null {
				return nil
			}
			return f.Value(r.line)
		}
		r.bad = fmt.Errorf("%s is a %v", key, f.Kind)
		return nil
	}
	r.bad = fmt.Errorf("no %s", key)
	return nil
}

// optional returns an object, nil when it is absent.
func (r *record) optional(key string) []byte {
	for i := range r.fields {
		if f := &r.fields[i]; f.Kind == jsonscan.Object && string(f.Key(r.line)) == key {
			return f.Value(r.line)
		}
	}
	return nil
}

// text returns a string with its quotes, or nil for null.
func (r *record) text(key string) []byte {
	return r.value(key, jsonscan.String, jsonscan.Null)
}

func (r *record) integer(key string) int64 {
	digits := r.value(key, jsonscan.Number)
	if r.bad != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		r.bad = fmt.Errorf("%s is not an integer", key)
	}
	return n
}

func (r *record) boolean(key string) bool {
	return string(r.value(key, jsonscan.Bool)) == "true"
}
