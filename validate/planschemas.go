package validate

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"export2batch/internal/jsonscan"
)

// planSuffix ends the names of schema files in a folder of them.
const planSuffix = ".json"

// readPlan reads a folder of schemas, one an event type: TYPE.json or
// TYPE.schema.json, where TYPE is the event type, with what a file name cannot
// hold written as %2F and so on.
func readPlan(dir string) (map[string]*userSchema, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	plan := map[string]*userSchema{}
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), planSuffix)
		if !ok || f.IsDir() || strings.HasPrefix(name, ".") {
			continue
		}
		name = strings.TrimSuffix(name, ".schema")
		eventType, err := url.PathUnescape(name)
		if err != nil {
			return nil, fmt.Errorf("%s: the name is no event type: write %% as %%25", filepath.Join(dir, f.Name()))
		}
		if plan[eventType] != nil {
			return nil, fmt.Errorf("%s and %s are for one event type", plan[eventType].name, filepath.Join(dir, f.Name()))
		}
		if plan[eventType], err = readSchema(filepath.Join(dir, f.Name())); err != nil {
			return nil, err
		}
	}
	if len(plan) == 0 {
		return nil, fmt.Errorf("%s has no schemas: one file an event type, TYPE%s", dir, planSuffix)
	}
	return plan, nil
}

// checkSchemas holds the event against the schemas that only the library knows.
func (c *checker) checkSchemas(e *event) error {
	planned := c.planned(e)
	if len(c.schemas) == 0 && planned == nil {
		return nil
	}
	var value any
	hold := func(s *userSchema) (err error) {
		if s.ours && c.acceptsExport(e) {
			return nil
		}
		if value == nil {
			if value, err = decode(e.text); err != nil {
				return fmt.Errorf("decode an event: %w", err)
			}
			value = withoutHuge(value)
		}
		return s.check(c, value)
	}
	for _, s := range c.schemas {
		if err := hold(s); err != nil {
			return err
		}
	}
	if planned != nil {
		return hold(planned)
	}
	return nil
}

// acceptsExport tells that the schema of exports takes a line.
func (c *checker) acceptsExport(e *event) bool {
	if c.export == nil {
		c.export = &exportPath{known: c.exportKeys}
	}
	return c.export.accepts(e)
}

// planned is the schema for the event's type.
func (c *checker) planned(e *event) *userSchema {
	if c.plan == nil {
		return nil
	}
	f := e.field(keyEventType)
	if f == nil || f.Kind != jsonscan.String {
		return nil
	}
	name := decoded(e.text[f.Start+1:f.End-1], f.Escaped)
	if s := c.plan[string(name)]; s != nil {
		return s
	}
	if !e.is(isIdentify) && !e.is(isGroupIdentify) {
		c.report(ruleNotPlanned, keyEventType.pointer(), "no schema is given for this event type", 1)
	}
	return nil
}
