package diff

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/finding"
)

// randomEvent makes an event of all types of values.
func randomEvent(r *rand.Rand, id int) map[string]any {
	e := map[string]any{"insert_id": fmt.Sprint("id-", id), "time": json.Number(fmt.Sprint(r.Int64()))}
	if r.IntN(4) > 0 {
		e["device_id"] = fmt.Sprint("device-", r.IntN(5))
	}
	properties := map[string]any{}
	for range r.IntN(6) {
		properties[randomKey(r)] = randomValue(r, 3)
	}
	e["event_properties"] = properties
	return e
}

func randomKey(r *rand.Rand) string {
	return []string{"a", "b", "a/b", "~", "", "ключ", "line\nbreak", `quo"te`, "a!"}[r.IntN(9)]
}

func randomValue(r *rand.Rand, depth int) any {
	switch n := r.IntN(8); {
	case n == 0 && depth > 0:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, randomValue(r, depth-1))
		}
		return list
	case n == 1 && depth > 0:
		object := map[string]any{}
		for range r.IntN(4) {
			object[randomKey(r)] = randomValue(r, depth-1)
		}
		return object
	case n == 2:
		return nil
	case n == 3:
		return r.IntN(2) == 0
	case n == 4:
		return json.Number(fmt.Sprintf("%d.%d0e%d", r.IntN(100), r.IntN(100), r.IntN(9)-4))
	}
	return randomKey(r)
}

// spell writes a value in one of the many ways JSON has for it.
func spell(r *rand.Rand, dst []byte, v any) []byte {
	blank := func() { dst = append(dst, []string{"", "", " ", "\t", "\r"}[r.IntN(5)]...) }
	blank()
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		dst = append(dst, '{')
		for i, k := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = spell(r, dst, k)
			dst = append(dst, ':')
			dst = spell(r, dst, v[k])
		}
		dst = append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = spell(r, dst, e)
		}
		dst = append(dst, ']')
	case string:
		dst = append(dst, '"')
		for _, c := range v {
			if c < ' ' || c == '"' || c < 0x10000 && r.IntN(4) == 0 {
				dst = fmt.Appendf(dst, `\u%04x`, c)
			} else {
				dst = append(dst, string(c)...)
			}
		}
		dst = append(dst, '"')
	case json.Number:
		mantissa, exponent, _ := strings.Cut(strings.ToLower(string(v)), "e")
		switch {
		case r.IntN(2) == 0:
			dst = append(dst, v...)
		case exponent == "" && !strings.Contains(mantissa, "."):
			dst = append(append(dst, v...), []string{".0", "e0", "E+00", ".000e-0"}[r.IntN(4)]...)
		default:
			if !strings.Contains(mantissa, ".") {
				mantissa += ".0"
			}
			dst = fmt.Appendf(dst, "%s00E%s", mantissa, cmp.Or(exponent, "-0"))
		}
	default:
		data, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		dst = append(dst, data...)
	}
	blank()
	return dst
}

// writeSet spells events into a few files of a folder.
func writeSet(t *testing.T, r *rand.Rand, dir string, events []map[string]any) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for part := range 3 {
		var text []byte
		for i, e := range events {
			if i*3/len(events) == part {
				text = append(spell(r, text, e), '\n')
			}
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(part, ".ndjson")), text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func randomSet(r *rand.Rand, n int) []map[string]any {
	var events []map[string]any
	for i := range n {
		e := randomEvent(r, i)
		events = append(events, e)
		for r.IntN(10) == 0 {
			events = append(events, e) // the same once more
		}
	}
	return events
}

func TestSetEqualsItsPermutation(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		events := randomSet(r, 200)
		writeSet(t, r, filepath.Join(dir, "a"), events)
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		writeSet(t, r, filepath.Join(dir, "b"), events)
		got := compare(t, Options{A: []string{filepath.Join(dir, "a")}, B: []string{filepath.Join(dir, "b")}})
		if n := int64(len(events)); got.sum.Equal != n || !got.sum.Same() || len(got.differences) > 0 {
			t.Fatalf("seed %d: %+v %v", seed, got.sum, got.texts(dir))
		}
	}
}

func TestOneMutationIsExactlyItsPointer(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		event := randomEvent(r, 1)
		line := spell(r, nil, event)
		copied := numbersKept(t, line)
		pointer := mutate(r, []string{"event_properties"}, copied["event_properties"].(map[string]any))
		dir := t.TempDir()
		got := compare(t, write(t, dir, string(line), string(spell(r, nil, copied))))
		if len(got.differences) != 1 || !slices.Equal(got.differences[0].Pointers, []string{pointer}) {
			t.Fatalf("seed %d: got %q, want %s\n%s", seed, got.texts(dir), pointer, line)
		}
	}
}

func numbersKept(t *testing.T, line []byte) (event map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.UseNumber()
	if err := d.Decode(&event); err != nil {
		t.Fatal(err)
	}
	return event
}

// mutate changes one value of an object, at any depth, or adds one.
func mutate(r *rand.Rand, path []string, object map[string]any) (pointer string) {
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if len(keys) == 0 || r.IntN(5) == 0 {
		object["added"] = true
		return finding.Pointer(append(path, "added")...)
	}
	key := keys[r.IntN(len(keys))]
	path = append(path, key)
	switch v := object[key].(type) {
	case map[string]any:
		if r.IntN(3) > 0 {
			return mutate(r, path, v)
		}
		delete(object, key)
	case []any:
		if len(v) > 0 && r.IntN(3) > 0 {
			i := r.IntN(len(v))
			v[i] = "a value that is nowhere else"
			return finding.Pointer(append(path, fmt.Sprint(i))...)
		}
		object[key] = append(v, nil)
		return finding.Pointer(append(path, fmt.Sprint(len(v)))...)
	case bool:
		object[key] = !v
	default:
		object[key] = json.Number("9007199254740993.5")
	}
	return finding.Pointer(path...)
}

func TestSpillingAndWorkersChangeNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	dir := t.TempDir()
	events := randomSet(r, 5000)
	writeSet(t, r, filepath.Join(dir, "a"), events)
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	events = events[20:]
	for _, e := range events[:50] {
		e["changed"] = r.IntN(2)
	}
	events = append(events, randomEvent(r, 1_000_000))
	writeSet(t, r, filepath.Join(dir, "b"), events)
	o := Options{A: []string{filepath.Join(dir, "a")}, B: []string{filepath.Join(dir, "b")}}
	want := compare(t, o)
	if want.sum.Changed < 50 || want.sum.Missing < 5 || want.sum.Extra != 1 {
		t.Fatalf("too little to compare: %+v", want.sum)
	}
	for _, workers := range []int{1, 4} {
		o.Workers, o.MemoryEvents = workers, 1 // at least 1024, of over 10 000
		if got := compare(t, o); !reflect.DeepEqual(got, want) {
			t.Errorf("%d workers: %+v, want %+v", workers, got.sum, want.sum)
		}
	}
}

func TestSmallSetsDoNotTouchTheDisk(t *testing.T) {
	o := write(t, t.TempDir(), `{"insert_id":"1","v":1}`, `{"insert_id":"1","v":2}`)
	o.TempDir = filepath.Join(t.TempDir(), "missing") // a file there would fail
	if got := compare(t, o); got.sum.Changed != 1 {
		t.Errorf("%+v", got.sum)
	}
}

func TestSpillThatCannotBeWrittenIsAnError(t *testing.T) {
	var text strings.Builder
	for i := range 2 * leastMemoryEvents {
		fmt.Fprintf(&text, "{\"insert_id\":\"%d\"}\n", i)
	}
	o := write(t, t.TempDir(), text.String(), text.String())
	o.TempDir, o.MemoryEvents = filepath.Join(t.TempDir(), "missing"), 1
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "temporary") {
		t.Errorf("error %v", err)
	}
}

func TestTextStore(t *testing.T) {
	s := &textStore{create: func() (*os.File, error) { return os.CreateTemp(t.TempDir(), "") }, most: 1000}
	defer s.close()
	big := strings.Repeat("x", 500)
	var spans []textSpan
	lines := []string{"first", big, big, "small behind the file has begun", ""}
	for _, line := range lines {
		at, err := s.put([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		spans = append(spans, at)
	}
	if s.file == nil {
		t.Error("nothing was spilled")
	}
	for i, at := range spans {
		got, err := s.get(at)
		if err != nil || string(got) != lines[i] {
			t.Errorf("line %d: %d bytes, %v", i, len(got), err)
		}
	}
}

func TestManyEventsWithOneKey(t *testing.T) {
	line := "{\"insert_id\":\"1\"}\n"
	const n = 100_000 // seconds, if each were searched for
	got := compare(t, write(t, t.TempDir(), strings.Repeat(line, n), strings.Repeat(line, n-1)))
	if want := (Summary{A: n, B: n - 1, Equal: n - 1, Missing: 1, Duplicates: 2*n - 3}); got.sum != want || got.differences[0].A.Line != n {
		t.Errorf("%+v, want %+v; line %d", got.sum, want, got.differences[0].A.Line)
	}
}
