package convert

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/eventfile"
)

func TestConfig(t *testing.T) {
	c, err := ParseConfig([]byte("# as typed\ntime: server_upload_time\nwhere: 'time > 5'\nkeep: [device_type, paying=p]\nmerged-ids: [m.json]\ncompress: gz\njobs: 2\nsince: 2023-01-02\n"))
	want := Config{Rules: Rules{Time: "server_upload_time", Where: "time > 5", Keep: []string{"device_type", "paying=p"}, Since: "2023-01-02"},
		MergedIDs: []string{"m.json"}, Compress: eventfile.Gzip, Jobs: 2}
	if err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("%+v, %v", c, err)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	if c, err := ParseConfig([]byte("# nothing\n")); err != nil || !reflect.DeepEqual(c, Config{}) {
		t.Errorf("an empty file: %+v, %v", c, err)
	}
	for _, bad := range []string{"tyme: x\n", "ip: drop\nip: keep\n", "keep: device_type: x\n", "- a\n", "ip: drop\n---\nip: keep\n", "jobs: many\n", "Rules: {}\n", "insert_id: auto\n"} {
		if c, err := ParseConfig([]byte(bad)); err == nil {
			t.Errorf("%q read as %+v", bad, c)
		}
	}
	for _, bad := range []string{"ip: maybe\n", "where: city +\n", "user-map: none.csv\n", "compress: lz4\n", "jobs: -1\n"} {
		c, err := ParseConfig([]byte(bad))
		if err == nil {
			err = c.Check()
		}
		if err == nil {
			t.Errorf("%q is fine", bad)
		}
	}
}

// The schema has the keys and words that the program has.
func TestConfigSchema(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "schemas", "config.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Type        string
			Description string
			Enum        []string
		}
		Additional *bool `json:"additionalProperties"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{"merged-ids": "array", "compress": "string", "jobs": "integer", "validate": "object"}
	typ := reflect.TypeFor[Rules]()
	for i := range typ.NumField() {
		kind := "string"
		if typ.Field(i).Type.Kind() == reflect.Slice {
			kind = "array"
		}
		kinds[typ.Field(i).Tag.Get("yaml")] = kind
	}
	if got, want := slices.Sorted(maps.Keys(schema.Properties)), slices.Sorted(maps.Keys(kinds)); !slices.Equal(got, want) {
		t.Errorf("the schema has %q\nwant %q", got, want)
	}
	words := map[string][]string{"compress": {"zst", "gz", "none"}}
	var r Rules
	for _, c := range r.choices() {
		words[c.name] = c.values
	}
	for name, p := range schema.Properties {
		if p.Type != kinds[name] || p.Description == "" || !slices.Equal(p.Enum, words[name]) {
			t.Errorf("%s: %+v, want a %s of %q", name, p, kinds[name], words[name])
		}
	}
	if schema.Additional == nil || *schema.Additional {
		t.Error("the schema allows other keys")
	}
}

// Every option stands in the table of docs/convert.md, with a test that there is.
func TestOptionsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "convert.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	names, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "func Test"); ok {
				name, _, _ := strings.Cut(rest, "(")
				tests["Test"+name] = true
			}
		}
	}
	typ := reflect.TypeFor[Rules]()
	for i := range typ.NumField() {
		option := "`--" + typ.Field(i).Tag.Get("yaml")
		found := false
		for line := range strings.Lines(string(doc)) {
			if !strings.HasPrefix(line, "| "+option) {
				continue
			}
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			last := strings.TrimSpace(cells[len(cells)-1])
			for word := range strings.FieldsSeq(strings.ReplaceAll(last, ",", " ")) {
				test, _, _ := strings.Cut(strings.Trim(word, "`"), "/")
				found = found || tests[test]
				if !tests[test] && strings.HasPrefix(test, "Test") {
					t.Errorf("%s: there is no %s", option, test)
				}
			}
		}
		if !found {
			t.Errorf("%s is not in the table, or without a test", option)
		}
	}
}
