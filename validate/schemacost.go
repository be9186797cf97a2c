package validate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"export2batch/internal/progress"
)

// maxSchemaSteps is how many steps a schema may take with one value. Each
// subschema that is applied to the value itself, by $ref, anyOf and the like,
// counts once for itself and once for each one it stands in: so much does the
// library reckon and remember for it. At the bound a value was seen to take up
// to half a second and 200 MB; without it, 40 definitions that each refer
// twice to the next one take over 2^40 steps.
const maxSchemaSteps = 100_000

// schemaCosts reckons the steps of compiled schemas.
type schemaCosts struct {
	anchors   map[string][]*jsonschema.Schema // by $dynamicAnchor
	recursive []*jsonschema.Schema            // with $recursiveAnchor
	costs     map[*jsonschema.Schema]*schemaCost
}

type schemaCost struct {
	count, steps int64 // of subschemas; at most maxSchemaSteps+1
	done         bool
}

// checkCosts refuses schemas that take too many steps, or refer to themselves
// without end: both could not be stopped.
func checkCosts(roots []*jsonschema.Schema) error {
	k := schemaCosts{anchors: map[string][]*jsonschema.Schema{}, costs: map[*jsonschema.Schema]*schemaCost{}}
	all := map[*jsonschema.Schema]bool{}
	for todo := roots; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s == nil || all[s] {
			continue
		}
		all[s] = true
		if s.DynamicAnchor != "" {
			k.anchors[s.DynamicAnchor] = append(k.anchors[s.DynamicAnchor], s)
		}
		if s.RecursiveAnchor {
			k.recursive = append(k.recursive, s)
		}
		todo = append(append(todo, inPlace(s)...), below(s)...)
	}
	var worst *jsonschema.Schema // the least of those over the bound: where it is crossed
	for _, s := range slices.SortedFunc(maps.Keys(all), func(a, b *jsonschema.Schema) int { return strings.Compare(a.Location, b.Location) }) {
		c, err := k.cost(s)
		if err != nil {
			return err
		}
		if c.steps > maxSchemaSteps && (worst == nil || c.count < k.costs[worst].count) {
			worst = s
		}
	}
	if worst != nil {
		return fmt.Errorf("%s: too many subschemas for one value: $ref, anyOf and the like lead to more than %s steps", schemaPlace(worst), progress.Thousands(maxSchemaSteps))
	}
	return nil
}

func (k *schemaCosts) cost(s *jsonschema.Schema) (*schemaCost, error) {
	if c := k.costs[s]; c != nil {
		if !c.done {
			return nil, fmt.Errorf("it refers to itself without end: %s", schemaPlace(s))
		}
		return c, nil
	}
	c := &schemaCost{count: 1}
	k.costs[s] = c
	add := func(list ...*jsonschema.Schema) error {
		most := schemaCost{} // of the list, of which one is applied
		for _, sub := range list {
			if sub == nil {
				continue
			}
			n, err := k.cost(sub)
			if err != nil {
				return err
			}
			most.count, most.steps = max(most.count, n.count), max(most.steps, n.steps)
		}
		c.count = min(c.count+most.count, maxSchemaSteps+1)
		c.steps = min(c.steps+most.steps, maxSchemaSteps+1)
		return nil
	}
	for _, sub := range inPlace(s) {
		targets := []*jsonschema.Schema{sub}
		// Which one these mean is known only with the value.
		if sub != nil && sub == s.DynamicRef && sub.DynamicAnchor != "" {
			targets = append(targets, k.anchors[sub.DynamicAnchor]...)
		}
		if sub != nil && sub == s.RecursiveRef && sub.RecursiveAnchor {
			targets = append(targets, k.recursive...)
		}
		if err := add(targets...); err != nil {
			return nil, err
		}
	}
	c.steps = min(c.steps+c.count, maxSchemaSteps+1)
	c.done = true
	return c, nil
}

// inPlace are the subschemas, some nil, that are applied to the same value.
func inPlace(s *jsonschema.Schema) []*jsonschema.Schema {
	list := []*jsonschema.Schema{s.Ref, s.RecursiveRef, s.DynamicRef, s.Not, s.If, s.Then, s.Else}
	list = slices.Concat(list, s.AllOf, s.AnyOf, s.OneOf, slices.Collect(maps.Values(s.DependentSchemas)))
	for _, d := range s.Dependencies {
		list = appendSchemas(list, d)
	}
	return list
}

// below are those that are applied to what is in the value.
func below(s *jsonschema.Schema) []*jsonschema.Schema {
	list := []*jsonschema.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Items2020, s.Contains, s.UnevaluatedItems, s.ContentSchema}
	list = slices.Concat(list, s.PrefixItems, slices.Collect(maps.Values(s.Properties)), slices.Collect(maps.Values(s.PatternProperties)))
	for _, v := range []any{s.AdditionalProperties, s.Items, s.AdditionalItems} {
		list = appendSchemas(list, v)
	}
	return list
}

// appendSchemas appends those of a keyword that may have something else.
func appendSchemas(list []*jsonschema.Schema, v any) []*jsonschema.Schema {
	switch v := v.(type) {
	case *jsonschema.Schema:
		return append(list, v)
	case []*jsonschema.Schema:
		return append(list, v...)
	}
	return list
}

// schemaPlace is where a schema stands in its file.
func schemaPlace(s *jsonschema.Schema) string {
	_, place, _ := strings.Cut(s.Location, "#")
	return "#" + place
}
