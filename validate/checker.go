package validate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
)

// checks are the rules that look at one event by itself, in the order they
// run. Each is cheap on an event that has nothing of its kind.
//
// Rules that compare events, in one input or over all, do not belong here but
// to Run, which sees the results
// in the order of inputs and lines.
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
}

// settings is what the checkers of a run share; nobody changes it.
type settings struct {
	schema      *jsonschema.Schema
	minIDLength int
	severities  map[string]finding.Severity
	now         int64 // ms since the epoch; 0 or less: not known
	showValues  bool
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
	s := &settings{schema: schema, minIDLength: o.MinIDLength, severities: on, showValues: o.ShowValues}
	if !o.Now.IsZero() {
		s.now = o.Now.UnixMilli()
	}
	return s, nil
}

// checker checks one event after the other. Each goroutine has its own.
type checker struct {
	*settings
	event event
	found []finding.Finding // in the event; without a place
}

// check returns what is wrong with the event that line holds, in the order of
// pointers and rules; it is valid until the next call. An error means that
// the event could not be checked.
func (c *checker) check(line []byte) ([]finding.Finding, error) {
	c.found = c.found[:0]
	e := &c.event
	if err := e.scan(line); err != nil {
		c.syntaxError(line, err)
		return c.found, nil
	}
	for _, check := range checks {
		check(c, e)
	}
	if !c.accepts(e) {
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

// within reports the scalars inside the properties k that match: one finding,
// with the first of them where values are shown.
func (c *checker) within(e *event, k key, rule, message string, match func(kind jsonscan.Kind, token []byte) bool) {
	n := 0
	pointer := k.pointer()
	walk(e.field(k).Value(e.text), func(w *walker, kind jsonscan.Kind, token []byte) {
		if !match(kind, token) {
			return
		}
		if n++; n == 1 && c.showValues {
			pointer += w.pointer()
		}
	})
	if n > 0 {
		c.report(rule, pointer, message, n)
	}
}

// pointer is where the value of k is.
func (k key) pointer() string { return finding.Pointer(keyTable[k].name) }

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

// blank tells whether a line holds nothing.
func blank(line []byte) bool { return len(bytes.TrimLeft(line, " \t\r")) == 0 }
