package validate

import (
	"slices"
	"strings"
	"testing"

	"export2batch/internal/finding"
)

func TestRules(t *testing.T) {
	t.Parallel()
	c := newTestChecker(t, Options{})
	tried := map[string]bool{}
	for _, tc := range Examples() {
		tried[tc.Rule] = true
		show := Abbreviate(tc.Breaks)
		if found := findingsOf(t, c, tc.Breaks); !slices.Contains(short(found), tc.Pointer+" "+tc.Rule) {
			t.Errorf("%s: not found in %s, but %q", tc.Rule, show, short(found))
		}
		for _, f := range findingsOf(t, c, tc.Edge) {
			if f.Rule == tc.Rule {
				t.Errorf("%s: found in %s", tc.Rule, Abbreviate(tc.Edge))
			}
		}
	}
	elsewhere := []string{ // other tests try these
		ruleDamaged, ruleTooLong, ruleArchive, ruleNestedArchive, ruleUnsafePath, ruleSchema,
		ruleEmptyFile, ruleLinkedFolder, ruleHiddenFile, ruleParquet, ruleColumns, ruleInexactID, ruleValue,
		ruleManifest, ruleManifestSum, ruleManifestCount, ruleUserSchema, ruleNotPlanned, ruleExportTime,
	}
	for _, r := range Rules() {
		if tried[r.ID] == slices.Contains(elsewhere, r.ID) {
			t.Errorf("no event breaks %s, or it is tried elsewhere too", r.ID)
		}
	}
}

// findingsOf checks one event, or what is a whole input by its newline.
func findingsOf(t *testing.T, c *checker, text string) []finding.Finding {
	t.Helper()
	if !strings.HasSuffix(text, "\n") {
		return mustCheck(t, c, text)
	}
	_, found := runUncounted(t, Options{Paths: []string{writeFile(t, "input", text)}})
	return found
}

func TestRulesAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s: twice", r.ID)
		}
		seen[r.ID] = true
		if r.Source == "" || !strings.HasSuffix(r.Explain, ".") {
			t.Errorf("%s: no source, or no sentence: %q", r.ID, r.Explain)
		}
		if !slices.Contains([]finding.Severity{finding.Error, finding.Warn, finding.Info}, r.Severity) {
			t.Errorf("%s: severity %q", r.ID, r.Severity)
		}
	}
}

func TestOneFindingForOneFault(t *testing.T) {
	c := newTestChecker(t, Options{})
	for line, want := range map[string][]string{
		eventWith(): nil,
		eventWith("user_id", `"abcd"`, "platform", `null`, "ip", `"$remote"`): {"/ip remote-ip", "/platform type", "/user_id id-length"},
		eventWith("time", `1600000000.5`):                                     {"/time integer", "/time time-unit"},
		eventWith("time", `1e9999999999`):                                     {"/time number-range"},
		`{}`:                                                                  {" id-required", " insert-id-missing", " required", " time-missing"},
		eventWith("user_id", `""`):                                            {"/user_id id-length", "/user_id placeholder-id"},
	} {
		if got := short(mustCheck(t, c, line)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestSeverityOverrides(t *testing.T) {
	line := eventWith("user_id", `"abcd"`, "insert_id", ``)
	c := newTestChecker(t, Options{Rules: map[string]string{ruleIDLength: "info", ruleInsertID: Off}})
	found := mustCheck(t, c, line)
	if len(found) != 1 || found[0].Rule != ruleIDLength || found[0].Severity != finding.Info {
		t.Errorf("found %+v", found)
	}
}

func TestMinIDLength(t *testing.T) {
	for min, want := range map[int][]string{
		1: nil,
		4: nil,
		5: {"/user_id id-length"},
	} {
		c := newTestChecker(t, Options{MinIDLength: min})
		if got := short(mustCheck(t, c, eventWith("user_id", `"abcd"`))); !slices.Equal(got, want) {
			t.Errorf("least length %d: %q, want %q", min, got, want)
		}
	}
	c := newTestChecker(t, Options{MinIDLength: 1})
	if got := short(mustCheck(t, c, eventWith("user_id", `""`))); !slices.Contains(got, "/user_id placeholder-id") {
		t.Errorf("an empty id with least length 1: %q", got)
	}
}

func TestValidateOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no paths":       {},
		"negative":       {Paths: []string{"x"}, MinIDLength: -1},
		"jobs":           {Paths: []string{"x"}, Jobs: -1},
		"unknown rule":   {Paths: []string{"x"}, Rules: map[string]string{"nosuch": Off}},
		"fixed rule":     {Paths: []string{"x"}, Rules: map[string]string{ruleInvalidJSON: Off}},
		"wrong severity": {Paths: []string{"x"}, Rules: map[string]string{ruleType: "fatal"}},
	} {
		if o.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := (Options{Paths: []string{"x"}, Rules: map[string]string{ruleType: "warn"}}).Validate(); err != nil {
		t.Error(err)
	}
}
