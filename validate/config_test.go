package validate

import (
	"encoding/json"
	"slices"
	"testing"

	"export2batch/schemas"
)

// TestConfigSchema holds the schema of --config to the rules that there are.
func TestConfigSchema(t *testing.T) {
	t.Parallel()
	text, err := schemas.Get(schemas.Config)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Properties struct {
			Validate struct {
				Properties struct {
					Rules struct {
						PropertyNames struct{ Enum []string }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range Rules() {
		if !r.Fixed {
			want = append(want, r.ID)
		}
	}
	if got := doc.Properties.Validate.Properties.Rules.PropertyNames.Enum; !slices.Equal(got, want) {
		t.Errorf("the schema has the rules %q\nwant %q", got, want)
	}
	schema, err := compile(schemas.Config, text)
	if err != nil {
		t.Fatal(err)
	}
	for config, good := range map[string]bool{
		`{"validate":{"rules":{"time-future":"off","name-case":"error"},"min-id-length":1}}`: true,
		`{"validate":{"rules":{"time-future":"none"}}}`:                                      false,
		`{"validate":{"rules":{"invalid-json":"off"}}}`:                                      false,
		`{"validate":{"rules":{"nosuch":"off"}}}`:                                            false,
		`{"validate":{"min-id-length":0}}`:                                                   false,
		`{"validate":{"min-id":1}}`:                                                          false,
	} {
		value, err := decode([]byte(config))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); (err == nil) != good {
			t.Errorf("%s: %v, want good: %t", config, err, good)
		}
	}
}
