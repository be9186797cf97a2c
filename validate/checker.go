package validate

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
)

// checks are the rules that look at one event by itself, in the order they
// run. Each is cheap on an event that has nothing of its kind.
//
// Rules that compare events are not among them: tally counts, and repeats and
// nameSets compare over all inputs.
var checks = [...]func(*checker, *event){
	checkUnknownKeys,
	checkSize,
	checkNesting,
	checkStrings,
	checkNumbers,
	checkGroups,
	checkTime,
	checkInsertID,
	checkIP,
	checkOperations,
	checkSkippedIdentify,
	checkRevenue,
	checkLocation,
	checkCodes,
	checkReserved,
}

// settings is what the checkers of a run share; nobody changes it.
type settings struct {
	schema      *jsonschema.Schema
	minIDLength int
	severities  map[string]finding.Severity
	now         int64 // ms since the epoch; 0 or less: not known
	showValues  bool
	batch       bool                   // events are checked as events of the Batch API
	schemas     []*userSchema          // that they are held against too
	exportKeys  map[string]exportKey   // of the schema of exports, where it is one of schemas
	plan        map[string]*userSchema // by event type; nil: none
	compare     bool                   // a rule that compares insert ids is on
	seed        maphash.Seed           // of their hashes
	textSeed    uint64                 // of those of events
}

func newSettings(o *Options) (*settings, error) {
	schema, err := compileSchema(o.MinIDLength)
	if err != nil {
		return nil, fmt.Errorf("compile the schema of events: %w", err)
	}
	on, err := severities(o.Rules)
	if err != nil {
		return nil, err
	}
	s := &settings{schema: schema, minIDLength: o.MinIDLength, severities: on, showValues: o.ShowValues, seed: maphash.MakeSeed()}
	if s.batch, s.schemas, err = o.readSchemas(); err != nil {
		return nil, err
	}
	for _, own := range s.schemas {
		if own.ours {
			if s.exportKeys, err = readExportKeys(); err != nil {
				return nil, err
			}
		}
	}
	if o.EventSchemas != "" {
		if s.plan, err = readPlan(o.EventSchemas); err != nil {
			return nil, err
		}
	}
	s.textSeed = maphash.Bytes(s.seed, nil)
	for _, rule := range []string{ruleInsertIDRepeated, ruleInsertIDConflict, ruleInsertIDDevices} {
		_, on := on[rule]
		s.compare = s.compare || on && s.batch
	}
	if !o.Now.IsZero() {
		s.now = o.Now.UnixMilli()
	}
	return s, nil
}

// readSchemas reads Options.Schemas.
func (o *Options) readSchemas() (batch bool, list []*userSchema, err error) {
	for _, name := range o.Schemas {
		var s *userSchema
		switch name {
		case SchemaBatch:
			batch = true
			continue
		case SchemaExport:
			s, err = exportSchema()
		default:
			s, err = readSchema(name)
		}
		if err != nil {
			return false, nil, err
		}
		list = append(list, s)
	}
	return batch, list, nil
}

// checker checks one event after the other. Each goroutine has its own.
type checker struct {
	*settings           // for the event that is checked
	common    *settings // as the options say
	event     event
	found     []finding.Finding // in the event; without a place
	raw       bool              // the event is a line of an export, and so invalid
	tally     tally             // over events, until it is taken
	sightings []sighting        // of the events of a block
	export    *exportPath       // nil until there is a line of an export

	goodCurrency, goodCountry string // with quotes; those met last
}

// useMinIDLength checks by another least length of ids, which a request has.
func (c *checker) useMinIDLength(n int) error {
	if c.minIDLength == n {
		return nil
	}
	c.settings = c.common
	if c.minIDLength == n {
		return nil
	}
	schema, err := compileSchema(n)
	if err != nil {
		return fmt.Errorf("compile the schema of events: %w", err)
	}
	own := *c.common
	own.schema, own.minIDLength = schema, n
	c.settings = &own
	return nil
}

// check returns what is wrong with the event that line holds, in the order of
// pointers and rules; it is valid until the next call. An error means that
// the event could not be checked.
func (c *checker) check(line []byte) ([]finding.Finding, error) {
	found, err := c.checkEvent(line)
	if !c.showValues || len(found) == 0 || err != nil {
		return found, err
	}
	if value, err := decode(line); err == nil {
		for i := range found {
			showValue(&found[i], value)
		}
	}
	return found, nil
}

func (c *checker) checkEvent(line []byte) ([]finding.Finding, error) {
	c.found, c.raw = c.found[:0], false
	e := &c.event
	if err := e.scan(line, c.minIDLength); err != nil {
		c.syntaxError(line, err)
		return c.found, nil
	}
	if err := c.checkSchemas(e); err != nil {
		return nil, err
	}
	if !c.batch {
		slices.SortFunc(c.found, compare)
		return c.found, nil
	}
	if e.unknown > 1 && c.severities[ruleRawExport] == finding.Error && e.isRaw() {
		c.tally[onceRaw]++
		c.raw = true
		return c.found, nil
	}
	for _, check := range checks {
		check(c, e)
	}
	if !e.accepted {
		if err := c.schemaErrors(e); err != nil {
			return nil, err
		}
	}
	if len(c.found) > 1 {
		slices.SortFunc(c.found, compare)
	}
	return c.found, nil
}

func compare(a, b finding.Finding) int {
	if n := strings.Compare(a.Pointer, b.Pointer); n != 0 {
		return n
	}
	if n := strings.Compare(a.Rule, b.Rule); n != 0 {
		return n
	}
	return strings.Compare(a.Message, b.Message)
}

// syntaxError reports a line that is not one object.
func (c *checker) syntaxError(line []byte, err error) {
	var syntax *jsonscan.SyntaxError
	if !errors.As(err, &syntax) {
		c.report(ruleInvalidJSON, "", err.Error(), 1)
		return
	}
	switch syntax.Reason {
	case "not an object":
		kind, err := jsonscan.Check(line)
		if err == nil {
			c.report(ruleType, "", "expected object, but got "+kind.String(), 1)
			return
		}
		c.report(ruleInvalidJSON, "", "not JSON: "+err.Error(), 1)
	case "a key occurs twice":
		c.report(ruleDuplicateKey, "", syntax.Error(), 1)
	default:
		c.report(ruleInvalidJSON, "", "not JSON: "+syntax.Error(), 1)
	}
}

// report adds a finding at pointer, which stands for n places, unless its rule
// is off.
func (c *checker) report(rule, pointer, message string, n int) {
	severity, on := c.severities[rule]
	if !on {
		return
	}
	if n > 1 {
		message += fmt.Sprintf(" (%d times)", n)
	}
	c.found = append(c.found, finding.Finding{Pointer: pointer, Rule: rule, Severity: severity, Message: message})
}

// within reports n scalars inside the properties k that match: one finding,
// with the first of them where values are shown.
func (c *checker) within(e *event, k key, rule, message string, n int, match func(kind jsonscan.Kind, token []byte) bool) {
	if n == 0 {
		return
	}
	pointer := k.pointer()
	if c.showValues {
		first := ""
		walk(e.field(k).Value(e.text), func(w *walker, kind jsonscan.Kind, token []byte) {
			if first == "" && match(kind, token) {
				first = w.pointer()
			}
		})
		pointer += first
	}
	c.report(rule, pointer, message, n)
}

// count counts the scalars inside a value that match.
func count(value []byte, match func(kind jsonscan.Kind, token []byte) bool) (n int) {
	walk(value, func(_ *walker, kind jsonscan.Kind, token []byte) {
		if match(kind, token) {
			n++
		}
	})
	return n
}

// pointer is where the value of k is.
func (k key) pointer() string { return pointers[k] }

// hide cuts a pointer into properties down to the properties, since the keys
// in them can be personal data.
func (c *checker) hide(pointer string) string {
	if c.showValues || pointer == "" {
		return pointer
	}
	top, _, deeper := strings.Cut(pointer[1:], "/")
	if deeper && keysByName[top].isProperties() {
		return "/" + top
	}
	return pointer
}
