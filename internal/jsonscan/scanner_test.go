package jsonscan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// behindEachOther wants a Scanner to find in each text what Fields finds in it
// alone, whatever came before.
func behindEachOther(t *testing.T, texts ...string) {
	t.Helper()
	used := Scanner{Inner: &Inner{}}
	borrowing := Scanner{Inner: &Inner{}, Borrow: true}
	before := "" // the object that was scanned last
	for n, text := range texts {
		fresh := Scanner{Inner: &Inner{}}
		want, wantErr := Fields(nil, []byte(text))
		if _, err := fresh.Fields([]byte(text)); fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("text %d: a fresh scanner says %v, Fields %v", n, err, wantErr)
		}
		got, err := used.Fields([]byte(text))
		if b, berr := borrowing.Fields([]byte(text)); !slices.Equal(got, b) || fmt.Sprint(err) != fmt.Sprint(berr) {
			t.Fatalf("text %d: with a borrowed text %v, %v, else %v, %v", n, b, berr, got, err)
		}
		was := before
		if before = text; err != nil {
			before = ""
		}
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("text %d: the scanner says %v, Fields %v", n, err, wantErr)
		}
		if err != nil {
			continue
		}
		if len(got) != len(want) {
			t.Fatalf("text %d: the scanner finds %d members, Fields %d", n, len(got), len(want))
		}
		for i, f := range got {
			if name := string(AppendUnescaped(nil, f.Key([]byte(text)))); f.ID != NoID && used.Name(f.ID) != name {
				t.Fatalf("text %d: the key %q has the number of %q", n, name, used.Name(f.ID))
			}
			if a, b := used.Inner.Of(&f), fresh.Inner.Of(&want[i]); !slices.Equal(a, b) {
				t.Fatalf("text %d, member %d: keys inside %v, want %v", n, i, a, b)
			}
			if f.Traits&Same != 0 && !hasMember(was, f.Key([]byte(text)), f.Value([]byte(text))) {
				t.Fatalf("text %d, member %d: it is not the same in %s", n, i, was)
			}
			f.Traits &^= Same
			if f.ID = NoID; f != want[i] {
				t.Fatalf("text %d, member %d: %+v, want %+v", n, i, f, want[i])
			}
		}
	}
}

// hasMember tells whether an object has a member, byte for byte.
func hasMember(text string, key, value []byte) bool {
	fields, err := Fields(nil, []byte(text))
	return err == nil && slices.ContainsFunc(fields, func(f Field) bool {
		return bytes.Equal(f.Key([]byte(text)), key) && bytes.Equal(f.Value([]byte(text)), value)
	})
}

// TestScannerForgets gives texts that change after Forget, or are borrowed no
// more.
func TestScannerForgets(t *testing.T) {
	text := []byte(`{"a":1,"b":"c"}`)
	s := Scanner{Borrow: true}
	for _, borrow := range []bool{true, false, true} {
		s.Borrow = borrow
		was := string(text)
		for _, same := range []bool{false, true} {
			fields, err := s.Fields(text)
			if err != nil || len(fields) != 2 || (fields[0].Traits&Same != 0) != same || string(text) != was {
				t.Fatalf("borrow %t: %+v, %v: %s", borrow, fields, err, text)
			}
		}
		s.Forget()
		text[5]++
	}
}

func TestScannerGoesOnFromTheObjectBefore(t *testing.T) {
	const one = `{"a":1,"b":{"c":"d","e":[1,2]},"f":"gh","i":null}`
	for _, next := range []string{
		one, // the same
		`{"a":12,"b":{"c":"d","e":[1,2]},"f":"gh","i":null}`,            // longer, and what follows is moved
		`{"a":1.5,"b":{"c":"d","e":[1,2]},"f":"gh","i":null}`,           // a number that goes on
		`{"a":1 ,"b":{"c":"d","e":[1,2]} , "f":"gh","i":null}`,          // white space
		`{"a": 1,"b": {"c":"d","e":[1,2]},"f" :"gh","i":null}`,          // and elsewhere
		`{"a":1,"b":{"c":"d","e":[1,3]},"f":"gh","i":null}`,             // a difference inside
		`{"a":1,"b":{"c":"d","e":[1,2]},"f":"g","i":null}`,              // shorter
		`{"a":1,"b":{"c":"d","e":[1,2]},"f":"gh"}`,                      // ends before
		`{"a":1,"b":{"c":"d","e":[1,2]},"f":"gh","i":null,"j":{"k":1}}`, // goes on
		`{"f":"gh","i":null}`,                                           // begins behind
		`{"x":{"y":1},"a":1,"b":{"c":"d","e":[1,2]},"f":"gh"}`,          // something before
		`{"f":"gh","a":1,"b":{"c":"d","e":[1,2]},"i":null}`,             // another order
		`{"a":1,"b":{"c":"d","e":[1,2]},"b":2}`,                         // a key twice
		`{"a":1,"b":{"c":"d","e":[1,2]},"f":"gh","a":2}`,                // another one
		`{"a":1,"b":{"c":"d","e":[1,2]},"f":"gh","i":null`,              // cut off
		`{"a":1,"b":{"c":"d","e":[1,2]},"f":"gh","i":nullx`,             // no value
		`{"a":1,"b":{"c":"d","e":[1,2`,                                  //
		`{"a":1,"b":{"c":"d","e":[1,2]},"f":`,                           //
		`{"a":1,"b":{"c":"d","e":[1,2]},"f":"gh\u0061","i":null}`,       // an escape
		`{"a":1,"b":{"c":"d","e":[1,2]},"f":"gh","i":null} x`,           // text behind
		`{}`,
		`{"` + strings.Repeat("long", maxKept/4) + `":1}`,
	} {
		behindEachOther(t, one, next, next, one, next)
	}
}

// TestScannerOnObjectsAlike mixes members of a few keys and values, whose
// objects have long beginnings, middles and ends in common.
func TestScannerOnObjectsAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	values := []string{`1`, `12`, `"é"`, `"éé"`, `"\u00e9"`, `{"k":1,"l":{"m":2}}`, `{"k":1}`, `[{"n":1}]`, `null`, `true`, `{}`, `-1e5`, `"` + strings.Repeat("x", 1100) + `"`}
	for range 300 {
		var texts []string
		members := make([]string, 12)
		for i := range members {
			members[i] = fmt.Sprintf(`"key %d":%s`, i, values[r.IntN(len(values))])
		}
		for range 20 {
			for range r.IntN(4) {
				i, j := r.IntN(len(members)), r.IntN(len(members))
				switch r.IntN(5) {
				case 0:
					members[i], members[j] = members[j], members[i]
				case 1:
					members = slices.Insert(members, i, fmt.Sprintf(`"more %d":%s`, r.IntN(9), values[r.IntN(len(values))]))
				case 2:
					members = slices.Delete(members, i, i+1)
				default:
					key, _, _ := strings.Cut(members[i], ":")
					members[i] = key + ":" + values[r.IntN(len(values))]
				}
				if len(members) == 0 {
					members = []string{`"a":1`}
				}
			}
			text := "{" + strings.Join(members, ",") + "}"
			if r.IntN(20) == 0 {
				text = text[:r.IntN(len(text))]
			}
			texts = append(texts, text)
		}
		behindEachOther(t, texts...)
	}
}

func FuzzScanner(f *testing.F) {
	f.Add(`{"a":1,"b":{"c":2}}`, `{"a":1,"b":{"c":3},"d":"e"}`, `{"b":{"c":2}}`)
	f.Add(exportLine, strings.Replace(exportLine, "Miami", "São Paulo", 1), exportLine[:900])
	f.Fuzz(func(t *testing.T, a, b, c string) { behindEachOther(t, a, b, a, c, b) })
}
