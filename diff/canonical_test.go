package diff

import (
	"bytes"
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"export2batch/internal/jsonscan"
)

func TestNumbers(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"0", "0"}, {"-0", "0"}, {"0.000", "0"}, {"-0e99999999999999999999", "0"},
		{"1", "1e0"}, {"1.0", "1e0"}, {"100", "1e2"}, {"1e2", "1e2"}, {"0.01e4", "1e2"}, {"1000E-1", "1e2"},
		{"-12.50", "-125e-1"}, {"0.0012", "12e-4"},
		{"9007199254740993", "9007199254740993e0"},
		{"1e999999999999999999", "1e999999999999999999"},
		{"10e99999999999999999999", "1e100000000000000000000"},
		{"1e-00000000000000000000000001", "1e-1"},
		{"1e+00000000000000000000000001", "1e1"},
	} {
		if got := string(appendNumber([]byte("x"), []byte(tt.in))); got != "x"+tt.want {
			t.Errorf("%s is written %s, want %s", tt.in, got[1:], tt.want)
		}
	}
}

func canon(t testing.TB, text []byte, skip *ignore) string {
	t.Helper()
	var c canonical
	out, end := c.append(nil, text, 0, skip)
	if rest := strings.TrimSpace(string(text[end:])); rest != "" {
		t.Fatalf("%q: %q is left", text, rest)
	}
	if len(c.members) > 0 {
		t.Fatalf("%q: members are left", text)
	}
	return string(out)
}

func TestCanonical(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		skip     []string
	}{
		{in: ` { "b" : [ 1 , true , null , { } ] , "a" : "\u0041\/" } `, want: `{"a":"A/","b":[1e0,true,null,{},],}`},
		{in: `{"a":1,"b":2,"a":{"c":3,"c":false}}`, want: `{"a":{"c":false,},"b":2e0,}`},
		{in: `{"a":1,"b":{"c":2,"d":3}}`, want: `{"b":{"d":3e0,},}`, skip: []string{"a", "/b/c"}},
		{in: `{"\u0061":1,"b/c":2,"~":3}`, want: `{}`, skip: []string{"a", "/b~1c", "~"}},
		{in: `{"l":[1,2,3]}`, want: `{"l":[1e0,,3e0,],}`, skip: []string{"/l/1"}},
		{in: `{"l":[1,2]}`, want: `{"l":[1e0,],}`, skip: []string{"/l/1"}},
		{in: `{"l":[[1,2],[3,4]]}`, want: `{"l":[[1e0,2e0,],[3e0,],],}`, skip: []string{"/l/1/1"}},
	} {
		skip, err := newIgnore(tt.skip)
		if err != nil {
			t.Fatal(err)
		}
		if got := canon(t, []byte(tt.in), skip); got != tt.want {
			t.Errorf("%s without %q\nis   %s\nwant %s", tt.in, tt.skip, got, tt.want)
		}
	}
}

// FuzzCanonical holds the comparison against encoding/json and math/big: the
// canonical forms are equal if and only if the decoded values are, and then
// and only then no pointer is named.
func FuzzCanonical(f *testing.F) {
	for _, pair := range [][2]string{
		{`{"a":1.0}`, `{"a":1}`},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`},
		{`{"a":[1,{"b":"\u00e9"}]}`, `{"a":[1e0,{"b":"é"}]}`},
		{`{"a":{"x":1,"x":2}}`, `{"a":{"x":2}}`},
		{`{"a":{"":{}}}`, `{"a":{"":[]}}`},
		{`{"a":null}`, `{}`},
		{`{"a":[1,2]}`, `{"a":[1]}`},
		{` {"b":"\\","a":"\""}`, `{"a":"\u0022","b":"\u005c"}`},
	} {
		f.Add([]byte(pair[0]), []byte(pair[1]))
	}
	long := regexp.MustCompile(`[eE][+-]?[0-9]{4}`) // powers of ten too large for math/big
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if _, err := jsonscan.Fields(nil, a); err != nil {
			return
		}
		if _, err := jsonscan.Fields(nil, b); err != nil {
			return
		}
		if long.Match(a) || long.Match(b) {
			return
		}
		want := sameMeaning(decode(t, a), decode(t, b))
		if got := canon(t, a, nil) == canon(t, b, nil); got != want {
			t.Fatalf("%s and %s: equal is %t, want %t\n%s\n%s", a, b, got, want, canon(t, a, nil), canon(t, b, nil))
		}
		var d Difference
		(&comparison{o: Options{ShowValues: true}}).changes(&d, a, b)
		if got := len(d.Pointers) == 0; got != want {
			t.Fatalf("%s and %s: pointers %q", a, b, d.Pointers)
		}
		if !sameMeaning(decode(t, a), decode(t, a)) {
			t.Fatalf("%s differs from itself", a)
		}
	})
}

func decode(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("encoding/json refuses %q: %v", text, err)
	}
	return v
}

// sameMeaning is the definition that the package is held against.
func sameMeaning(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !sameMeaning(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameMeaning(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		x, okA := new(big.Rat).SetString(string(a))
		y, okB := new(big.Rat).SetString(string(b))
		return okA && okB && x.Cmp(y) == 0
	}
	return a == b
}

func BenchmarkRecord(b *testing.B) {
	line := []byte(`{"device_id":"0f8fad5b-d9cb-469f-a165-70867728950e","user_id":"user-123456","event_type":"Product Viewed","time":1700000000123,` +
		`"insert_id":"7c9e6679-7425-40de-944b-e07fc1f90ae7","event_id":42,"session_id":1700000000000,"platform":"iOS","os_name":"ios","os_version":"17.1",` +
		`"country":"Germany","region":"Berlin","city":"Berlin","language":"German","ip":"203.0.113.7","$skip_user_properties_sync":true,` +
		`"event_properties":{"price":19.99,"name":"a thing","tags":["x","y","z"],"nested":{"b":1,"a":2}},` +
		`"user_properties":{` + strings.Repeat(`"property":"a value of some length",`, 20) + `"plan":"free"}}`)
	r := eventReader{key: defaultKey}
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.read(line); err != nil {
			b.Fatal(err)
		}
	}
}
