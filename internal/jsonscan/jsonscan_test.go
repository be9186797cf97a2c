package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFields(t *testing.T) {
	text := []byte(` {"a":1 , "b\u0041" :"x\ny","":[],"o":{"k":[{}]},"n":null,"t":true,"f":-0.5e+3} ` + "\r")
	fields, err := Fields(nil, text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range fields {
		got = append(got, fmt.Sprintf("%s=%s %s %d", AppendUnescaped(nil, f.Key(text)), f.Value(text), f.Kind, f.Depth))
	}
	want := []string{`a=1 number 0`, `bA="x\ny" string 0`, `=[] array 1`, `o={"k":[{}]} object 3`, `n=null null 0`, `t=true boolean 0`, `f=-0.5e+3 number 0`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestFieldsRefuses(t *testing.T) {
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	if _, err := Fields(nil, []byte(deep(MaxDepth-1))); err != nil {
		t.Errorf("MaxDepth containers: %v", err)
	}
	for text, want := range map[string]string{
		``:                         "byte 1: no value",
		`[]`:                       "byte 1: not an object",
		`{`:                        "byte 2: text ends inside an object",
		`{"a":1,}`:                 "byte 8: a key is expected",
		`{"a" 1}`:                  "byte 6: a colon is expected",
		`{"a":01}`:                 "byte 6: a number starts with zero",
		`{"a":-}`:                  "byte 7: a digit is expected",
		`{"a":1.}`:                 "byte 8: a digit is expected",
		`{"a":1e}`:                 "byte 8: a digit is expected",
		`{"a":"` + "\x01" + `"}`:   "byte 7: a control character in a string",
		`{"a":"` + "\xff" + `"}`:   "byte 7: not UTF-8",
		`{"a":"\x"}`:               "byte 7: an unknown escape",
		`{"a":"\u12g4"}`:           "byte 7: an escape without four hexadecimal digits",
		`{"a":"\ud800"}`:           "byte 7: half of a surrogate pair",
		`{"a":"\udc00"}`:           "byte 7: half of a surrogate pair",
		`{"a":"\ud800\u0041"}`:     "byte 7: half of a surrogate pair",
		`{"a":1,"a":2}`:            "byte 9: a key occurs twice",
		`{"a":1,"\u0061":2}`:       "byte 9: a key occurs twice",
		`{"a":[1,]}`:               "byte 9: a value is expected",
		`{"a":[1}`:                 "byte 8: a comma or closing bracket is expected",
		`{"a":{"b":1]}`:            "byte 12: a comma or closing brace is expected",
		`{"a":1} x`:                "byte 9: text after the value",
		`{"a":NaN}`:                "byte 6: a value is expected",
		`{"a":nul}`:                "byte 6: a value is expected",
		`{"a":"x`:                  "byte 8: text ends inside a string",
		`{"a":"0123456789abcdefgh`: "byte 25: text ends inside a string",
		deep(MaxDepth):             "byte 1005: nested too deep",
	} {
		_, err := Fields(nil, []byte(text))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != want {
			t.Errorf("%.30q: got %v, want %s", text, err, want)
		}
	}
}

func TestFieldsManyKeys(t *testing.T) {
	for _, n := range []int{wide - 1, wide, wide + 1, 1000} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"key%d":%d,`, i, i)
		}
		if _, err := Fields(nil, []byte("{"+b.String()+`"last":1}`)); err != nil {
			t.Errorf("%d keys: %v", n, err)
		}
		if _, err := Fields(nil, []byte("{"+b.String()+`"key7":1}`)); err == nil {
			t.Errorf("%d keys: a repeated key was accepted", n)
		}
	}
}

func TestScannerManyKeys(t *testing.T) {
	var s Scanner
	for _, n := range []int{10, maxKeys - 1, maxKeys, maxKeys + 1, 3 * maxKeys} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"key%d":%d,`, i, i)
		}
		for range 2 {
			text := []byte("{" + b.String() + `"last":1}`)
			if fields, err := s.Fields(text); err != nil || len(fields) != n+1 {
				t.Errorf("%d keys: %d fields, %v", n, len(fields), err)
			}
			for _, again := range []string{"key7", fmt.Sprintf("key%d", n-1), "last"} {
				if _, err := s.Fields([]byte("{" + b.String() + `"last":1,"` + again + `":1}`)); err == nil {
					t.Errorf("%d keys: %s twice was accepted", n, again)
				}
			}
		}
	}
}

func TestFieldsMaxMembers(t *testing.T) {
	var b strings.Builder
	for i := range MaxMembers - 1 {
		fmt.Fprintf(&b, `"key%d":0,`, i)
	}
	if _, err := Fields(nil, []byte("{"+b.String()+`"last":0}`)); err != nil {
		t.Errorf("MaxMembers: %v", err)
	}
	if _, err := Fields(nil, []byte("{"+b.String()+`"last":0,"more":0}`)); err == nil {
		t.Error("one member more was accepted")
	}
	var s Scanner
	long := strings.Repeat("k", maxKeyLength)
	fields, err := s.Fields([]byte(`{"` + long + `":1,"` + long + `k":2}`))
	if err != nil || fields[0].ID == NoID || fields[1].ID != NoID {
		t.Errorf("keys at the edge of their length: %v, %v", fields, err)
	}
}

func TestStringAtEveryOffset(t *testing.T) {
	for _, special := range []string{`\"`, `\\`, "é", "😀", `\ud83d\ude00`} {
		for n := range 20 {
			text := `{"k":"` + strings.Repeat("x", n) + special + strings.Repeat("y", 19-n) + `"}`
			fields, err := Fields(nil, []byte(text))
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			var want map[string]string
			if err := json.Unmarshal([]byte(text), &want); err != nil {
				t.Fatal(err)
			}
			if got := AppendUnquoted(nil, fields[0].Value([]byte(text))); string(got) != want["k"] {
				t.Errorf("%q: got %q, want %q", text, got, want["k"])
			}
		}
	}
}

func TestElements(t *testing.T) {
	text := []byte(`[ 1, "a,]" ,{"b":[2]},[] ]`)
	spans, err := Elements(nil, text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range spans {
		got = append(got, string(s.Value(text)))
	}
	if want := []string{`1`, `"a,]"`, `{"b":[2]}`, `[]`}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, bad := range []string{``, `{}`, `[`, `[1`, `[1 2]`, `[1,]`, `[]]`, `[,]`} {
		if _, err := Elements(nil, []byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestAppendCompact(t *testing.T) {
	in := []byte("{ \"a b\" : [ 1 ,\t\"\\\" : \\\\\" ] ,\n\"c\" : null }")
	var want bytes.Buffer
	if err := json.Compact(&want, in); err != nil {
		t.Fatal(err)
	}
	if got := AppendCompact(nil, in); !bytes.Equal(got, want.Bytes()) {
		t.Errorf("got %s, want %s", got, want.Bytes())
	}
}

// FuzzFields holds the scanner to encoding/json: it accepts what that accepts,
// less what the package comment takes out, and the members have equal values.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":"b"}`, `{"a":[1,{"b":null}],"c":-1.5e3}`, `{"\u0061":"\ud83d\ude00é"}`, `{"a":1,"a":2}`, ` {"x" : "\ud800"} `, "{\"a\":\"\x80\"}", `{"a":tru}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fields, err := Fields(nil, text)
		sameAsScanner(t, text, fields, err)
		if want := acceptable(text); (err == nil) != want {
			t.Fatalf("error %v, want accepted %v", err, want)
		}
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if len(fields) != len(want) {
			t.Fatalf("%d members, want %d", len(fields), len(want))
		}
		for _, fd := range fields {
			key := string(AppendUnescaped(nil, fd.Key(text)))
			if !bytes.Equal(fd.Value(text), want[key]) {
				t.Errorf("value of %q: %s, want %s", key, fd.Value(text), want[key])
			}
			if fd.Kind == String {
				var s string
				if err := json.Unmarshal(fd.Value(text), &s); err != nil {
					t.Fatal(err)
				}
				got := AppendUnquoted(nil, fd.Value(text))
				if string(got) != s {
					t.Errorf("string %q, want %q", got, s)
				}
				var back string
				if err := json.Unmarshal(AppendQuoted(nil, got), &back); err != nil || back != s {
					t.Errorf("quoted again %q, want %q (%v)", back, s, err)
				}
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, fd.Value(text)); err != nil {
				t.Fatal(err)
			}
			if got := AppendCompact(nil, fd.Value(text)); !bytes.Equal(got, compact.Bytes()) {
				t.Errorf("compact %s, want %s", got, compact.Bytes())
			}
		}
	})
}

// sameAsScanner wants a Scanner to find what Fields found: fresh, when it knows
// the keys, and when it knows others.
func sameAsScanner(t *testing.T, text []byte, want []Field, wantErr error) {
	var fresh, used Scanner
	for _, line := range []string{`{"a":1,"b":{},"c":3}`, `{"b":1,"a":2,"x y":3,"x":4}`} {
		if _, err := used.Fields([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*Scanner{&fresh, &fresh, &used, &used} {
		got, err := s.Fields(text)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("a scanner says %v, Fields %v", err, wantErr)
		}
		if err != nil {
			continue
		}
		if len(got) != len(want) {
			t.Fatalf("a scanner finds %d members, Fields %d", len(got), len(want))
		}
		for i, f := range got {
			if f.ID != NoID && s.Name(f.ID) != string(AppendUnescaped(nil, f.Key(text))) {
				t.Fatalf("the key %q has the number of %q", f.Key(text), s.Name(f.ID))
			}
			f.Traits &^= Same
			if f.ID = NoID; f != want[i] {
				t.Fatalf("a scanner finds %+v, Fields %+v", f, want[i])
			}
		}
	}
}

// acceptable is the slow second opinion, on encoding/json alone.
func acceptable(text []byte) bool {
	if !json.Valid(text) || !utf8.Valid(text) || len(bytes.TrimSpace(text)) == 0 || bytes.TrimSpace(text)[0] != '{' || loneSurrogate(text) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	keys := map[string]bool{}
	depth, isKey := 0, false
	for {
		token, err := d.Token()
		if err == io.EOF {
			return true
		}
		if err != nil {
			return false
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				if depth++; depth > MaxDepth {
					return false
				}
			} else {
				depth--
			}
			isKey = depth == 1
			continue
		case string:
			if depth == 1 && isKey {
				if keys[token] {
					return false
				}
				keys[token] = true
				isKey = false
				continue
			}
		}
		isKey = depth == 1
	}
}

// loneSurrogate looks for a half of a pair: encoding/json reads it as U+FFFD.
func loneSurrogate(text []byte) bool {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if text[i+1] == 'u' {
			var s string
			if json.Unmarshal([]byte(`"`+string(text[i:i+6])+`"`), &s) == nil && s == "\ufffd" && !strings.EqualFold(string(text[i+2:i+6]), "fffd") {
				if i+12 > len(text) || json.Unmarshal([]byte(`"`+string(text[i:i+12])+`"`), &s) != nil || utf8.RuneCountInString(s) != 1 || s == "\ufffd" {
					return true
				}
				i += 11
				continue
			}
		}
		i++
	}
	return false
}

func BenchmarkScanner(b *testing.B) {
	line := []byte(exportLine)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var s Scanner
	for b.Loop() {
		if _, err := s.Fields(line); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFields(b *testing.B) {
	line := []byte(exportLine)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var fields []Field
	for b.Loop() {
		var err error
		if fields, err = Fields(fields[:0], line); err != nil {
			b.Fatal(err)
		}
	}
}

const exportLine = `{"server_received_time":"2023-01-02 05:59:59.977000","app":328567,"device_carrier":null,"$schema":13,"city":"Miami","user_id":null,"uuid":"fc2033bb-18ec-4a8d-2cd7-2c064b4237e3","event_time":"2023-01-02 05:54:42.729000","platform":"Web","os_version":"105","amplitude_id":129144361300,"processed_time":"2023-01-02 06:00:11.866000","user_creation_time":"2022-05-21 03:27:44.470342","version_name":"6.5.5","ip_address":"21.21.23.178","paying":null,"dma":"Miami, Fl","group_properties":{},"user_properties":{"battery_size":"meadow_51","price_ms":"golden","search_url":"falcon_51","price_type":"","content_count":"silent harbor","variant_value":2757261269631344653,"category_value":51,"button flag 22":39,"button_url":"Help/FAQ","[App] author.flag":false,"session_count":10},"client_upload_time":"2023-01-02 05:59:59.975000","$insert_id":"GBrCpQH1M5sI","event_type":"Feed Viewed 47","library":"amplitude-js/8.21.4","amplitude_attribution_ids":null,"device_type":"Mac","device_manufacturer":null,"start_version":"3.10.3","location_lng":null,"server_upload_time":"2023-01-02 06:00:00.000000","event_id":193,"location_lat":null,"os_name":"Chrome","amplitude_event_type":null,"device_brand":null,"groups":{},"event_properties":{"load_ms":"","query_state":"https://www.harbor.example.com/harbor/41473?utm_source=partner&q=brave","source_type":"Feed","network_url":"noble meadow","experiment_url":"silent","[App] result.group":false,"item_index":-720.679812},"data":{"path":"/2/httpapi","user_properties_updated":true,"group_first_event":{},"group_ids":{}},"device_id":"85afb99c-02c3-40eb-9936-e2dfe476f6baR","language":"English","device_model":"Mac","country":"United States","region":"Florida","is_attribution_event":false,"adid":null,"session_id":1672638840836,"device_family":"Mac","sample_rate":null,"idfa":null,"client_event_time":"2023-01-02 05:54:42.729000"}`
