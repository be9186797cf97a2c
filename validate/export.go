package validate

import (
	"bytes"
	"fmt"
	"strings"

	"export2batch/internal/jsonscan"
	"export2batch/schemas"
)

// exportPath is the fast path for lines of exports: it tells from the bytes
// that the schema of exports takes a line. What it asks of the keys is read
// from the schema itself, so that it cannot ask for less.
type exportPath struct {
	known map[string]exportKey
	byID  []exportKey // by the scanner's number for the key
}

// exportKey is what the fast path asks of the value of a key.
type exportKey struct {
	kinds   uint8 // a bit for each jsonscan.Kind that is taken; 0: the library decides
	whole   bool  // numbers must be integers
	written bool  // a string must not be empty
	time    bool  // a string must be a time
	gives   exportPart
}

// exportPart is what an event of an export must have, of each one.
type exportPart uint8

const (
	partType exportPart = 1 << iota
	partID
	partTime
	allParts = partType | partID | partTime
)

// anyValue is asked of keys that the schema does not name.
var anyValue = exportKey{kinds: 0xff}

// exportParts are the keys that give the parts, where they are not null.
var exportParts = map[string]exportPart{
	"event_type": partType,
	"user_id":    partID, "device_id": partID,
	"event_time": partTime, "client_event_time": partTime, "server_received_time": partTime, "server_upload_time": partTime,
}

// readExportKeys reads the schema of exports.
func readExportKeys() (map[string]exportKey, error) {
	text, err := schemas.Get(schemas.ExportEvent)
	if err != nil {
		return nil, err
	}
	doc, err := decode(text)
	if err != nil {
		return nil, err
	}
	root, _ := doc.(map[string]any)
	defs, _ := root["$defs"].(map[string]any)
	properties, _ := root["properties"].(map[string]any)
	if len(defs) == 0 || len(properties) == 0 {
		return nil, fmt.Errorf("the schema of exports has no properties or definitions")
	}
	keys := map[string]exportKey{}
	for name, schema := range properties {
		k := exportKeyOf(schema, defs)
		k.gives = exportParts[name]
		keys[name] = k
	}
	return keys, nil
}

// exportKeyOf translates the schema of a key. A keyword that it does not know
// leaves the key to the library.
func exportKeyOf(schema any, defs map[string]any) exportKey {
	k := anyValue
	members, _ := schema.(map[string]any)
	if ref, ok := members["$ref"].(string); ok {
		for keyword := range members {
			if keyword != "$ref" && keyword != "title" && keyword != "description" {
				return exportKey{}
			}
		}
		name := strings.TrimPrefix(ref, "#/$defs/")
		k.time = name == "time" // as isExportTime knows it
		members, _ = defs[name].(map[string]any)
	}
	if members == nil {
		return exportKey{}
	}
	for keyword, value := range members {
		switch keyword {
		case "title", "description":
		case "type":
			k.kinds = 0
			names, ok := value.([]any)
			if !ok {
				names = []any{value}
			}
			for _, name := range names {
				k.kinds |= exportKinds[fmt.Sprint(name)]
				k.whole = k.whole || name == "integer"
			}
		case "minLength":
			if k.written = true; fmt.Sprint(value) != "1" {
				return exportKey{}
			}
		case "pattern":
			if !k.time {
				return exportKey{}
			}
		default:
			return exportKey{}
		}
	}
	return k
}

// exportKinds are the bits of the types that a schema names.
var exportKinds = map[string]uint8{
	"string": 1 << jsonscan.String, "number": 1 << jsonscan.Number, "integer": 1 << jsonscan.Number, "boolean": 1 << jsonscan.Bool,
	"object": 1 << jsonscan.Object, "array": 1 << jsonscan.Array, "null": 1 << jsonscan.Null,
}

// accepts tells that the library would find nothing wrong with a line, whose
// members have been scanned. A false says nothing.
func (p *exportPath) accepts(e *event) bool {
	var have exportPart
	for i := range e.fields {
		f := &e.fields[i]
		var k exportKey
		if int(f.ID) < len(p.byID) {
			k = p.byID[f.ID]
		} else {
			k = p.lookup(e, f)
		}
		if k.kinds>>f.Kind&1 == 0 {
			return false
		}
		switch f.Kind {
		case jsonscan.Null:
			continue
		case jsonscan.Number:
			number := f.Value(e.text)
			if !isDecimal(number) || k.whole && bytes.IndexByte(number, '.') >= 0 {
				return false
			}
		case jsonscan.String:
			text := e.text[f.Start+1 : f.End-1]
			if k.written && len(text) == 0 || k.time && !isExportTime(text) {
				return false
			}
		}
		have |= k.gives
	}
	return have == allParts
}

// lookup is what is asked of a field that the scanner has numbered just now, or
// cannot number.
func (p *exportPath) lookup(e *event, f *jsonscan.Field) exportKey {
	if f.ID == jsonscan.NoID {
		return p.of(string(decoded(f.Key(e.text), f.KeyEscaped)))
	}
	for id := len(p.byID); id <= int(f.ID); id++ {
		p.byID = append(p.byID, p.of(e.scanner.Name(uint16(id))))
	}
	return p.byID[f.ID]
}

func (p *exportPath) of(name string) exportKey {
	if k, ok := p.known[name]; ok {
		return k
	}
	return anyValue
}

// isExportTime tells the times that exports have, 2006-01-02 15:04:05.999999,
// and those of copies with a T or a Z. The schema takes some more.
func isExportTime(text []byte) bool {
	const form = "0000-00-00 00:00:00"
	if len(text) < len(form) {
		return false
	}
	for i := range len(form) {
		switch c := text[i]; form[i] {
		case '0':
			if c-'0' > 9 {
				return false
			}
		case ' ':
			if c != ' ' && c != 'T' {
				return false
			}
		default:
			if c != form[i] {
				return false
			}
		}
	}
	rest := text[len(form):]
	if len(rest) > 1 && rest[0] == '.' && rest[1]-'0' <= 9 {
		for rest = rest[1:]; len(rest) > 0 && rest[0]-'0' <= 9; rest = rest[1:] {
		}
	}
	return len(rest) == 0 || string(rest) == "Z"
}
