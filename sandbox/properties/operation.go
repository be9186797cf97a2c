package properties

import (
	"bytes"
	"math/big"
	"strconv"

	"export2batch/internal/jsonscan"
)

// operations in the order in which they are done, whatever their order in the
// object: many languages' maps have none. It is the order of Amplitude's own
// SDKs (analytics-core, OrderedIdentifyOperations).
var operations = [...]string{"$clearAll", "$unset", "$set", "$setOnce", "$add", "$append", "$prepend", "$preInsert", "$postInsert", "$remove"}

// HasOperations tells whether an object changes properties by operations
// instead of listing them.
func HasOperations(object []byte) bool {
	if !bytes.Contains(object, []byte(`$`)) && !bytes.Contains(object, []byte(`\u`)) {
		return false
	}
	fields, err := jsonscan.Fields(nil, object)
	return err == nil && hasOperation(object, fields)
}

func hasOperation(object []byte, fields []jsonscan.Field) bool {
	for i := range fields {
		if isOperation(name(object, &fields[i])) {
			return true
		}
	}
	return false
}

func isOperation(key []byte) bool {
	if len(key) == 0 || key[0] != '$' {
		return false
	}
	for _, o := range operations {
		if string(key) == o {
			return true
		}
	}
	return false
}

func name(object []byte, f *jsonscan.Field) []byte {
	if f.KeyEscaped {
		return jsonscan.AppendUnescaped(nil, f.Key(object))
	}
	return f.Key(object)
}

// operate does the operations of an object. Properties beside them are left
// out: Amplitude's Identify API does not take both in one object.
func (s *Set) operate(object []byte, fields []jsonscan.Field) {
	for _, operation := range operations {
		for i := range fields {
			if f := &fields[i]; string(name(object, f)) == operation {
				s.do(operation, f.Value(object), f.Kind)
			}
		}
	}
}

func (s *Set) do(operation string, arguments []byte, kind jsonscan.Kind) {
	if operation == "$clearAll" {
		s.clear()
		return
	}
	if kind != jsonscan.Object {
		return
	}
	fields, err := jsonscan.Fields(nil, arguments)
	if err != nil {
		return // a key twice
	}
	for i := range fields {
		f := &fields[i]
		key, value := keyOf(arguments, f), f.Value(arguments)
		old := s.get(key)
		switch operation {
		case "$unset":
			s.unset(key)
		case "$set":
			s.set(key, value)
		case "$setOnce":
			if old == nil {
				s.set(key, value)
			}
		case "$add":
			if sum, ok := add(old, value); ok {
				s.set(key, sum)
			}
		case "$append":
			s.set(key, list(append(items(old), items(value)...)))
		case "$prepend":
			s.set(key, list(append(items(value), items(old)...)))
		case "$preInsert":
			s.set(key, list(append(without(items(value), items(old)), items(old)...)))
		case "$postInsert":
			s.set(key, list(append(items(old), without(items(value), items(old))...)))
		case "$remove":
			if old != nil {
				s.set(key, list(without(items(old), items(value))))
			}
		}
	}
}

// items are the elements of a list, or the value alone when it is none; what
// is not there is an empty list.
func items(value []byte) [][]byte {
	if value == nil || value[0] != '[' {
		if value == nil {
			return nil
		}
		return [][]byte{value}
	}
	spans, err := jsonscan.Elements(nil, value)
	if err != nil {
		return nil // it was accepted as part of a larger text
	}
	all := make([][]byte, len(spans))
	for i, span := range spans {
		all[i] = span.Value(value)
	}
	return all
}

func list(items [][]byte) []byte {
	return append(append([]byte{'['}, bytes.Join(items, []byte{','})...), ']')
}

// without returns the items that are not among others, each once.
func without(items, others [][]byte) [][]byte {
	skip := make(map[string]bool, len(others))
	for _, o := range others {
		skip[string(jsonscan.AppendCompact(nil, o))] = true
	}
	var left [][]byte
	for _, item := range items {
		if !skip[string(jsonscan.AppendCompact(nil, item))] {
			left = append(left, item)
		}
	}
	return left
}

// add adds numbers, also those in quotes; what is not there counts as 0. Whole
// numbers are added exactly.
func add(old, value []byte) ([]byte, bool) {
	if old == nil {
		old = []byte("0")
	}
	a, b := bytes.Trim(old, `"`), bytes.Trim(value, `"`)
	const digits = 100 // more are no counter
	if len(a) == 0 || len(b) == 0 || len(a) > digits || len(b) > digits {
		return nil, false
	}
	x, okx := new(big.Int).SetString(string(a), 10)
	y, oky := new(big.Int).SetString(string(b), 10)
	if okx && oky {
		return x.Add(x, y).Append(nil, 10), true
	}
	u, err1 := strconv.ParseFloat(string(a), 64)
	v, err2 := strconv.ParseFloat(string(b), 64)
	if sum := u + v; err1 == nil && err2 == nil && sum-sum == 0 { // finite
		return strconv.AppendFloat(nil, sum, 'f', -1, 64), true
	}
	return nil, false
}
