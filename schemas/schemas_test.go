package schemas

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestGet(t *testing.T) {
	if got, want := Names(), []string{BatchEvent, BatchRequest, Config, ExportEvent, Manifest}; !slices.Equal(got, want) {
		t.Fatalf("Names() = %q, want %q", got, want)
	}
	for _, name := range Names() {
		data, err := Get(name)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if doc["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s: $schema is %v", name, doc["$schema"])
		}
		if doc["$id"] != "https://export2batch.invalid/schemas/"+name+".schema.json" {
			t.Errorf("%s: $id is %v", name, doc["$id"])
		}
		if doc["title"] == nil || doc["description"] == nil {
			t.Errorf("%s: no title or no description", name)
		}
		checkRefs(t, name, doc)
	}
}

// checkRefs sees that nothing would have to be fetched.
func checkRefs(t *testing.T, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && !strings.HasPrefix(ref, "#/") {
			t.Errorf("%s: $ref %q leaves the file", name, ref)
		}
		for _, member := range v {
			checkRefs(t, name, member)
		}
	case []any:
		for _, element := range v {
			checkRefs(t, name, element)
		}
	}
}

func TestGetUnknown(t *testing.T) {
	for _, name := range []string{"", "nosuch", "../schemas/manifest", "manifest.schema.json"} {
		if data, err := Get(name); err == nil {
			t.Errorf("Get(%q) gave %d bytes", name, len(data))
		} else if !strings.Contains(err.Error(), BatchEvent) {
			t.Errorf("Get(%q): %v does not name the schemas there are", name, err)
		}
	}
}

func TestGetGivesACopy(t *testing.T) {
	first, err := Get(Manifest)
	if err != nil {
		t.Fatal(err)
	}
	clear(first)
	again, err := Get(Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(again) {
		t.Error("a change to what Get gave changed the schema")
	}
}

// TestRequestHasTheEvent sees that a request's events are those of the schema
// of events, which is in both files since neither fetches the other.
func TestRequestHasTheEvent(t *testing.T) {
	read := func(name string) (doc map[string]any) {
		data, err := Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	want, defs := read(BatchEvent), read(BatchRequest)["$defs"].(map[string]any)
	for name, def := range want["$defs"].(map[string]any) {
		if !reflect.DeepEqual(defs[name], def) {
			t.Errorf("$defs/%s differs", name)
		}
	}
	delete(want, "$schema")
	delete(want, "$id")
	delete(want, "$defs")
	if !reflect.DeepEqual(defs["event"], any(want)) {
		t.Error("the event differs")
	}
}
