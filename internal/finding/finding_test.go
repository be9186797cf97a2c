package finding

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestForms(t *testing.T) {
	for _, tt := range []struct {
		name       string
		f          Finding
		text, json string
	}{
		{
			"all of it",
			Finding{Place{File: "e.zip", Member: "1/a.json.gz", Line: 7}, "/event_properties/a~1b", "r", Error, "too long"},
			"e.zip!1/a.json.gz:7: /event_properties/a~1b: too long [r]",
			`{"type":"finding","file":"e.zip","member":"1/a.json.gz","line":7,"pointer":"/event_properties/a~1b","rule":"r","severity":"error","message":"too long"}`,
		},
		{
			"a file as a whole",
			Finding{Place{File: "a"}, "", "r", Warn, "cut short"},
			"a: warn: cut short [r]",
			`{"type":"finding","file":"a","rule":"r","severity":"warn","message":"cut short"}`,
		},
		{
			"a row",
			Finding{Place{File: "a", Line: 2, Row: true}, "/x", "r", Info, "m"},
			"a:row 2: /x: info: m [r]",
			`{"type":"finding","file":"a","line":2,"pointer":"/x","rule":"r","severity":"info","message":"m"}`,
		},
		{
			"names that would break the line",
			Finding{Place{File: "a\nb:1: lie", Member: "\x1b[2Jé\"", Line: 1}, "/k\nl", "r", Error, "m"},
			`a\nb:1: lie!\x1b[2Jé":1: /k\nl: m [r]`,
			`{"type":"finding","file":"a\nb:1: lie","member":"\u001b[2Jé\"","line":1,"pointer":"/k\nl","rule":"r","severity":"error","message":"m"}`,
		},
		{
			"names that are not UTF-8",
			Finding{Place{File: "a\xff"}, "", "r", Error, "m"},
			`a\xff: m [r]`,
			`{"type":"finding","file":"a\ufffd","rule":"r","severity":"error","message":"m"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.f.String(); got != tt.text {
				t.Errorf("text %s\nwant %s", got, tt.text)
			}
			if got, err := json.Marshal(tt.f); err != nil || string(got) != tt.json {
				t.Errorf("JSON %s (%v)\nwant %s", got, err, tt.json)
			}
		})
	}
}

func TestPointer(t *testing.T) {
	for _, tt := range []struct {
		keys []string
		want string
	}{
		{nil, ""}, {[]string{""}, "/"}, {[]string{"a", "0"}, "/a/0"}, {[]string{"a/b", "~", "~1"}, "/a~1b/~0/~01"},
	} {
		if got := Pointer(tt.keys...); got != tt.want {
			t.Errorf("%q is %s, want %s", tt.keys, got, tt.want)
		}
	}
}

func TestRejected(t *testing.T) {
	full := Place{File: "e.zip", Member: "a\nb", Line: 3}
	for _, tt := range []struct {
		name string
		p    Place
		line string
		want map[string]any
	}{
		{"UTF-8", full, "{\"a\":\"é\\u0000\"} \x00\t\r", map[string]any{"file": "e.zip", "member": "a\nb", "line": 3.0, "rule": "r", "reason": "why", "text": "{\"a\":\"é\\u0000\"} \x00\t\r"}},
		{"not UTF-8", Place{File: "a", Line: 1}, "a\xff\xc3", map[string]any{"file": "a", "line": 1.0, "rule": "r", "reason": "why", "text_base64": base64.StdEncoding.EncodeToString([]byte("a\xff\xc3"))}},
		{"empty", Place{File: "a", Line: 1}, "", map[string]any{"file": "a", "line": 1.0, "rule": "r", "reason": "why", "text": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line := AppendRejected([]byte("before"), tt.p, "r", "why", []byte(tt.line))
			check(t, line, tt.want)
		})
	}
	check(t, AppendRejectedRaw([]byte("before"), full, "r", "why", "rejected/long-3"),
		map[string]any{"file": "e.zip", "member": "a\nb", "line": 3.0, "rule": "r", "reason": "why", "raw": "rejected/long-3"})
}

// check reads a rejected line as anyone would.
func check(t *testing.T, line []byte, want map[string]any) {
	t.Helper()
	text, ok := strings.CutPrefix(string(line), "before")
	if !ok || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		t.Errorf("not one line appended: %q", line)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestRejectedPlace(t *testing.T) {
	want := Place{File: "é\"", Member: "a\nb", Line: 3}
	if got, err := RejectedPlace(AppendRejected(nil, want, "r", "why", []byte("x"))); err != nil || got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	if _, err := RejectedPlace([]byte("x")); err == nil {
		t.Error("no error")
	}
}
