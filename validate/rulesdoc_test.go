package validate

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/rules.md")

const rulesDoc = "../docs/rules.md"

// TestRulesDoc holds docs/rules.md to the rules.
func TestRulesDoc(t *testing.T) {
	want := rulesText()
	if *update {
		if err := os.WriteFile(rulesDoc, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(rulesDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date: go test ./validate -run RulesDoc -update", rulesDoc)
	}
}

func rulesText() string {
	var b strings.Builder
	b.WriteString(`<!-- Written by go test ./validate -run RulesDoc -update. -->
# The rules of validate

Findings of severity error make ` + "`validate`" + ` end with exit code 3, warnings and infos only with ` + "`--strict`" + `. ` + "`--rule ID=off|info|warn|error`" + `
changes a rule, but for those marked *always*: there is no event to let through. ` + "`export2batch explain ID`" + ` says the same as this page.
A YAML file that ` + "`--config`" + ` names, for ` + "`validate`" + ` and ` + "`run`" + `, changes them too; what stands on the command line wins:

    validate:
      min-id-length: 1
      rules:
        time-future: error
        name-case: off

The examples are read as of the first of January 2024. Where a rule is about several events, ⏎ ends a line.

| rule | severity | what it says | source |
|---|---|---|---|
`)
	for _, r := range Rules() {
		always := ""
		if r.Fixed {
			always = ", *always*"
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s%s | %s | %s |\n", r.ID, r.ID, r.Severity, always, cell(r.Explain), cell(r.Source))
	}
	b.WriteString("\n## Examples\n")
	examples := map[string]Example{}
	for _, e := range Examples() {
		if _, ok := examples[e.Rule]; !ok {
			examples[e.Rule] = e
		}
	}
	for _, r := range Rules() {
		e, ok := examples[r.ID]
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n%s\n\nBreaks it:\n\n    %s\n\nDoes not:\n\n    %s\n", r.ID, r.Explain, Abbreviate(e.Breaks), Abbreviate(e.Edge))
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
