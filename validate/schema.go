package validate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"export2batch/schemas"
)

// compileSchema returns the schema of events with the least length of ids put
// in. Nothing is fetched.
func compileSchema(minIDLength int) (*jsonschema.Schema, error) {
	text, err := schemas.Get(schemas.BatchEvent)
	if err != nil {
		return nil, err
	}
	if text, err = withMinIDLength(text, minIDLength); err != nil {
		return nil, err
	}
	return compile(schemas.BatchEvent, text)
}

// withMinIDLength derives the schema for another least length of ids.
func withMinIDLength(text []byte, n int) ([]byte, error) {
	doc, err := decode(text)
	if err != nil {
		return nil, err
	}
	root, _ := doc.(map[string]any)
	defs, _ := root["$defs"].(map[string]any)
	id, ok := defs["id"].(map[string]any)
	if !ok {
		return nil, errors.New("the schema of events does not define ids")
	}
	id["minLength"] = n
	return json.Marshal(doc)
}

// decode reads a value as the schema library wants it, digits kept.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

// schemaErrors reports what the library finds wrong with the event.
func (c *checker) schemaErrors(e *event) error {
	value, err := decode(e.text)
	if err != nil {
		// encoding/json reads all that jsonscan does.
		return fmt.Errorf("decode an event: %w", err)
	}
	err = c.schema.Validate(withoutHuge(value))
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		c.flatten(invalid)
	default:
		return fmt.Errorf("validate with the schema: %w", err)
	}
	return nil
}

// withoutHuge puts 1 in the place of numbers outside of the range, which the
// library cannot reckon with. They have their finding.
func withoutHuge(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = withoutHuge(v[k])
		}
	case []any:
		for i := range v {
			v[i] = withoutHuge(v[i])
		}
	case json.Number:
		if !inRange([]byte(v)) {
			return json.Number("1")
		}
	}
	return v
}

// flatten reports the innermost errors, where a keyword was not met. Of anyOf
// and the like the innermost ones only say why no branch fits.
func (c *checker) flatten(v *jsonschema.ValidationError) {
	keyword := keywordOf(v)
	if len(v.Causes) > 0 && !isChoice(keyword) {
		for _, cause := range v.Causes {
			c.flatten(cause)
		}
		return
	}
	rule, message := describe(v, keyword)
	pointer, err := url.PathUnescape(v.InstanceLocation) // the library makes it fit a URL
	if err != nil {
		pointer = v.InstanceLocation
	}
	c.report(rule, c.hide(pointer), message, 1)
}

func isChoice(keyword string) bool {
	return keyword == "anyOf" || keyword == "oneOf" || keyword == "not"
}

func keywordOf(v *jsonschema.ValidationError) string {
	return v.KeywordLocation[strings.LastIndexByte(v.KeywordLocation, '/')+1:]
}

// describe gives the rule and message for an unmet keyword, from the keyword
// and where the schema has it. Messages of the library are passed on only for
// keywords whose message holds nothing of the event.
func describe(v *jsonschema.ValidationError, keyword string) (rule, message string) {
	_, place, _ := strings.Cut(v.AbsoluteKeywordLocation, "#")
	switch place {
	case "/anyOf":
		return ruleIDRequired, "has neither user_id nor device_id"
	case "/$defs/id/minLength":
		return ruleIDLength, v.Message
	case "/$defs/id/not":
		return rulePlaceholder, "is a placeholder that Amplitude refuses"
	case "/properties/event_type/minLength":
		return ruleEventType, "is empty"
	case "/properties/time/exclusiveMinimum":
		return ruleTime, "is not after 1970"
	case "/properties/plan/additionalProperties":
		return rulePlan, "has keys other than branch, source and version"
	}
	switch keyword {
	case "type":
		if v.Message == "expected integer, but got number" {
			return ruleInteger, "has a fraction, where an integer is expected"
		}
		return ruleType, v.Message
	case "required":
		return ruleRequired, v.Message
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
		return ruleSchema, v.Message
	}
	return ruleSchema, "does not meet " + keyword + " at " + place + " of the schema"
}
