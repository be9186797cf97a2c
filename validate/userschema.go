package validate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"export2batch/schemas"
)

// The names of our own schemas that Options.Schemas takes.
const (
	SchemaBatch  = "batch"  // the schema of events and Amplitude's rules
	SchemaExport = "export" // the schema of raw exports
)

// userSchema is a schema that events are held against by the library, besides
// or instead of that of events.
type userSchema struct {
	name   string // for messages
	schema *jsonschema.Schema
	ours   bool // the schema of exports, whose rules have names
}

// check holds an event, decoded, against the schema.
func (u *userSchema) check(c *checker, value any) error {
	err := validateSafely(u.schema, value)
	var invalid *jsonschema.ValidationError
	if err == nil {
		return nil
	}
	if !errors.As(err, &invalid) {
		return fmt.Errorf("schema %s: %w", u.name, err)
	}
	u.flatten(c, invalid)
	return nil
}

// validateSafely turns an endless recursion, which the library panics with,
// into an error.
func validateSafely(s *jsonschema.Schema, value any) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case jsonschema.InfiniteLoopError:
			err = fmt.Errorf("it refers to itself without end: %s", string(v))
		default:
			panic(v)
		}
	}()
	err = s.Validate(value)
	var loop jsonschema.InfiniteLoopError
	if errors.As(err, &loop) {
		return fmt.Errorf("it refers to itself without end: %s", string(loop))
	}
	return err
}

func (u *userSchema) flatten(c *checker, v *jsonschema.ValidationError) {
	keyword := keywordOf(v)
	if len(v.Causes) > 0 && !isChoice(keyword) {
		for _, cause := range v.Causes {
			u.flatten(c, cause)
		}
		return
	}
	pointer, err := url.PathUnescape(v.InstanceLocation)
	if err != nil {
		pointer = v.InstanceLocation
	}
	if u.ours {
		rule, message := describeExport(v, keyword)
		c.report(rule, c.hide(pointer), message, 1)
		return
	}
	message := v.Message
	_, place, _ := strings.Cut(v.AbsoluteKeywordLocation, "#")
	switch {
	case message == "not allowed": // by a schema that is false, which has no keyword
		message = "is not allowed at " + orRoot(place)
	case !c.showValues && !harmless(keyword) && !dependent(place):
		message = "does not meet " + keyword + " at " + place
	}
	c.report(ruleUserSchema, u.hide(c, pointer, v.KeywordLocation), message+" of "+u.name, 1)
}

func orRoot(pointer string) string {
	if pointer == "" {
		return "the root"
	}
	return pointer
}

// dependent tells the places of names that are required beside others. Their
// messages hold only what the schema does.
func dependent(place string) bool {
	parts := strings.Split(place, "/")
	n := len(parts)
	if n < 4 || strings.Trim(parts[n-1], "0123456789") != "" {
		return false
	}
	return parts[n-3] == "dependentRequired" || parts[n-3] == "dependencies"
}

// harmless tells the keywords whose messages hold nothing of the event.
func harmless(keyword string) bool {
	switch keyword {
	case "type", "required", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "enum", "const", "pattern":
		return keyword != "const" && keyword != "enum" && keyword != "pattern"
	}
	return false
}

// hide cuts a pointer before the first key that the schema does not name, which
// may be personal data.
func (u *userSchema) hide(c *checker, pointer, keywords string) string {
	if c.showValues {
		return pointer
	}
	shown := ""
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		known := part != "" && strings.Trim(part, "0123456789") == "" // an index, or as good as one
		known = known || strings.Contains(keywords+"/", "/properties/"+url.PathEscape(part)+"/") || strings.Contains(keywords+"/", "/properties/"+part+"/")
		if !known && (shown != "" || keysByName[part] == keyUnknown) {
			return shown
		}
		shown += "/" + part
	}
	return shown
}

// describeExport gives the rule and message for what the schema of exports
// finds.
func describeExport(v *jsonschema.ValidationError, keyword string) (rule, message string) {
	_, place, _ := strings.Cut(v.AbsoluteKeywordLocation, "#")
	switch place {
	case "/$defs/identified/anyOf":
		return ruleIDRequired, "has neither user_id nor device_id"
	case "/$defs/timed/anyOf":
		return ruleExportTime, "has no time: neither event_time nor one of those that take its place"
	case "/$defs/time/pattern":
		return ruleExportTime, "is not a time like 2006-01-02 15:04:05.999999"
	case "/properties/event_type/minLength":
		return ruleEventType, "is empty"
	}
	return describe(v, keyword)
}

// exportSchema is the schema of raw exports.
func exportSchema() (*userSchema, error) {
	text, err := schemas.Get(schemas.ExportEvent)
	if err != nil {
		return nil, err
	}
	compiled, err := compile(schemas.ExportEvent, text)
	if err != nil {
		return nil, err
	}
	return &userSchema{name: schemas.ExportEvent, schema: compiled, ours: true}, nil
}

// maxSchemaBytes is how large a schema file may be.
const maxSchemaBytes = 16 << 20

// readSchema reads a user's schema.
func readSchema(path string) (*userSchema, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	compiled, err := compile(filepath.Base(path), bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) // as of event files
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", path, err)
	}
	return &userSchema{name: path, schema: compiled}, nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSchemaBytes+1))
	if err == nil && len(text) > maxSchemaBytes {
		err = fmt.Errorf("%s: a schema of more than 16 MiB is not read", path)
	}
	return text, err
}

// compile compiles a schema of any draft from 4 to 2020-12, the last if it
// does not say. References must stay inside of it: nothing is fetched.
func compile(name string, text []byte) (*jsonschema.Schema, error) {
	doc, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	address := "schema:///" + url.PathEscape(name)
	compiler := jsonschema.NewCompiler()
	compiler.Draft = jsonschema.Draft2020
	var outside string
	compiler.LoadURL = func(url string) (io.ReadCloser, error) {
		outside = url
		return nil, errors.New("schemas are not fetched")
	}
	if err := compiler.AddResource(address, bytes.NewReader(text)); err != nil {
		return nil, explainCompile(err, outside, doc)
	}
	compiled, err := compiler.Compile(address)
	if err != nil {
		return nil, explainCompile(err, outside, doc)
	}
	roots := []*jsonschema.Schema{compiled}
	for _, pointer := range dynamicAnchors(doc, "", nil) {
		// What is no schema, but an example, does not compile.
		if s, err := compiler.Compile(address + "#" + pointer); err == nil {
			roots = append(roots, s)
		}
	}
	return compiled, checkCosts(roots)
}

// dynamicAnchors appends the pointers to what has a $dynamicAnchor: they may be
// applied though no other keyword leads there.
func dynamicAnchors(doc any, pointer string, list []string) []string {
	switch doc := doc.(type) {
	case map[string]any:
		if doc["$dynamicAnchor"] != nil {
			list = append(list, pointer)
		}
		for name, v := range doc {
			list = dynamicAnchors(v, pointer+"/"+url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(name)), list)
		}
	case []any:
		for i, v := range doc {
			list = dynamicAnchors(v, pointer+"/"+strconv.Itoa(i), list)
		}
	}
	return list
}

// explainCompile says what is wrong with a schema in words of our own where
// the library's do not help.
func explainCompile(err error, outside string, doc any) error {
	var invalid *jsonschema.ValidationError
	var loop jsonschema.InfiniteLoopError
	switch {
	case strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(outside, "http://"), "https://"), "json-schema.org/draft"):
		return fmt.Errorf("%s is not supported: drafts 4 to 2020-12 are", outside)
	case outside != "":
		return fmt.Errorf("it refers to %s, outside of its file: references must stay inside (#/…), nothing is fetched", strings.TrimPrefix(outside, "schema:///"))
	case errors.As(err, &loop):
		return fmt.Errorf("it refers to itself without end: %s", string(loop))
	case errors.As(err, &invalid):
		for len(invalid.Causes) > 0 {
			invalid = invalid.Causes[0]
		}
		if strings.Contains(invalid.Message, "'regex'") {
			return fmt.Errorf("%s: the pattern is none that Go's regexp (RE2) takes: %s", invalid.InstanceLocation, explainPattern(doc, invalid.InstanceLocation))
		}
		return fmt.Errorf("%s: %s", orRoot(invalid.InstanceLocation), invalid.Message)
	}
	return err
}

// explainPattern says what is wrong with the pattern at pointer, which is a
// string or a name.
func explainPattern(doc any, pointer string) string {
	var name string
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		name = part
		if unescaped, err := url.PathUnescape(part); err == nil {
			name = strings.NewReplacer("~1", "/", "~0", "~").Replace(unescaped)
		}
		switch v := doc.(type) {
		case map[string]any:
			doc = v[name]
		case []any:
			if i, err := strconv.Atoi(name); err == nil && i < len(v) {
				doc = v[i]
			}
		}
	}
	pattern, ok := doc.(string)
	if !ok {
		pattern = name
	}
	var bad *syntax.Error
	if _, err := regexp.Compile(pattern); !errors.As(err, &bad) || bad.Code == syntax.ErrInvalidPerlOp || bad.Code == syntax.ErrInvalidEscape {
		return "it has no look-around and no back-references, and takes linear time for that"
	}
	return bad.Code.String()
}
