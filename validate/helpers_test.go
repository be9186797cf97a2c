package validate

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"export2batch/internal/finding"
	"export2batch/internal/testfile"
)

// testNow is the present of all tests.
func testNow() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }

func newTestChecker(t testing.TB, o Options) *checker {
	t.Helper()
	o.setDefaults()
	if o.Now.IsZero() {
		o.Now = testNow()
	}
	s, err := newSettings(&o)
	if err != nil {
		t.Fatal(err)
	}
	return &checker{settings: s, common: s}
}

// short writes findings as POINTER RULE.
func short(found []finding.Finding) []string {
	var list []string
	for _, f := range found {
		list = append(list, f.Pointer+" "+f.Rule)
	}
	return list
}

func mustCheck(t testing.TB, c *checker, line string) []finding.Finding {
	t.Helper()
	found, err := c.check([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(found)
}

// writeFile makes a file in a new folder.
func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	return testfile.Write(t, filepath.Join(t.TempDir(), name), text)
}

// run runs with a sink that keeps everything, and with quiet rules.
func run(t testing.TB, o Options) (Summary, []finding.Finding) {
	t.Helper()
	return runAll(t, quiet(o))
}

// quiet switches off the rules that are about more than one event, unless
// o.Rules has them.
func quiet(o Options) Options {
	rules := map[string]string{}
	for _, rule := range []string{ruleTimeOld, ruleReserved, ruleInsertIDRepeated, ruleInsertIDConflict, ruleInsertIDDevices, ruleNameCase} {
		rules[rule] = Off
	}
	maps.Copy(rules, o.Rules)
	o.Rules = rules
	return o
}

// runAll runs with a sink that keeps everything, and sees that all of it is
// counted.
func runAll(t testing.TB, o Options) (Summary, []finding.Finding) {
	t.Helper()
	s, all := runUncounted(t, o)
	if got := s.Errors + s.Warnings + s.Infos; got != int64(len(all)) {
		t.Errorf("the summary counts %d findings, the sink got %d", got, len(all))
	}
	return s, all
}

func runUncounted(t testing.TB, o Options) (Summary, []finding.Finding) {
	t.Helper()
	var all []finding.Finding
	o.Sink = func(f finding.Finding) { all = append(all, f) }
	if o.Now.IsZero() {
		o.Now = testNow()
	}
	s, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Balanced() {
		t.Errorf("the account does not balance: %+v", s)
	}
	return s, all
}
