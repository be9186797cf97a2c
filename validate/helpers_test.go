package validate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"export2batch/internal/finding"
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
	return &checker{settings: s}
}

// event makes an event that nothing is wrong with, but for the members given
// as key and JSON text; an empty text takes the member out.
func eventWith(members ...string) string {
	all := []string{"event_type", `"a"`, "user_id", `"user1"`, "insert_id", `"i"`, "time", "1600000000000"}
	for i := 0; i < len(members); i += 2 {
		at := -1
		for j := 0; j < len(all); j += 2 {
			if all[j] == members[i] {
				at = j
			}
		}
		switch {
		case at >= 0 && members[i+1] == "":
			all = slices.Delete(all, at, at+2)
		case at >= 0:
			all[at+1] = members[i+1]
		default:
			all = append(all, members[i], members[i+1])
		}
	}
	var b strings.Builder
	for i := 0; i < len(all); i += 2 {
		fmt.Fprintf(&b, `,%q:%s`, all[i], all[i+1])
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
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
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs with a sink that keeps everything.
func run(t testing.TB, o Options) (Summary, []finding.Finding) {
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
	if got := s.Errors + s.Warnings + s.Infos; got != int64(len(all)) {
		t.Errorf("the summary counts %d findings, the sink got %d", got, len(all))
	}
	return s, all
}
