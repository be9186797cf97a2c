package convert

import (
	"fmt"
	"strings"

	"export2batch/internal/jsonscan"
)

// propertyRename gives properties another name. With a star in it, the old name
// stands for all that begin and end so, and a star in the new one for what the
// star of the old one stands for.
type propertyRename struct {
	propertySpec
	old, new affix
}

type affix struct {
	prefix, suffix string
	star           bool
}

func parseAffix(text string) affix {
	prefix, suffix, star := cutUnescaped(text, "*")
	return affix{literal(prefix), literal(suffix), star}
}

func parseRename(spec propertySpec, text string) (r propertyRename, err error) {
	r = propertyRename{spec, parseAffix(spec.name), parseAffix(spec.value)}
	if r.new.star && !r.old.star {
		return r, fmt.Errorf("--property-rename %q has a star in the new name only", text)
	}
	return r, nil
}

// apply returns the new name, if the rule is for this one.
func (r *propertyRename) apply(name string) (string, bool) {
	if !r.old.star {
		return r.new.prefix, name == r.old.prefix
	}
	rest, ok := strings.CutPrefix(name, r.old.prefix)
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutSuffix(rest, r.old.suffix); !ok {
		return "", false
	}
	if !r.new.star {
		return r.new.prefix, true
	}
	return r.new.prefix + rest + r.new.suffix, true
}

// objectRules are the rules for the properties of events of one type.
type objectRules struct {
	drops, keeps []glob
	renames      []*propertyRename
	sets         []int // indexes of program.sets
	decided      map[string]decision
}

// decision is what becomes of a property by its name.
type decision struct {
	drop bool
	name string // the new one; "" as it was
}

// maxDecided bounds the names whose decisions are remembered.
const maxDecided = 4096

func (r *ruled) objectRulesFor(eventType string, user bool) (o objectRules) {
	collect := func(specs []propertySpec) (list []glob) {
		for i := range specs {
			if specs[i].user == user && specs[i].applies(eventType) {
				list = append(list, parseGlob(specs[i].name))
			}
		}
		return list
	}
	o.drops, o.keeps, o.decided = collect(r.drops), collect(r.keeps), map[string]decision{}
	for i := range r.renames {
		if n := &r.renames[i]; n.user == user && n.applies(eventType) {
			o.renames = append(o.renames, n)
		}
	}
	for i := range r.sets {
		if s := &r.sets[i]; s.user == user && s.applies(eventType) {
			o.sets = append(o.sets, i)
		}
	}
	return o
}

func (o *objectRules) byName() bool { return len(o.drops)+len(o.keeps)+len(o.renames) > 0 }

func (o *objectRules) decide(name []byte) decision {
	if d, ok := o.decided[string(name)]; ok {
		return d
	}
	if len(o.decided) >= maxDecided {
		clear(o.decided)
	}
	d := o.judge(string(name))
	o.decided[string(name)] = d
	return d
}

func (o *objectRules) judge(name string) (d decision) {
	for _, g := range o.drops {
		if g.match(name) {
			return decision{drop: true}
		}
	}
	kept := len(o.keeps) == 0
	for _, g := range o.keeps {
		kept = kept || g.match(name)
	}
	if !kept {
		return decision{drop: true}
	}
	for _, n := range o.renames {
		if to, ok := n.apply(name); ok {
			return decision{name: to}
		}
	}
	return decision{}
}

// property is a member of an object being edited.
type property struct {
	name  []byte // as it means
	value []byte // as JSON
}

// objectEditor changes the members of one object after the other.
type objectEditor struct {
	fields  []jsonscan.Field
	list    []property
	names   []byte
	values  []byte
	changed bool
}

func (e *objectEditor) open(line []byte, f *jsonscan.Field) error {
	e.list, e.names, e.values, e.changed = e.list[:0], e.names[:0], e.values[:0], false
	if f == nil {
		return nil
	}
	if f.Kind != jsonscan.Object {
		return fmt.Errorf("is not an object")
	}
	text := f.Value(line)
	var err error
	if e.fields, err = jsonscan.Fields(e.fields[:0], text); err != nil {
		return fmt.Errorf("has a key twice") // all else was found before
	}
	for i := range e.fields {
		p := &e.fields[i]
		name := p.Key(text)
		if p.KeyEscaped {
			name = jsonscan.AppendUnescaped(nil, name)
		}
		e.list = append(e.list, property{name, p.Value(text)})
	}
	return nil
}

func (e *objectEditor) find(name string) int {
	for i := range e.list {
		if string(e.list[i].name) == name {
			return i
		}
	}
	return -1
}

// put gives a property its value; the last place is for a new one.
func (e *objectEditor) put(name string, value []byte) {
	e.changed = true
	if i := e.find(name); i >= 0 {
		e.list[i].value = value
		return
	}
	e.list = append(e.list, property{[]byte(name), value})
}

func (e *objectEditor) remove(i int) {
	e.changed = true
	e.list = append(e.list[:i], e.list[i+1:]...)
}

// unique tells whether no name occurs twice.
func (e *objectEditor) unique() bool {
	seen := make(map[string]struct{}, len(e.list))
	for i := range e.list {
		seen[string(e.list[i].name)] = struct{}{}
	}
	return len(seen) == len(e.list)
}

func (e *objectEditor) append(dst []byte) []byte {
	open := byte('{')
	for i := range e.list {
		dst = append(dst, open)
		dst = append(jsonscan.AppendQuoted(dst, e.list[i].name), ':')
		dst = append(dst, e.list[i].value...)
		open = ','
	}
	if open == '{' {
		dst = append(dst, '{')
	}
	return append(dst, '}')
}

// byName drops and renames members; of an $identify event, those inside its
// operations.
func (r *ruled) byName(e *objectEditor, o *objectRules, where string, operations bool) (collision bool, err error) {
	renamed := false
	to := e.list[:0]
	for i := range e.list {
		p := e.list[i]
		if operations && len(p.name) > 0 && p.name[0] == '$' && len(p.value) > 0 && p.value[0] == '{' {
			inner := objectEditor{}
			if err := inner.open(p.value, &jsonscan.Field{End: uint32(len(p.value)), Kind: jsonscan.Object}); err != nil {
				return false, err
			}
			if collision, err = r.byName(&inner, o, where+"."+string(p.name), false); collision || err != nil {
				return collision, err
			}
			if inner.changed {
				e.changed = true
				if len(inner.list) == 0 {
					continue
				}
				p.value = inner.append(nil)
			}
			to = append(to, p)
			continue
		}
		d := o.decide(p.name)
		if d.drop {
			e.changed = true
			r.trace.step("property-drop, property-keep", where+"."+string(p.name)+" left out")
			continue
		}
		if d.name != "" && d.name != string(p.name) {
			e.changed, renamed = true, true
			r.trace.made(where+"."+d.name, where+"."+string(p.name), "property-rename")
			p.name = []byte(d.name)
		}
		to = append(to, p)
	}
	e.list = to
	return renamed && !e.unique(), nil
}

// properties applies the rules for properties, and those that make some.
func (r *ruled) properties(line []byte, typ *typeRules, identify string, ms int64) ([]byte, verdict) {
	for _, c := range [...]struct {
		slot  slot
		rules *objectRules
	}{{eventProperties, &typ.event}, {userProperties, &typ.user}} {
		var v verdict
		if line, v = r.object(line, c.slot, c.rules, identify, ms); v.kind != written {
			return line, v
		}
	}
	return line, verdict{}
}

func (r *ruled) object(line []byte, s slot, o *objectRules, identify string, ms int64) ([]byte, verdict) {
	m, e, name := r.m, &r.props, exportNames[s]
	f := m.at[s]
	keeps := s == eventProperties && identify == "" && len(r.program.rules.Keep) > 0
	sets := len(o.sets) > 0 && identify == ""
	lift := s == eventProperties && r.lift && (sets || keeps || len(o.renames) > 0 || f != nil && mayHoldRevenue(f.Value(line)))
	if !(keeps || lift || sets || f != nil && o.byName()) {
		return line, verdict{}
	}
	if err := e.open(line, f); err != nil {
		return line, verdict{kind: refused, rule: ruleProperties, reason: name + " " + err.Error() + ", so no rule can change it"}
	}
	collided := func(rule string) ([]byte, verdict) {
		return line, verdict{kind: refused, rule: ruleCollision, reason: "--" + rule + " gives two of " + name + " the same name"}
	}
	if keeps && !r.addKept(line, e) {
		return collided("keep")
	}
	if o.byName() {
		collision, err := r.byName(e, o, name, identify != "" && s == userProperties)
		if err != nil {
			return line, verdict{kind: refused, rule: ruleProperties, reason: name + " " + err.Error() + ", so no rule can change it"}
		}
		if collision {
			return collided("property-rename")
		}
	}
	if sets {
		if e.changed {
			line = r.store(line, s, e)
		}
		for _, i := range o.sets {
			result, err := r.eval.run(r.setExpressions[i], line, &m.at, ms)
			start := len(e.values)
			if err == nil {
				e.values, err = appendResult(e.values, result)
			}
			if err != nil {
				return line, verdict{kind: refused, rule: ruleExpression, reason: "--property-set " + r.sets[i].name + ": " + plainError(err)}
			}
			e.put(r.sets[i].name, e.values[start:len(e.values):len(e.values)])
			r.trace.made(name+"."+r.sets[i].name, "an expression", "property-set")
		}
	}
	if lift {
		r.liftRevenue(e)
	}
	if e.changed {
		line = r.store(line, s, e)
	}
	return line, verdict{}
}

// store makes the edited object the value of s.
func (r *ruled) store(line []byte, s slot, e *objectEditor) []byte {
	if len(e.list) == 0 && r.m.at[s] == nil {
		return line
	}
	r.eval.forget(s)
	// The members may point into the buffer that is appended to: appending
	// leaves what stands there as it is, and growing it leaves the old one.
	text := r.room(line)
	start := len(text)
	return r.set(s, e.append(text), start, jsonscan.Object)
}

// addKept adds the export keys that become event properties, and tells whether
// none of them was there.
func (r *ruled) addKept(line []byte, e *objectEditor) bool {
	for i := range r.program.kept {
		k, f := &r.program.kept[i], r.kept[i]
		if k.property == "" || f == nil || !populated(line, f) {
			continue
		}
		if e.find(k.property) >= 0 {
			return false
		}
		e.put(k.property, f.Value(line))
		r.trace.made("event_properties."+k.property, k.key, "keep")
	}
	return true
}
