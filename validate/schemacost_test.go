package validate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// TestSchemaSteps has schemas just below, at and above the bound.
func TestSchemaSteps(t *testing.T) {
	leaf := &jsonschema.Schema{Location: "x#/leaf"}
	for n, want := range map[int]bool{49_996: true, 49_997: true, 49_998: false} {
		// The top takes 1 step, the n leaves 2 each, the not 2 and its leaf 3.
		s := &jsonschema.Schema{Location: "x#/top", AllOf: slices.Repeat([]*jsonschema.Schema{leaf}, n), Not: &jsonschema.Schema{Location: "x#/not", Ref: leaf}}
		err := checkCosts([]*jsonschema.Schema{{Location: "x#", Properties: map[string]*jsonschema.Schema{"a": s}}})
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "#/top: too many subschemas") {
			t.Errorf("%d: %v", n, err)
		}
	}
	// A $recursiveRef may mean any of these.
	anchors := []*jsonschema.Schema{{RecursiveAnchor: true}, {RecursiveAnchor: true, AllOf: slices.Repeat([]*jsonschema.Schema{leaf}, 30_000)}}
	s := &jsonschema.Schema{AllOf: []*jsonschema.Schema{{RecursiveRef: anchors[0]}, {RecursiveRef: anchors[0]}}}
	if checkCosts(anchors) != nil || checkCosts(append(anchors, s)) == nil {
		t.Error("$recursiveRef is not followed")
	}
}

// TestSchemasThatGrow has definitions that refer to the next one twice, by
// every keyword that applies a subschema to the same value.
func TestSchemasThatGrow(t *testing.T) {
	input := writeFile(t, "a.ndjson", eventWith()+"\n")
	const next = `{"$ref":"#/$defs/aN"}`
	for name, tc := range map[string]struct{ keywords, head string }{
		"anyOf":            {`"anyOf":[` + next + `,` + next + `]`, ``},
		"oneOf":            {`"oneOf":[` + next + `,` + next + `]`, ``},
		"allOf, not":       {`"allOf":[` + next + `],"not":` + next, ``},
		"if, then":         {`"if":` + next + `,"then":` + next, ``},
		"if, else":         {`"if":` + next + `,"else":` + next, ``},
		"dependentSchemas": {`"dependentSchemas":{"time":` + next + `,"user_id":` + next + `}`, ``},
		"dependencies":     {`"dependencies":{"time":` + next + `,"user_id":` + next + `}`, `"$schema":"http://json-schema.org/draft-07/schema#",`},
		"$dynamicRef":      {`"$dynamicAnchor":"dN","$dynamicRef":"#d%","$ref":"#/$defs/aN"`, ``},
	} {
		text := func(n int, below string) string {
			var b strings.Builder
			fmt.Fprintf(&b, `{%s"%s":{"$ref":"#/$defs/a0"},"$defs":{`, tc.head, below)
			for i := range n {
				keywords := strings.NewReplacer("aN", fmt.Sprint("a", i+1), "dN", fmt.Sprint("d", i), "d%", fmt.Sprint("d", i+1)).Replace(tc.keywords)
				fmt.Fprintf(&b, `"a%d":{%s},`, i, keywords)
			}
			fmt.Fprintf(&b, `"a%d":{"$dynamicAnchor":"d%d","not":{}}}}`, n, n)
			return b.String()
		}
		for _, below := range []string{"not", "additionalProperties", "items"} {
			_, err := Run(context.Background(), Options{Paths: []string{input}, Schemas: []string{writeFile(t, "mine.json", text(40, below))}})
			if err == nil || !strings.Contains(err.Error(), "mine.json: #/$defs/a") || !strings.Contains(err.Error(), "too many subschemas") {
				t.Errorf("%s in %s: %v", name, below, err)
			}
		}
		if s, _ := run(t, Options{Paths: []string{input}, Schemas: []string{writeFile(t, "mine.json", text(6, "not"))}}); s.Read != 1 {
			t.Errorf("%s: a small one: %+v", name, s)
		}
	}
	// What a $dynamicRef means may be found by nothing else.
	const hidden = `{"$ref":"#/$defs/list","$defs":{"list":{"allOf":[{"$dynamicRef":"#d"},{"$dynamicRef":"#d"}]},"d":{"$dynamicAnchor":"d"},"sub":{"$id":"sub","$defs":{"x/y":{"$dynamicAnchor":"d","allOf":[%s]}}}}}`
	for n, want := range map[int]bool{10: true, 250: false} {
		s := `{}`
		for range n {
			s = `{"not":` + s + `}`
		}
		_, err := compile("mine.json", fmt.Appendf(nil, hidden, strings.TrimSuffix(strings.Repeat(s+",", 2), ",")))
		if (err == nil) != want {
			t.Errorf("hidden, %d: %v", n, err)
		}
	}
	// One that takes part in itself, by a branch that is seldom taken.
	if _, err := compile("mine.json", []byte(`{"if":{"required":["country"]},"then":{"$ref":"#"}}`)); err == nil || !strings.Contains(err.Error(), "refers to itself without end") {
		t.Errorf("without end: %v", err)
	}
	// A tree, and the schema of schemas, are none of those.
	for _, s := range []string{
		`{"properties":{"a":{"$ref":"#"},"b":{"items":{"anyOf":[{"$ref":"#"},{"type":"string"}]}}}}`,
		`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, `{"$ref":"https://json-schema.org/draft/2019-09/schema"}`,
		`{"$ref":"http://json-schema.org/draft-07/schema#"}`, `{"$ref":"http://json-schema.org/draft-04/schema#"}`,
	} {
		if _, err := compile("mine.json", []byte(s)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}
