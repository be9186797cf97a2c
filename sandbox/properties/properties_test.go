package properties

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func apply(objects ...string) string {
	var s Set
	for _, o := range objects {
		s.Apply([]byte(o))
	}
	return string(s.AppendJSON(nil))
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name    string
		objects []string
		want    string
	}{
		{"nothing", nil, `{}`},
		{"merge keeps the others", []string{`{"b":1,"a":"x"}`, `{"b":2.50,"c":null}`}, `{"a":"x","b":2.50,"c":null}`},
		{"one key however it is written", []string{`{"\u0061":1}`, `{"a":2}`, `{"\"":3}`}, `{"\"":3,"a":2}`},
		{"set", []string{`{"a":1}`, `{"$set":{"a":2,"b":[1]}}`}, `{"a":2,"b":[1]}`},
		{"set once", []string{`{"a":1}`, `{"$setOnce":{"a":2,"b":3}}`}, `{"a":1,"b":3}`},
		{"unset", []string{`{"a":1,"b":2}`, `{"$unset":{"a":"-","c":"-"}}`}, `{"b":2}`},
		{"clear all", []string{`{"a":1,"b":2}`, `{"$clearAll":"-"}`}, `{}`},
		{"clear all comes first", []string{`{"a":1}`, `{"$set":{"b":2},"$clearAll":"-"}`}, `{"b":2}`},
		{"unset comes before set", []string{`{"a":1}`, `{"$set":{"a":2},"$unset":{"a":"-"}}`}, `{"a":2}`},
		{"add", []string{`{"n":9007199254740993,"t":"5","f":0.5,"s":"x"}`, `{"$add":{"n":1,"t":"-2","f":0.25,"s":1,"new":3}}`},
			`{"f":0.75,"n":9007199254740994,"new":3,"s":"x","t":3}`},
		{"append", []string{`{"l":[1],"v":"x"}`, `{"$append":{"l":2,"v":["y","z"],"n":1}}`}, `{"l":[1,2],"n":[1],"v":["x","y","z"]}`},
		{"prepend", []string{`{"l":[1]}`, `{"$prepend":{"l":[2,3]}}`}, `{"l":[2,3,1]}`},
		{"insert what is not there", []string{`{"l":["a","b"]}`, `{"$preInsert":{"l":["b","c"]}}`, `{"$postInsert":{"l":["a","d"]}}`},
			`{"l":["c","a","b","d"]}`},
		{"remove", []string{`{"l":["a","b","a"]}`, `{"$remove":{"l":["a"],"x":1}}`}, `{"l":["b"]}`},
		{"plain keys beside operations are left out", []string{`{"$set":{"a":1},"b":2}`}, `{"a":1}`},
		{"arguments of the wrong kind", []string{`{"a":1}`, `{"$set":"a","$add":[1]}`}, `{"a":1}`},
		{"other dollars are keys", []string{`{"$sets":1}`}, `{"$sets":1}`},
	} {
		if got := apply(c.objects...); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestCut(t *testing.T) {
	long := strings.Repeat("ü", MaxText)
	for in, want := range map[string]string{
		`"` + long + `"`:  long,
		`"` + long + `x"`: long,
		`"` + strings.Repeat(`\u00fc`, MaxText+1) + `"`: long,
	} {
		var got string
		if err := json.Unmarshal(AppendCut(nil, []byte(in)), &got); err != nil || got != want {
			t.Errorf("%.20s…: %d characters, %v", in, utf8.RuneCountInString(got), err)
		}
	}
	nested := `{"a\"b":["` + long + `yy",1,{"k":"` + long + `"}],"b":"short"}`
	want := strings.Replace(nested, "yy", "", 1)
	if got := string(AppendCut([]byte("x"), []byte(nested))); got != "x"+want {
		t.Errorf("nested: %.80s", got)
	}
	if got := apply(`{"a":"` + long + `z"}`); got != `{"a":"`+long+`"}` {
		t.Errorf("the table holds %d bytes", len(got))
	}
}

// TestBounded fills a table: what does not fit is left out as a whole, what
// replaces something still goes in.
func TestBounded(t *testing.T) {
	var s Set
	value := `"` + strings.Repeat("x", 1000) + `"`
	n := 0
	for s.Apply([]byte(fmt.Sprintf(`{"k%d":%s}`, n, value))) {
		n++
	}
	if n < 100 || len(s.AppendJSON(nil)) > MaxBytes+4*n || s.Len() != n {
		t.Fatalf("%d values, %d properties, %d bytes", n, s.Len(), len(s.AppendJSON(nil)))
	}
	if !s.Apply([]byte(`{"k1":` + value + `,"k2":1}`)) {
		t.Error("an update that makes it smaller is refused")
	}
	if !s.Apply([]byte(fmt.Sprintf(`{"k%d":1}`, n))) || s.Len() != n+1 {
		t.Error("there is room again, but it is not used")
	}
	if s.Apply([]byte(`{"a":1,"a":2}`)) {
		t.Error("a key twice is taken")
	}
}

// FuzzApply holds that the table stays JSON of the size it thinks it has, and
// that merging plain objects is what encoding/json makes of them.
func FuzzApply(f *testing.F) {
	f.Add(`{"a":1,"b":[1,"x"]}`, `{"$append":{"b":2},"$add":{"a":"3"}}`)
	f.Add(`{"a":"\ud83d\ude00"}`, `{"$preInsert":{"a":[1,1]},"$remove":{"a":1}}`)
	f.Fuzz(func(t *testing.T, one, two string) {
		var s Set
		want := map[string]json.RawMessage{}
		for _, o := range []string{one, two} {
			if !s.Apply([]byte(o)) || HasOperations([]byte(o)) {
				want = nil
			}
			if want != nil && json.Unmarshal([]byte(o), &want) != nil {
				t.Fatalf("%q was taken", o)
			}
		}
		text := s.AppendJSON(nil)
		var got map[string]json.RawMessage
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if size := len(text) - len(`{}`) - 2*len(got) + min(len(got), 1); size != s.size || len(got) != s.Len() {
			t.Fatalf("%s has size %d and %d properties, but %d and %d are counted", text, size, len(got), s.size, s.Len())
		}
		if want != nil && len(want) != len(got) {
			t.Fatalf("%s, want %v", text, want)
		}
	})
}
