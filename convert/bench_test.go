package convert

import (
	"path/filepath"
	"testing"

	"export2batch/internal/testfile"
)

// BenchmarkEvent maps lines as exports have them, 2 kB each, on one core.
func BenchmarkEvent(b *testing.B) {
	for name, drop := range map[string]bool{"export": false, "hash": true} {
		b.Run(name, func(b *testing.B) {
			var lines [][]byte
			var size int64
			for _, l := range generated(b, 1000) {
				if drop { // no id in the line: the costly way to one
					l = join(without(membersOf(l), "uuid", "$insert_id"))
				}
				lines = append(lines, []byte(l))
				size += int64(len(l)) + 1
			}
			m := newMapper(compiled(ruleSets[0]))
			var out []byte
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				for _, l := range lines {
					out, _ = m.event(out[:0], l)
				}
				m.pairs.lines = m.pairs.lines[:0]
			}
		})
	}
}

// BenchmarkRules is BenchmarkEvent with rules: none, those that look only at
// keys of the event itself, and those that change properties. All events are
// kept, so that the cost of a rule is all there is to see.
func BenchmarkRules(b *testing.B) {
	dir := b.TempDir()
	users := testfile.Write(b, filepath.Join(dir, "users.csv"), []byte("u,v\n"))
	key := testfile.Write(b, filepath.Join(dir, "key"), []byte("0123456789abcdef"))
	var lines [][]byte
	var size int64
	for _, l := range generated(b, 1000) {
		lines = append(lines, []byte(l))
		size += int64(len(l)) + 1
	}
	for _, tt := range []struct {
		name  string
		rules Rules
	}{
		{"none", Rules{}},
		{"window", Rules{Since: "1970-01-01"}},
		{"sample", Rules{SampleUsers: "99.99999999%"}},
		{"where type and time", Rules{Where: `event_type not in ["x", "y"] && time > 0`}},
		{"where platform or city", Rules{Where: `platform != "" || city startsWith "B" || country != "X"`}},
		{"keep", Rules{Keep: []string{"device_type"}}},
		{"ids", Rules{IDs: "trim,lower"}},
		{"user-map", Rules{UserMap: users}},
		{"pseudonyms", Rules{PseudonymKeyFile: key}},
		{"event-rename", Rules{EventRename: []string{"*=x"}}},
		{"where properties", Rules{Where: `len(event_properties) >= 0`}},
		{"property-drop", Rules{PropertyDrop: []string{"x*"}}},
		{"property-set", Rules{PropertySet: []string{"x=1"}}},
		{"revenue", Rules{Revenue: Lift}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			m := newMapper(compiled(tt.rules))
			var out []byte
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				for _, l := range lines {
					out, _ = m.event(out[:0], l)
				}
				m.pairs.lines = m.pairs.lines[:0]
			}
		})
	}
}

// BenchmarkParseTime reads the times of exports.
func BenchmarkParseTime(b *testing.B) {
	text := []byte("2023-01-02 03:04:05.678901")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := parseTime(text); !ok {
			b.Fatal("unreadable")
		}
	}
}
