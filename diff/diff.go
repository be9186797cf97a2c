// Package diff compares two sets of event files, event by event.
//
// Events are matched by their key: insert_id together with device_id, as
// Amplitude deduplicates them, or another top-level key alone. Among events
// with the same key those of equal content are matched first, then the others
// in input order. Content is compared by meaning: numbers by their exact
// decimal value, strings as decoded, objects without regard to the order of
// their keys (of a key that stands twice in a nested object the last counts),
// arrays in order. Null and absent are different.
//
// Every event of both sets is accounted for (see Summary), also the lines that
// are no events. What is wrong with the data itself goes to Options.Findings.
//
// The files are read twice: once for a record of 48 bytes an event (hash of
// the key, hash of the content, place), and again, only where something
// differs, to tell what. Records beyond Options.MemoryEvents are sorted on
// disk, so memory does not grow with the sets; only events that share one key
// are held together. Findings and differences come in order of place, whatever
// the number of workers.
package diff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"export2batch/internal/finding"
	"export2batch/internal/progress"
	"export2batch/internal/source"
)

// Options say what is compared and how. The zero value of all but A and B is
// usable.
type Options struct {
	// A and B name the two sets: files, folders, patterns, archives, and stage
	// folders of convert and partition. Standard input cannot be compared,
	// since it cannot be read twice.
	A, B []string

	// Key is the top-level key that events are matched by. The default,
	// insert_id, is matched together with device_id, unless that is ignored.
	Key string

	// Ignore names what is not compared: top-level keys, or JSON pointers,
	// which start with a slash.
	Ignore []string

	// ShowValues adds the values that differ, and those of Key, which are
	// personal data. Insert ids are always shown.
	ShowValues bool

	// Sink takes the differences, Findings what is wrong with the data. Both
	// are called from one goroutine at a time; nil drops what they would get.
	Sink     func(Difference)
	Findings finding.Sink

	MaxDifferences int    // handed to Sink at most, the first by place; default 100 000. All are counted
	MemoryEvents   int    // records of 48 bytes held in memory; default 1 048 576, at least 1024
	TempDir        string // for what does not fit in memory; default os.TempDir
	Workers        int    // files read side by side; default GOMAXPROCS
	Meter          *progress.Meter
}

const (
	defaultKey            = "insert_id"
	deviceKey             = "device_id"
	defaultMaxDifferences = 100_000
	defaultMemoryEvents   = 1 << 20
	leastMemoryEvents     = 1 << 10
	maxFindings           = 10_000 // handed over for each file; the rest are counted
)

// Validate refuses options that make no sense.
func (o Options) Validate() error {
	if len(o.A) == 0 || len(o.B) == 0 {
		return errors.New("two sets of event files are needed")
	}
	if _, err := newIgnore(o.Ignore); err != nil {
		return err
	}
	if o.MaxDifferences < 0 || o.MemoryEvents < 0 || o.Workers < 0 {
		return errors.New("numbers of differences, events and workers cannot be negative")
	}
	return nil
}

func (o Options) withDefaults() Options {
	o.Key = cmp.Or(o.Key, defaultKey)
	o.MaxDifferences = cmp.Or(o.MaxDifferences, defaultMaxDifferences)
	o.MemoryEvents = max(cmp.Or(o.MemoryEvents, defaultMemoryEvents), leastMemoryEvents)
	o.Workers = cmp.Or(o.Workers, runtime.GOMAXPROCS(0))
	if o.Sink == nil {
		o.Sink = func(Difference) {}
	}
	if o.Findings == nil {
		o.Findings = func(finding.Finding) {}
	}
	return o
}

// Run compares A with B. Data that is bad or different is no error.
func Run(ctx context.Context, o Options) (Summary, error) {
	if err := o.Validate(); err != nil {
		return Summary{}, err
	}
	c := comparison{o: o.withDefaults()}
	c.ignore, _ = newIgnore(o.Ignore) // Validate has seen it
	err := c.run(ctx)
	if c.temp != "" {
		err = errors.Join(err, os.RemoveAll(c.temp))
	}
	if err != nil {
		return Summary{}, err
	}
	return c.sum, nil
}

// comparison is one run.
type comparison struct {
	o      Options
	ignore *ignore
	inputs [2][]source.Input
	temp   string // the folder of what does not fit in memory, "" until needed
	sum    Summary
}

// The two sets.
const (
	sideA = 0
	sideB = 1
)

func (c *comparison) run(ctx context.Context) error {
	for side, args := range [][]string{c.o.A, c.o.B} {
		set, err := source.Expand(args, source.Options{Stages: []string{"convert", "partition"}})
		if err != nil {
			return err
		}
		c.inputs[side] = set.Inputs
		for _, f := range set.Findings {
			if f.Rule != "unsafe-path" { // nothing is written under it here
				c.sum.Damaged++
				c.o.Findings(f)
			}
		}
	}
	sorter := newSorter(c.o.MemoryEvents, c.createTemp)
	defer sorter.close()
	if err := c.read(ctx, sorter); err != nil {
		return err
	}
	pairs := newNearest(c.o.MaxDifferences)
	if err := c.match(ctx, sorter, pairs); err != nil {
		return err
	}
	kept := pairs.sorted()
	c.sum.Omitted = c.sum.Changed + c.sum.Missing + c.sum.Extra - int64(len(kept))
	return c.describe(ctx, kept)
}

// createTemp makes a file in this run's own folder, which Run removes.
func (c *comparison) createTemp() (*os.File, error) {
	if c.temp == "" {
		dir, err := os.MkdirTemp(c.o.TempDir, "export2batch-diff-")
		if err != nil {
			return nil, fmt.Errorf("make a temporary folder: %w", err)
		}
		c.temp = dir
	}
	return os.CreateTemp(c.temp, "")
}

func (c *comparison) input(side uint8, n int32) *source.Input { return &c.inputs[side][n] }

func (c *comparison) place(r *record) *finding.Place {
	p := c.input(r.side, r.input).Place(r.line)
	return &p
}

// nearest keeps the first pairs by place, of any number that is added.
type nearest struct {
	most  int
	pairs []pair
}

func newNearest(most int) *nearest { return &nearest{most: most} }

func (n *nearest) add(p pair) {
	n.pairs = append(n.pairs, p)
	if len(n.pairs) >= 2*n.most {
		n.pairs = n.sorted()
	}
}

func (n *nearest) sorted() []pair {
	slices.SortFunc(n.pairs, comparePairs)
	return n.pairs[:min(len(n.pairs), n.most)]
}
