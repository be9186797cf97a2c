package people

import (
	"slices"

	"export2batch/internal/jsonscan"
	"export2batch/sandbox/properties"
)

// Amplitude, Batch Event Upload API, groups: what comes after is not tracked.
const (
	MaxGroupTypes = 5  // of a project
	MaxGroups     = 10 // of an event
)

// groups are the properties of groups, and the group types of the project in
// the order they were seen.
type groups struct {
	types []string
	of    map[groupKey]*properties.Set
}

type groupKey struct{ kind, name string }

// GroupTypes returns the group types that are tracked.
func (t *Table) GroupTypes() []string { return t.groups.types }

// Groups returns how many groups have properties.
func (t *Table) Groups() int { return len(t.groups.of) }

// identify changes the properties of each group that is named. Amplitude takes
// {"plan":"x"} or operations; what it exports, {type:{group:{"plan":"x"}}}, is
// understood too.
func (g *groups) identify(named, object []byte) {
	if named == nil || object == nil {
		return
	}
	g.each(named, func(kind string, name []byte) {
		key := groupKey{kind, string(name)}
		set := g.of[key]
		if set == nil {
			set = new(properties.Set)
			g.of[key] = set
		}
		own := object
		if in := member(member(object, kind), string(name)); in != nil {
			own = in
		}
		set.Apply(own)
	})
}

// appendShown appends what is known of the groups, nothing when nothing is.
func (g *groups) appendShown(b, named []byte) []byte {
	open := ""
	start := len(b)
	g.each(named, func(kind string, name []byte) {
		set := g.of[groupKey{kind, string(name)}]
		if set == nil {
			return
		}
		switch {
		case len(b) == start:
			b = append(b, '{')
		case kind == open:
			b = append(b, ',')
		default:
			b = append(b, '}', ',')
		}
		if kind != open || len(b) == start+1 {
			b = append(jsonscan.AppendQuoted(b, kind), ':', '{')
			open = kind
		}
		b = append(jsonscan.AppendQuoted(b, name), ':')
		b = set.AppendJSON(b)
	})
	if len(b) > start {
		b = append(b, '}', '}')
	}
	return b
}

// each calls f with the tracked groups that an object {type:"name"} or
// {type:["name",…]} names.
func (g *groups) each(named []byte, f func(kind string, name []byte)) {
	fields, err := jsonscan.Fields(nil, named)
	if err != nil {
		return
	}
	n := 0
	for i := range fields {
		fd := &fields[i]
		kind := string(jsonscan.AppendUnescaped(nil, fd.Key(named)))
		if !g.tracked(kind) {
			continue
		}
		for _, name := range Names(fd.Value(named)) {
			if n++; n > MaxGroups {
				return
			}
			f(kind, name)
		}
	}
}

// tracked tells whether a group type is one of the project's first.
func (g *groups) tracked(kind string) bool {
	if slices.Contains(g.types, kind) {
		return true
	}
	if len(g.types) == MaxGroupTypes {
		return false
	}
	g.types = append(g.types, kind)
	return true
}

// Names returns the names in a value of an event's groups: a string, a list of
// strings, or numbers, which Amplitude takes as their digits.
func Names(value []byte) [][]byte {
	switch value[0] {
	case '[':
		spans, err := jsonscan.Elements(nil, value)
		if err != nil {
			return nil
		}
		var names [][]byte
		for _, s := range spans {
			if s.Kind != jsonscan.Array {
				names = append(names, Names(s.Value(value))...)
			}
		}
		return names
	case '"':
		return [][]byte{jsonscan.AppendUnquoted(nil, value)}
	case '{', 'n':
		return nil
	}
	return [][]byte{value}
}

// member returns a member of an object that is an object itself, or nil.
func member(object []byte, key string) []byte {
	if object == nil {
		return nil
	}
	fields, err := jsonscan.Fields(nil, object)
	if err != nil {
		return nil
	}
	for i := range fields {
		f := &fields[i]
		if f.Kind == jsonscan.Object && string(jsonscan.AppendUnescaped(nil, f.Key(object))) == key {
			return f.Value(object)
		}
	}
	return nil
}
