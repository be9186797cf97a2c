package validate

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"export2batch/internal/finding"
	"export2batch/schemas"
)

// TestUserSchema has schemas of all drafts, alone and beside ours.
func TestUserSchema(t *testing.T) {
	text := eventWith("event_properties", `{"price":"secret1","secret2":{"a":1}}`, "platform", `7`) + "\n"
	input := writeFile(t, "a.ndjson", text)
	for name, tc := range map[string]struct {
		schema string
		want   []string
	}{
		"draft 4":       {`{"$schema":"http://json-schema.org/draft-04/schema#","properties":{"time":{"minimum":1600000000000,"exclusiveMinimum":true}}}`, []string{"/time user-schema"}},
		"draft 6":       {`{"$schema":"http://json-schema.org/draft-06/schema#","properties":{"time":{"exclusiveMinimum":1600000000000}}}`, []string{"/time user-schema"}},
		"draft 7":       {`{"$schema":"http://json-schema.org/draft-07/schema#","if":true,"then":{"required":["country"]}}`, []string{" user-schema"}},
		"draft 2019-09": {`{"$schema":"https://json-schema.org/draft/2019-09/schema","dependentRequired":{"user_id":["country"]}}`, []string{" user-schema"}},
		"draft 2020-12": {`{"prefixItems":[true],"properties":{"event_properties":{"$ref":"#/$defs/p"}},"$defs":{"p":{"properties":{"price":{"type":"number"}}}}}`, []string{"/event_properties/price user-schema"}},
		"other keys":    {`{"properties":{"event_properties":{"additionalProperties":{"type":"boolean"}}}}`, []string{"/event_properties user-schema", "/event_properties user-schema"}},
		"fits":          {`{"type":"object"}`, nil},
	} {
		schema := writeFile(t, "mine.json", tc.schema)
		_, found := run(t, Options{Paths: []string{input}, Schemas: []string{schema}})
		if got := short(found); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		for _, f := range found {
			if strings.Contains(f.String(), "secret") {
				t.Errorf("%s: %v gives a value away", name, f)
			}
		}
		_, found = run(t, Options{Paths: []string{input}, Schemas: []string{SchemaBatch, schema}})
		if got := short(found); len(got) != len(tc.want)+1 || !slices.Contains(got, "/platform type") {
			t.Errorf("%s: with our schema %q", name, got)
		}
	}
	schema := writeFile(t, "mine.json", `{"properties":{"event_properties":{"additionalProperties":{"enum":[1]}}}}`)
	_, found := run(t, Options{Paths: []string{input}, Schemas: []string{schema}, ShowValues: true})
	if len(found) != 2 || !strings.Contains(found[0].String()+found[1].String(), "secret1") || !strings.Contains(found[0].Pointer+found[1].Pointer, "secret2") {
		t.Errorf("with values: %v", found)
	}
}

// TestBadSchemas are refused, in words that help.
func TestBadSchemas(t *testing.T) {
	input := writeFile(t, "a.ndjson", eventWith()+"\n")
	for schema, want := range map[string]string{
		`{`:                                     "not JSON",
		`{"type":"nosuch"}`:                     "/type",
		`{"$ref":"https://example.com/s.json"}`: "nothing is fetched",
		`{"properties":{"a":{"$ref":"other.json"}}}`: "other.json, outside of its file",
		`{"$ref":"file:///etc/passwd"}`:              "nothing is fetched",
		`{"$schema":"https://example.com/draft"}`:    "nothing is fetched",
		`{"$ref":"#"}`:             "refers to itself without end",
		`{"allOf":[{"$ref":"#"}]}`: "refers to itself without end",
		`{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"not":{"$ref":"#"}}}}`: "refers to itself without end",
		`{"$ref":"#/$defs/nosuch"}`:                               "nosuch",
		`{"properties":{"a":{"pattern":"(a+)+(?=b)"}}}`:           "RE2",
		`{"pattern":"(a)\\1"}`:                                    "no back-references",
		`{"properties":{"a~/b":{"pattern":"^(a{1000}){1000}$"}}}`: "mine.json: /properties/a~0~1b/pattern: the pattern is none that Go's regexp (RE2) takes: invalid repeat count",
		`{"allOf":[{},{"patternProperties":{"a/[":{}}}]}`:         "missing closing ]",
		`{"patternProperties":{"(?!a)":{}}}`:                      "no look-around",
		`[]`:                                                      "mine.json: the root: expected object or boolean, but got array",
		`{"$schema":"http://json-schema.org/draft-03/schema#"}`:   "draft-03/schema is not supported: drafts 4 to 2020-12 are",
	} {
		o := Options{Paths: []string{input}, Schemas: []string{writeFile(t, "mine.json", schema)}}
		_, err := Run(context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "mine.json") {
			t.Errorf("%s: %v, want something with %q", schema, err, want)
		}
	}
	if _, err := Run(context.Background(), Options{Paths: []string{input}, Schemas: []string{"nosuch.json"}}); err == nil {
		t.Error("a schema that is not there")
	}
	// Catastrophic elsewhere, linear here.
	o := Options{Paths: []string{writeFile(t, "b.ndjson", eventWith("platform", `"`+strings.Repeat("a", 100_000)+`"`)+"\n")},
		Schemas: []string{writeFile(t, "mine.json", `{"properties":{"platform":{"pattern":"^(a+)+$"}}}`)}}
	if s, _ := run(t, o); s.Valid != 1 {
		t.Errorf("summary %+v", s)
	}
}

// TestUserMessages has findings whose place in the schema ends with no keyword.
func TestUserMessages(t *testing.T) {
	input := writeFile(t, "a.ndjson", eventWith()+"\n")
	const dependentTime = "property 'country' is required, if 'time' property exists of "
	for schema, want := range map[string]string{
		`false`:                         "is not allowed at the root of ",
		`{"properties":{"time":false}}`: "is not allowed at /properties/time of ",
		`{"dependentRequired":{"time":["user_id","country"]}}`:                                      dependentTime,
		`{"$schema":"http://json-schema.org/draft-07/schema#","dependencies":{"time":["country"]}}`: dependentTime,
		"\xef\xbb\xbf" + `{"type":"array"}`:                                                         "expected array, but got object of ",
	} {
		schema = writeFile(t, "mine.json", schema)
		_, found := run(t, Options{Paths: []string{input}, Schemas: []string{schema}})
		if !slices.ContainsFunc(found, func(f finding.Finding) bool { return f.Message == want+schema }) {
			t.Errorf("%v, want %q", found, want)
		}
	}
}

func TestEventSchemas(t *testing.T) {
	dir := t.TempDir()
	for name, schema := range map[string]string{
		"a.json":            `{"properties":{"event_properties":{"required":["page"]}},"required":["event_properties"]}`,
		"b%2Fc.schema.json": `{"properties":{"event_properties":{"properties":{"n":{"type":"integer"}}}}}`, "README.md": "", ".x.json": "{",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(schema), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	input := writeFile(t, "a.ndjson", lines(
		eventWith(), eventWith("event_properties", `{}`), eventWith("event_properties", `{"page":1}`),
		eventWith("event_type", `"b/c"`, "event_properties", `{"n":"1"}`), eventWith("event_type", `"d"`), eventWith("event_type", `"$identify"`)))
	_, found := run(t, Options{Paths: []string{input}, EventSchemas: dir})
	want := []string{"1  user-schema", "2 /event_properties user-schema", "4 /event_properties/n user-schema", "5 /event_type event-not-planned"}
	if got := places(found); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if _, err := Run(context.Background(), Options{Paths: []string{input}, EventSchemas: t.TempDir()}); err == nil {
		t.Error("a folder without schemas")
	}
	if err := os.WriteFile(filepath.Join(dir, "b%2Fc.json"), []byte(`{}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), Options{Paths: []string{input}, EventSchemas: dir}); err == nil {
		t.Error("two schemas for one type")
	}
}

// TestExport checks lines of exports, right ones and wrong ones.
func TestExport(t *testing.T) {
	const good = `{"$insert_id":null,"event_type":"a","user_id":null,"device_id":"device1","event_time":"2023-01-02 03:04:05.678901","event_properties":{},"session_id":-1,"new key":{},"amplitude_id":12,"data":{"a":[1]}}`
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	input := writeFile(t, "a.json", lines(good,
		`{"scope":1,"merge_time":"2023-01-02 03:04:05","merge_server_time":"2023-01-02 03:04:05","amplitude_id":1,"merged_amplitude_id":2}`,
		with(`"2023-01-02 03:04:05.678901"`, `null,"server_upload_time":"2023-01-02T03:04:05Z"`),
		with(`"device1"`, `null`), with(`"event_type":"a",`, ``), with(`03:04:05.678901`, `3:4`),
		with(`"2023-01-02 03:04:05.678901"`, `null`), with(`-1`, `"-1"`), with(`{"a":[1]}`, `1`), `{"event_type":`,
		with(`"device_id":`, `"device_id":"x","device_id":`)))
	s, found := runAll(t, Options{Paths: []string{input}, Schemas: []string{SchemaExport}})
	want := []string{"4  id-required", "5  required", "6 /event_time export-time", "7  export-time", "8 /session_id type", "9 /data type", "10  invalid-json", "11  duplicate-key"}
	if got := places(found); !slices.Equal(got, want) || s.Valid != 3 {
		t.Errorf("%+v, found %q, want %q", s, got, want)
	}

	// Taken for events, they are told once, with a hint.
	aside := filepath.Join(t.TempDir(), "aside")
	s, found = runAll(t, Options{Paths: []string{writeFile(t, "b.json", strings.Repeat(good+"\n", 1000)+eventWith()+"\n")}, SetAside: aside, Rules: map[string]string{ruleTimeOld: Off}})
	if len(found) != 1 || found[0].Rule != ruleRawExport || !strings.Contains(found[0].Message, "1 000 lines") || s.Invalid != 1000 || s.Valid != 1 {
		t.Errorf("%+v, found %v", s, found)
	}
	if n := strings.Count(readFolder(t, aside)["rejected/b.ndjson"], "\n"); n != 1000 {
		t.Errorf("%d lines set aside", n)
	}
}

// TestSchemasCompile compiles all that are shipped, and holds the request's
// against a request.
func TestSchemasCompile(t *testing.T) {
	for _, name := range schemas.Names() {
		text, err := schemas.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		schema, err := compile(name, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == schemas.BatchRequest {
			tryRequests(t, schema)
		}
	}
}

func tryRequests(t *testing.T, schema *jsonschema.Schema) {
	for text, want := range map[string]bool{
		`{"api_key":"k","events":[` + eventWith() + `],"options":{"min_id_length":1}}`: true,
		`{"api_key":"k","events":[]}`:                                                  false,
		`{"events":[` + eventWith() + `]}`:                                             false,
		`{"api_key":"k","events":[` + eventWith("user_id", `"abc"`) + `]}`:             false,
		`{"api_key":"k","events":[` + eventWith() + `],"options":{"min_id_length":0}}`: false,
	} {
		value, err := decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}
