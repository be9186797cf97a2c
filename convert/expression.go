package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"export2batch/internal/jsonscan"
)

// expression is a compiled expression over an event.
type expression struct {
	program *vm.Program
	uses    []variable // the keys it reads
}

// variable is a Batch key that expressions can read. Its value where the event
// has none is that of its type: "", 0, or no properties.
type variable struct {
	name string
	slot slot
	zero any
}

// variables are the Batch keys by their names.
func variables() map[string]variable {
	all := map[string]variable{}
	for s := userID; s <= lastCopied; s++ {
		v := variable{name: strings.Trim(batchKeys[s], `":`), slot: s, zero: ""}
		switch s {
		case eventTime, eventID, sessionID:
			v.zero = 0
		case locationLat, locationLng:
			v.zero = 0.0
		case eventProperties, userProperties, groups, groupProperties, plan:
			v.zero = map[string]any{}
		case insertID:
			continue // made when all else is done
		}
		all[v.name] = v
	}
	return all
}

// changing are functions whose result is not the same each time: the same
// input and options must give the same bytes.
var changing = [...]string{"now", "keys", "values", "toPairs"}

// compileExpression compiles the text; names that are no Batch keys and types
// that do not fit are errors.
func compileExpression(text string, condition bool) (*expression, error) {
	known := variables()
	env := map[string]any{}
	for name, v := range known {
		env[name] = v.zero
	}
	seen := &identifiers{known: known, uses: map[string]variable{}}
	options := []expr.Option{expr.Env(env), expr.Patch(seen)}
	for _, name := range changing {
		options = append(options, expr.DisableBuiltin(name))
	}
	if condition {
		options = append(options, expr.AsBool())
	}
	program, err := expr.Compile(text, options...)
	if err != nil {
		return nil, err
	}
	e := &expression{program: program}
	for _, name := range slices.Sorted(maps.Keys(seen.uses)) {
		e.uses = append(e.uses, seen.uses[name])
	}
	return e, nil
}

// identifiers collects the keys that an expression reads.
type identifiers struct {
	known map[string]variable
	uses  map[string]variable
}

func (i *identifiers) Visit(node *ast.Node) {
	if id, ok := (*node).(*ast.IdentifierNode); ok {
		if v, ok := i.known[id.Value]; ok {
			i.uses[id.Value] = v
		}
	}
	if id, ok := (*node).(*ast.IdentifierNode); ok && id.Value == "$env" {
		maps.Copy(i.uses, i.known)
	}
}

// evaluator runs expressions over one event after the other.
type evaluator struct {
	vm    vm.VM
	env   map[string]any
	known [slots]bool // values of this event that env has
	words map[string]any
}

// maxWords bounds the strings that are kept because they come again and again.
const maxWords = 4096

func (e *evaluator) reset() {
	if e.env == nil {
		e.env, e.words = map[string]any{}, map[string]any{}
	}
	e.known = [slots]bool{}
}

// run evaluates x. at are the fields of the event in line. Values are decoded
// when an expression reads them, once an event unless forget is called.
func (e *evaluator) run(x *expression, line []byte, at *[slots]*jsonscan.Field, ms int64) (any, error) {
	for i := range x.uses {
		v := &x.uses[i]
		if e.known[v.slot] {
			continue
		}
		value, err := e.value(v, line, at[v.slot], ms)
		if err != nil {
			return nil, fmt.Errorf("%s %w", v.name, err)
		}
		e.env[v.name], e.known[v.slot] = value, true
	}
	return e.vm.Run(x.program, e.env)
}

func (e *evaluator) forget(s slot) { e.known[s] = false }

func (e *evaluator) value(v *variable, line []byte, f *jsonscan.Field, ms int64) (any, error) {
	if v.slot == eventTime {
		return int(ms), nil
	}
	if f == nil {
		return v.zero, nil
	}
	text := f.Value(line)
	switch v.zero.(type) {
	case string:
		return e.word(text, f), nil
	case int, float64:
		if f.Kind != jsonscan.Number {
			return nil, errors.New("is not a number")
		}
		if _, whole := v.zero.(int); whole {
			n, err := strconv.Atoi(string(text))
			if err != nil {
				return nil, errors.New("is not a whole number of 64 bits")
			}
			return n, nil
		}
		return toFloat(string(text))
	}
	if f.Kind != jsonscan.Object {
		return nil, errors.New("is not an object")
	}
	return decodeValue(text)
}

// word returns a string as it means, anything else as it stands.
func (e *evaluator) word(text []byte, f *jsonscan.Field) any {
	if f.Kind != jsonscan.String {
		return string(text)
	}
	if f.Escaped {
		return string(jsonscan.AppendUnquoted(nil, text))
	}
	text = text[1 : len(text)-1]
	if w, ok := e.words[string(text)]; ok {
		return w
	}
	if len(e.words) >= maxWords {
		clear(e.words)
	}
	w := string(text)
	e.words[w] = w
	return w
}

// decodeValue reads a value as expressions have it: whole numbers of 64 bits
// are int, all others float64.
func decodeValue(text []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, errors.New("cannot be read")
	}
	return numbers(v)
}

func numbers(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n, nil
		}
		return toFloat(v.String())
	case map[string]any:
		for k, e := range v {
			if v[k], err = numbers(e); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, e := range v {
			if v[i], err = numbers(e); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func toFloat(text string) (any, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(n, 0) {
		return nil, errors.New("holds a number that is too large")
	}
	return n, nil
}

// appendResult appends what an expression gave as JSON.
func appendResult(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return jsonscan.AppendQuoted(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, errors.New("gave what JSON cannot say")
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...), nil
}

// plainError is an error of an expression without the data it may quote.
func plainError(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.IndexByte(text, '"'); i >= 0 {
		text = text[:i] + "…"
	}
	return text
}
