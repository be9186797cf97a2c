package convert

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"export2batch/internal/jsonscan"
	"export2batch/internal/source"
)

// Explanation says what each rule did to one line, and where each key of the
// event came from. It holds no values.
type Explanation struct {
	Outcome string   `json:"outcome"`          // written, rejected, dropped or merged-ids
	Rule    string   `json:"rule,omitempty"`   // rejected: under which rule; dropped: for which reason
	Reason  string   `json:"reason,omitempty"` // rejected
	Steps   []Step   `json:"steps,omitempty"`  // in the order in which they were taken
	Keys    []Origin `json:"keys,omitempty"`   // of the event, in its order, then what was made inside properties
	Lost    []string `json:"lost,omitempty"`   // populated export keys that are not carried over
	Made    int64    `json:"group_identifies,omitempty"`
}

// Step is what a rule did.
type Step struct {
	Rule   string `json:"rule"` // the name of its option
	Effect string `json:"effect"`
}

// Origin says where a key of the event came from.
type Origin struct {
	Key  string `json:"key"`
	From string `json:"from"`         // an export key, a path in one, or what made it
	By   string `json:"by,omitempty"` // the option that did it; none for the plain mapping
}

// tracer collects what rules do. A nil one does nothing.
type tracer struct {
	steps   []Step
	origins map[string]Origin // by key
}

func (t *tracer) step(rule, effect string) {
	if t != nil {
		t.steps = append(t.steps, Step{rule, effect})
	}
}

// made notes that rule made key out of from.
func (t *tracer) made(key, from, rule string) {
	if t == nil {
		return
	}
	effect := key + " from " + from
	if key == from {
		effect = key + " changed"
	}
	t.steps = append(t.steps, Step{rule, effect})
	if was, ok := t.origins[from]; ok && key != from { // made of what was made
		delete(t.origins, from)
		from, rule = was.From, was.By+", "+rule
	}
	if was, ok := t.origins[key]; ok && was.From == from {
		rule = was.By + ", " + rule
	}
	t.origins[key] = Origin{key, from, rule}
}

// Explain maps one line as Run would, had it come first.
func Explain(rules Rules, line []byte) (Explanation, error) {
	rules.setDefaults()
	p, err := compile(rules)
	if err != nil {
		return Explanation{}, err
	}
	p.active = true
	m := newMapper(p)
	t := &tracer{origins: map[string]Origin{}}
	m.ruled.trace = t
	out, v := m.event(nil, line)
	x := Explanation{Rule: v.rule, Reason: v.reason, Steps: t.steps, Made: m.made}
	switch v.kind {
	case refused:
		x.Outcome = "rejected"
		return x, nil
	case dropped:
		x.Outcome = "dropped"
		return x, nil
	case mergedIDs:
		x.Outcome = "merged-ids"
		return x, nil
	}
	x.Outcome = "written"
	x.Lost = slices.Sorted(maps.Keys(m.lostCounts()))
	own := strings.TrimSuffix(string(out), "\n")
	own = own[strings.LastIndexByte(own, '\n')+1:]
	fields, err := jsonscan.Fields(nil, []byte(own))
	if err != nil {
		return x, fmt.Errorf("the event cannot be read: %w", err)
	}
	for i := range fields {
		x.Keys = append(x.Keys, m.origin(string(fields[i].Key([]byte(own))), line))
	}
	for _, key := range slices.Sorted(maps.Keys(t.origins)) {
		if strings.Contains(key, "properties.") {
			x.Keys = append(x.Keys, t.origins[key])
		}
	}
	return x, nil
}

// origin says where a key of the event just written came from.
func (m *mapper) origin(key string, line []byte) Origin {
	if o, ok := m.ruled.trace.origins[key]; ok {
		return o
	}
	switch key {
	case "$skip_user_properties_sync":
		return Origin{key, "true", "user-properties"}
	case "insert_id":
		o := Origin{Key: key}
		for from := range m.insertIDs {
			o.From = map[string]string{"export": exportNames[insertID], "uuid": exportNames[uuid], "hash": "a hash of the event"}[from]
		}
		if m.rules.InsertID != InsertIDAuto {
			o.By = "insert-id"
		}
		return o
	case "time":
		return m.timeOrigin(line)
	}
	for s := userID; s <= lastCopied; s++ {
		if strings.Trim(batchKeys[s], `":`) == key {
			return Origin{Key: key, From: exportNames[s]}
		}
	}
	return Origin{Key: key, From: "unknown"}
}

func (m *mapper) timeOrigin(line []byte) Origin {
	o := Origin{Key: "time"}
	if m.rules.Time != "" {
		o.By = "time"
	}
	if err := m.scan(line); err != nil {
		return o
	}
	for _, s := range m.timeSources {
		if f := m.at[s]; f != nil && populated(line, f) {
			o.From = exportNames[s]
			break
		}
	}
	return o
}

// ReadLine returns line number of the file that path names, or of the first
// file in it; number 0 is its first line that is not blank.
func ReadLine(ctx context.Context, path string, number int64, stdin io.Reader) (line []byte, err error) {
	set, err := source.Expand([]string{path}, source.Options{Stdin: source.Interruptible(ctx, stdin), Parquet: &source.ParquetOptions{}})
	if err != nil {
		return nil, err
	}
	if len(set.Inputs) == 0 {
		return nil, fmt.Errorf("%s: nothing that can be read", path)
	}
	lines, err := set.Inputs[0].LinesOnly()
	if err != nil {
		return nil, err
	}
	defer lines.Close()
	for {
		line, err := lines.Next()
		if err == source.ErrTooLong {
			_, err = lines.CopyLong(io.Discard)
			line = nil
		}
		if err == io.EOF {
			return nil, fmt.Errorf("%s: there is no such line", path)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", set.Inputs[0].Place(lines.Number()), err)
		}
		if number == lines.Number() || number == 0 && !source.Blank(line) {
			return slices.Clone(line), nil
		}
	}
}
