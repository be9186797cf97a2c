package validate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/testfile"
)

// places writes findings as LINE POINTER RULE.
func places(found []finding.Finding) []string {
	var list []string
	for _, f := range found {
		list = append(list, fmt.Sprint(f.Line, " ", f.Pointer, " ", f.Rule))
	}
	return list
}

func TestLayouts(t *testing.T) {
	good, bad := eventWith(), eventWith("user_id", `"abc"`)
	pretty := func(text string) string {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	body := func(events ...string) string {
		return `{"api_key":"k","events":[` + strings.Join(events, ",") + `]}`
	}
	for name, tc := range map[string]struct {
		text string
		read int64
		want []string
	}{
		"lines":                   {good + "\n" + bad + "\n", 2, []string{"2 /user_id id-length"}},
		"broken first line":       {`{"event_type":` + "\n" + bad + "\n", 2, []string{"1  invalid-json", "2 /user_id id-length"}},
		"blank lines before":      {"\n \n" + bad + "\n", 1, []string{"3 /user_id id-length"}},
		"array":                   {"[" + good + ", \n" + bad + "]\n", 2, []string{"2 /1/user_id id-length"}},
		"empty array":             {"[ ]", 0, nil},
		"pretty array":            {pretty("[" + good + "," + bad + "]"), 2, []string{"8 /1/user_id id-length"}},
		"arrays":                  {"[" + bad + "]\n[" + bad + "]", 2, []string{"1 /0/user_id id-length", "2 /0/user_id id-length"}},
		"array of other things":   {`[1, "]", [` + bad + `]]`, 3, []string{"1 /0 type", "1 /1 type", "1 /2 type"}},
		"pretty event":            {pretty(bad) + pretty(good), 2, []string{"1 /user_id id-length"}},
		"body":                    {body(good, bad), 2, []string{"1 /events/1/user_id id-length"}},
		"bodies":                  {body(good) + "\n" + body(bad) + "\n", 2, []string{"2 /events/0/user_id id-length"}},
		"pretty body":             {pretty(body(good, bad)), 2, []string{"10 /events/1/user_id id-length"}},
		"body with options":       {`{"options":{"min_id_length":3},"api_key":"k","events":[` + bad + `]}` + body(bad), 2, []string{"1 /events/0/user_id id-length"}},
		"body, no key":            {`{"events":[` + bad + `],"a":1}`, 1, []string{"1  request-api-key", "1 /a request-unknown-key", "1 /events/0/user_id id-length"}},
		"body, no events":         {`{"api_key":"k"}` + "\n" + body(bad), 1, []string{"1  request-events", "2 /events/0/user_id id-length"}},
		"body, null for events":   {`{"api_key":"k","events":null}`, 0, []string{"1 /events request-events"}},
		"body of wrong types":     {`{"api_key":5,"events":{}}`, 0, []string{"1 /api_key request-api-key", "1 /events request-events"}},
		"pretty body, no events":  {pretty(`{"api_key":"k","options":{}}`), 0, []string{"1  request-events"}},
		"event with api_key":      {eventWith("api_key", `"k"`) + "\nnonsense\n" + bad, 3, []string{"1 /api_key unknown-key", "2  invalid-json", "3 /user_id id-length"}},
		"array cut off":           {"[" + good + ",\n" + bad[:9], 1, []string{"2  invalid-json"}},
		"array without a comma":   {"[" + good + "\n" + bad + "]", 1, []string{"2  invalid-json"}},
		"array with a comma more": {"[" + good + ",]", 1, []string{"1  invalid-json"}},
		"array, then garbage":     {"[" + good + "]\n}", 1, []string{"2  invalid-json"}},
		"broken element":          {`[{"event_type" 1},` + bad + "]", 2, []string{"1 /0 invalid-json", "1 /1/user_id id-length"}},
		"broken body":             {`{"api_key":"k","events":[` + good + "," + "}]}", 0, []string{"1  invalid-json", "1  invalid-json"}},
		"body over lines":         {"{\"api_key\":\"k\",\"foo\":[\n1,\n2],\"events\":[" + bad + "]}\n", 1, []string{"1 /foo request-unknown-key", "3 /events/0/user_id id-length"}},
		"body with long strings":  {`{"api_key":"k","foo":"` + strings.Repeat("x", 70_000) + "\",\n\"events\":[" + bad + "]}\n", 1, []string{"1 /foo request-unknown-key", "2 /events/0/user_id id-length"}},
		"body, long second line":  {"{\"api_key\":\n\"k\",\"foo\":\"" + strings.Repeat("x", 3*headBytes) + `","events":[` + bad + "]}\n", 1, []string{"1 /foo request-unknown-key", "2 /events/0/user_id id-length"}},
		"body, objects in lines":  {"{\"foo\":[\n{\"a\":1},\n{\"a\":2}\n],\"api_key\":\"k\",\"events\":[" + bad + "]}", 1, []string{"1 /foo request-unknown-key", "4 /events/0/user_id id-length"}},
		"body, object in a line":  {"{\"foo\":\r\n{\"a\":1}\r\n,\"api_key\":\"k\",\"events\":[" + bad + "]}", 1, []string{"1 /foo request-unknown-key", "3 /events/0/user_id id-length"}},
		"event over lines":        {strings.Replace(bad, "{", "{\"event_properties\":{\"a\":[\n1,\n2]},", 1) + "\n" + good, 2, []string{"1 /user_id id-length"}},
		"cut first line, array":   {"{\"event_properties\":{\"a\":[\n" + bad + "\n" + good + "\n", 3, []string{"1  invalid-json", "2 /user_id id-length"}},
		"cut first line, string":  {"{\"event_type\":\"a\r\n" + bad + "\r\n" + good + "\r\n", 3, []string{"1  invalid-json", "2 /user_id id-length"}},
		"cut first line, comma":   {"{\"event_type\":\"a\",\n" + bad, 2, []string{"1  invalid-json", "2 /user_id id-length"}},
		"two cut lines":           {"{\"event_type\":\n{\"event_type\":\n" + bad + "\n" + good, 4, []string{"1  invalid-json", "2  invalid-json", "3 /user_id id-length"}},
		"cut, then a long line":   {"{\"event_type\":\n" + strings.Replace(bad, "{", `{"event_properties":{"a":"`+strings.Repeat("x", 2*headBytes)+`"},`, 1) + "\n" + bad, 3, []string{"1  invalid-json", "2 /event_properties string-length", "2 /user_id id-length", "3 /user_id id-length"}},
		"cut at the end":          {"{\"event_type\":\"a\"\n", 1, []string{"1  invalid-json"}},
		"key twice, then lines":   {"{\"event_type\":\"a\",\"event_type\":\"b\"}\n" + bad, 2, []string{"1  duplicate-key", "2 /user_id id-length"}},
		"key twice in a body":     {`{"api_key":"k","api_key":"l","events":[` + good + "]}\n[]", 0, []string{"1  invalid-json"}},
	} {
		whole, _ := layoutOf([]byte(tc.text), false, true)
		for n := range min(len(tc.text), 2000) {
			if l, sure := layoutOf([]byte(tc.text[:n]), true, true); sure && l != whole {
				t.Errorf("%s: layout %d from %d bytes, %d from all", name, l, n, whole)
			}
		}
		for _, jobs := range []int{1, 3} {
			s, found := run(t, Options{Paths: []string{writeFile(t, "input.json", tc.text)}, Jobs: jobs})
			if got := places(found); !slices.Equal(got, tc.want) || s.Read != tc.read {
				t.Errorf("%s: %d read, found %q, want %d and %q", name, s.Read, got, tc.read, tc.want)
			}
		}
	}
}

// TestRequestsOfOthers holds objects with the keys of a request against a
// schema of the user's own.
func TestRequestsOfOthers(t *testing.T) {
	schema := writeFile(t, "own.json", `{"required":["name"]}`)
	path := writeFile(t, "input.json", `{"api_key":"k","events":3}`+"\n")
	s, found := run(t, Options{Paths: []string{path}, Schemas: []string{schema}})
	if got, want := places(found), []string{"1  user-schema"}; !slices.Equal(got, want) || s.Read != 1 {
		t.Errorf("%d read, found %q, want %q", s.Read, got, want)
	}
}

// endless is an array of events that never stops coming until it has n.
type endless struct {
	n, sent int
	rest    []byte
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(e.rest) == 0 {
			switch {
			case e.sent == 0:
				e.rest = []byte("[" + goodEvent)
			case e.sent < e.n:
				e.rest = []byte(",\n" + goodEvent)
			case e.sent == e.n:
				e.rest = []byte("]")
			default:
				return n, io.EOF
			}
			e.sent++
		}
		m := copy(p[n:], e.rest)
		e.rest, n = e.rest[m:], n+m
	}
	return n, nil
}

// TestLargeArray streams an array of 34 MB, which is more than any value may have.
func TestLargeArray(t *testing.T) {
	t.Parallel()
	const events = 32_000
	s, _ := run(t, Options{Paths: []string{"-"}, Stdin: &endless{n: events}, Rules: map[string]string{ruleTimeFuture: Off}})
	if s.Valid != events {
		t.Errorf("summary %+v", s)
	}
}

// TestLargeElement has an event over 32 MiB in an array, and one in a body.
func TestLargeElement(t *testing.T) {
	t.Parallel()
	long := eventWith("event_properties", `{"a":"`+strings.Repeat(strings.Repeat("x", 996)+`\"]}`, source.MaxLine/1000+200)+`"}`)
	bad := eventWith("user_id", `"abc"`)
	aside := filepath.Join(t.TempDir(), "aside")
	path := writeFile(t, "input.json", "["+bad+",\n"+long+",\n"+bad+"]")
	s, found := run(t, Options{Paths: []string{path}, SetAside: aside})
	want := []string{"1 /0/user_id id-length", "2 /1 line-too-long", "3 /2/user_id id-length"}
	if got := places(found); !slices.Equal(got, want) || s.Read != 3 || s.Invalid != 3 {
		t.Errorf("%+v, found %q, want %q", s, got, want)
	}
	if readFolder(t, aside)["rejected/input.line-2.event-1.raw"] != long {
		t.Error("the long event is not kept as it was")
	}

	path = writeFile(t, "input.json", `{"api_key":"k","events":[`+bad+",\n"+long+",\n"+bad+`],"options":{"a":"]}"}}`+"\n["+bad+"]")
	s, found = run(t, Options{Paths: []string{path}})
	want = []string{"1  request-size", "1 /events/0/user_id id-length", "2 /events/1 line-too-long", "3 /events/2/user_id id-length", "4 /0/user_id id-length"}
	if got := places(found); !slices.Equal(got, want) || s.Read != 4 {
		t.Errorf("%+v, found %q, want %q", s, got, want)
	}
}

// TestLargeBody counts the events of a body over 32 MiB, its key before or
// behind them.
func TestLargeBody(t *testing.T) {
	t.Parallel()
	const events = 32_000
	for _, body := range []string{`{"api_key":"k","events":%}`, `{"events":%,"api_key":"k"}`} {
		before, behind, _ := strings.Cut(body, "%")
		in := io.MultiReader(strings.NewReader(before), &endless{n: events}, strings.NewReader(behind))
		s, found := run(t, Options{Paths: []string{"-"}, Stdin: in, Rules: map[string]string{ruleTimeFuture: Off}})
		if got, want := places(found), []string{"1  request-size", "1 /events request-events"}; !slices.Equal(got, want) || s.Valid != events {
			t.Errorf("%s: %d valid, found %q, want %q", body, s.Valid, got, want)
		}
	}
}

// TestDamagedArray has a gzip file that ends inside an array.
func TestDamagedArray(t *testing.T) {
	whole := testfile.Gzip(t, []byte("["+strings.Repeat(goodEvent+",\n", 3000)+goodEvent+"]"))
	s, found := run(t, Options{Paths: []string{writeFile(t, "a.json.gz", string(whole[:len(whole)-30]))}, Rules: map[string]string{ruleTimeFuture: Off}})
	if len(found) != 1 || found[0].Rule != ruleDamaged || s.Read == 0 {
		t.Errorf("%+v, found %v", s, found)
	}
}

// FuzzDocument sees that the events of an array, however it is written, are
// those that encoding/json reads, and that nothing else passes for right.
func FuzzDocument(f *testing.F) {
	f.Add([]byte("["+eventWith()+" , \n{}]"), 3)
	f.Add([]byte(`["\\\"]",[[]],{"a":{"b":"}"}} , 1e5, true]`), 1)
	f.Add([]byte(`[1 2]`), 2)
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		if len(text) == 0 || text[0] != '[' || step < 1 {
			return
		}
		var want []json.RawMessage
		valid := json.Unmarshal(text, &want) == nil
		d := newDocument(&stepReader{text, step})
		var got []string
		err := collect(d, &got)
		if !valid {
			return
		}
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q: %d elements, want %d: %v", text, len(got), len(want), err)
		}
		for i := range want {
			if got[i] != string(want[i]) {
				t.Errorf("%q: element %d is %q, want %q", text, i, got[i], want[i])
			}
		}
	})
}

// TestSkip passes over the rest of values, of a number at the end too.
func TestSkip(t *testing.T) {
	for text, want := range map[string]string{`"ab" 1`: `"ab"`, `{"a":[1]},`: `{"a":[1]}`, `123`: `123`, `{"a`: ""} {
		for at := 1; at < len(want); at++ {
			d := newDocument(strings.NewReader(text[at:]))
			d.value = []byte(text[:at])
			var b strings.Builder
			if size, err := d.skip(&b); b.String() != want || size != int64(len(want)) || err != nil {
				t.Errorf("%s from %d: %q, %d, %v", text, at, &b, size, err)
			}
		}
		if want == "" {
			if _, err := newDocument(strings.NewReader(text)).skip(io.Discard); err != io.ErrUnexpectedEOF {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

// stepReader gives some bytes at a time.
type stepReader struct {
	text []byte
	step int
}

func (s *stepReader) Read(p []byte) (int, error) {
	if len(s.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.text)
	s.text = s.text[n:]
	return n, nil
}

// collect reads the elements of an array as reader.array does.
func collect(d *document, into *[]string) error {
	p := newPipeline(&Options{Jobs: 1}, &settings{}, make([]source.Input, 1), nil, nil)
	r := &reader{p: p, in: &source.Input{}, block: p.emptyBlock(0)}
	if _, err := d.token(); err != nil {
		return err
	}
	p.work = make(chan *block, 1000)
	_, err := r.array(context.Background(), d)
	close(p.work)
	add := func(b *block) {
		start := 0
		for _, end := range b.ends {
			*into = append(*into, string(b.text[start:end]))
			start = end + 1
		}
	}
	for b := range p.work {
		add(b)
	}
	add(r.block)
	return err
}
