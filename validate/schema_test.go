package validate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"export2batch/internal/eventfile"
	"export2batch/internal/stage"
	"export2batch/schemas"
)

// TestKeysMatchSchema holds the table of the fast path to the schema.
func TestKeysMatchSchema(t *testing.T) {
	text, err := schemas.Get(schemas.BatchEvent)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Properties map[string]map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	want := map[class]string{
		aString: "type=string", nonEmpty: "minLength=1 type=string", anID: "$ref=#/$defs/id", aNumber: "type=number",
		anInteger: "type=integer", positive: "exclusiveMinimum=0 type=integer", aBoolean: "type=boolean", anObject: "type=object",
		aPlan: "additionalProperties=false properties=… type=object",
	}
	for k := key(1); int(k) < keyCount; k++ {
		info := keyTable[k]
		property, ok := doc.Properties[info.name]
		if !ok {
			t.Errorf("the schema has no %s", info.name)
			continue
		}
		delete(doc.Properties, info.name)
		var keywords []string
		for name, value := range property {
			switch name {
			case "description":
			case "properties":
				keywords = append(keywords, "properties=…")
			default:
				keywords = append(keywords, fmt.Sprintf("%s=%v", name, value))
			}
		}
		slices.Sort(keywords)
		if got := strings.Join(keywords, " "); got != want[info.class] {
			t.Errorf("%s: the schema says %s, the table %s", info.name, got, want[info.class])
		}
	}
	for name := range doc.Properties {
		t.Errorf("the table has no %s", name)
	}
}

func TestPlaceholdersMatchSchema(t *testing.T) {
	schema, err := compileSchema(1)
	if err != nil {
		t.Fatal(err)
	}
	zero := "00000000-0000-0000-0000-000000000000"
	list := []string{"anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "", "{}", "[]", "lmy47d", "0", "-1", "true", "false", zero}
	refused := 0
	for _, id := range list {
		for _, variant := range []string{id, strings.ToUpper(id), strings.ToUpper(id[:min(1, len(id))]) + id[min(1, len(id)):], id + " ", " " + id, id + "x", id + "\n", "x" + id, strings.ReplaceAll(id, "n", "ñ"), strings.ReplaceAll(id, "k", "\u212a"), zero + "0"} {
			err := schema.Validate(map[string]any{"event_type": "a", "user_id": variant})
			if got := isPlaceholder([]byte(variant)); got != (err != nil) {
				t.Errorf("%q: placeholder %t, the schema says %v", variant, got, err)
			}
			if err != nil {
				refused++
			}
		}
		if !isPlaceholder([]byte(id)) || !isPlaceholder([]byte(strings.ToUpper(id))) {
			t.Errorf("%q is no placeholder", id)
		}
	}
	if refused < 2*len(list) {
		t.Errorf("only %d refused", refused)
	}
}

// TestPointers sees that keys the library had escaped come out as RFC 6901
// has them, and only when they may be shown.
func TestPointers(t *testing.T) {
	schema, err := jsonschema.CompileString("test.json", `{"properties":{"event_properties":{"additionalProperties":{"type":"string","maxLength":3}}},"patternProperties":{"^x":{"minimum":5}}}`)
	if err != nil {
		t.Fatal(err)
	}
	line := eventWith("event_properties", `{"a b%20/~ü":1,"c":"four"}`, "x y%41/", `-7411`)
	for show, want := range map[bool][]string{
		false: {"/event_properties schema", "/event_properties type", "/x y%41~1 schema", "/x y%41~1 unknown-key"},
		true:  {"/event_properties/a b%20~1~0ü type", "/event_properties/c schema", "/x y%41~1 schema", "/x y%41~1 unknown-key"},
	} {
		c := newTestChecker(t, Options{ShowValues: show})
		c.settings.schema = schema
		e := &c.event
		if err := e.scan([]byte(line), c.minIDLength); err != nil {
			t.Fatal(err)
		}
		checkUnknownKeys(c, e)
		if err := c.schemaErrors(e); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(c.found, compare)
		if got := short(c.found); !slices.Equal(got, want) {
			t.Errorf("show %t: %q, want %q", show, got, want)
		}
		for _, f := range c.found {
			if strings.Contains(f.Message, "7411") || strings.Contains(f.Message, "four") {
				t.Errorf("the message holds a value: %s", f.Message)
			}
		}
	}
}

func TestPointersInsideProperties(t *testing.T) {
	line := eventWith("event_properties", `{"a/b" : [ {"c\u0064":1e999} , 1e999, true, null ] , "e":1e999}`)
	for show, want := range map[bool]string{false: "/event_properties", true: "/event_properties/a~1b/0/cd"} {
		c := newTestChecker(t, Options{ShowValues: show})
		found := mustCheck(t, c, line)
		if len(found) != 1 || found[0].Pointer != want || !strings.Contains(found[0].Message, "(3 times)") {
			t.Errorf("show %t: %+v, want one at %s for 3 places", show, found, want)
		}
	}
}

func TestLongKeyIsCut(t *testing.T) {
	c := newTestChecker(t, Options{})
	found := mustCheck(t, c, eventWith(strings.Repeat("ü", 1000), `1`))
	if len(found) != 1 || len(found[0].Pointer) > 2*maxPointerKey {
		t.Errorf("found %d, pointer of %d bytes", len(found), len(found[0].Pointer))
	}
}

func TestManifestSchema(t *testing.T) {
	text, err := schemas.Get(schemas.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.CompileString("manifest.json", string(text))
	if err != nil {
		t.Fatal(err)
	}
	first := int64(1600000000000)
	sum := strings.Repeat("0a", 32)
	counts, err := json.Marshal(stage.Counts{Read: 3, Written: 1, Rejected: 1, Dropped: 1, RejectedBy: map[string]int64{"r": 1}, DroppedBy: map[string]int64{"d": 1}})
	if err != nil {
		t.Fatal(err)
	}
	good := stage.Manifest{
		Stage: "convert", Version: "1", Options: json.RawMessage(`{}`),
		Inputs: []stage.Input{{Name: "a.zip", Member: "m", Size: 7, SHA256: sum}, {Name: "-", Size: -1}},
		Files:  []eventfile.Info{{Name: "events/a", Events: 1, Bytes: 2, SHA256: sum, FirstTime: &first, LastTime: &first}},
		Extra:  []eventfile.Info{{Name: "identities/a", SHA256: sum}},
		Counts: counts,
	}
	check := func(m stage.Manifest) error {
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		v, err := decode(data)
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	if err := check(good); err != nil {
		t.Errorf("%#v", err)
	}
	if err := check(stage.Manifest{Stage: "upload", Options: json.RawMessage(`null`), Counts: json.RawMessage(`{}`)}); err != nil {
		t.Errorf("without files: %#v", err)
	}
	for name, bad := range map[string]func(*stage.Manifest){
		"stage":  func(m *stage.Manifest) { m.Stage = "" },
		"sum":    func(m *stage.Manifest) { m.Files = []eventfile.Info{{Name: "x", SHA256: "no"}} },
		"counts": func(m *stage.Manifest) { m.Counts = json.RawMessage(`{"read":-1}`) },
		"by":     func(m *stage.Manifest) { m.Counts = json.RawMessage(`{"rejected_by":{"r":"1"}}`) },
	} {
		m := good
		bad(&m)
		if check(m) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
