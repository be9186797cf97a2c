package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "export2batch"

// layers says which packages of the module each may import; a package that is
// not in it fails the test.
var layers = map[string][]string{
	"cmd/export2batch": {"upload/monitor", "convert", "validate", "partition", "upload", "diff", "sandbox", "generate", "schemas",
		"internal/pipeline", "internal/eventfile", "internal/finding", "internal/progress", "internal/report", "internal/stage"},
	"internal/pipeline": {"convert", "validate", "partition", "upload", "sandbox",
		"internal/finding", "internal/jsonscan", "internal/progress", "internal/source"},

	// Stages meet in files, never in code.
	"convert":        {"internal/durable", "internal/eventfile", "internal/finding", "internal/jsonscan", "internal/progress", "internal/rejected", "internal/source", "internal/stage"},
	"validate":       {"schemas", "internal/durable", "internal/eventfile", "internal/finding", "internal/jsonscan", "internal/progress", "internal/rejected", "internal/source", "internal/stage"},
	"partition":      {"internal/durable", "internal/eventfile", "internal/finding", "internal/jsonscan", "internal/progress", "internal/rejected", "internal/source", "internal/stage"},
	"upload":         {"internal/durable", "internal/eventfile", "internal/finding", "internal/jsonscan", "internal/progress", "internal/source", "internal/stage"},
	"upload/monitor": {"upload"},
	"diff":           {"internal/finding", "internal/jsonscan", "internal/progress", "internal/source"},
	"sandbox": {"internal/durable", "internal/jsonscan",
		"sandbox/export", "sandbox/page", "sandbox/people", "sandbox/store"},
	"generate": {"internal/durable", "internal/jsonscan"},
	"schemas":  {},
	"fixtures": {},

	"sandbox/export":     {"internal/jsonscan", "sandbox/people", "sandbox/properties"},
	"sandbox/page":       {},
	"sandbox/people":     {"internal/jsonscan", "sandbox/properties"},
	"sandbox/properties": {"internal/jsonscan"},
	"sandbox/store":      {"internal/durable"},

	"internal/rejected":        {"internal/durable", "internal/finding", "internal/source", "internal/stage"},
	"internal/report":          {"internal/durable", "internal/finding", "internal/progress"},
	"internal/source":          {"internal/finding", "internal/inflate", "internal/stage", "internal/jsonscan", "internal/source/parquet"},
	"internal/source/parquet":  {"internal/jsonscan"},
	"internal/stage":           {"internal/durable", "internal/eventfile"},
	"internal/eventfile":       {"internal/durable"},
	"internal/finding":         {"internal/jsonscan"},
	"internal/progress":        {},
	"internal/inflate":         {},
	"internal/jsonscan":        {},
	"internal/durable":         {},
	"internal/durable/faultfs": {"internal/durable"},
	"internal/testfile":        {},
}

// onlyIn says which packages may import a library.
var onlyIn = map[string][]string{
	"github.com/santhosh-tekuri/jsonschema/v5": {"validate"},
	"github.com/xitongsys/parquet-go":          {"generate"},                // writing; users' files are not read with it
	"github.com/apache/arrow-go":               {"internal/source/parquet"}, // reading
	"github.com/expr-lang/expr":                {"convert"},
	"go.yaml.in/yaml":                          {"convert"},
	"github.com/urfave/cli/v2":                 {"cmd/export2batch"},
	"github.com/chromedp":                      {}, // only tests
	"os/signal":                                {"cmd/export2batch"},
	"flag":                                     {},
}

// TestImportDirections holds the layers: commands, pipeline, stages, leaves.
func TestImportDirections(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, module+"/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module+"/")
		allowed, ok := layers[pkg]
		if !ok {
			t.Errorf("%s is in no layer: add it to this test", pkg)
		}
		for _, imported := range words[1:] {
			if rest, ok := strings.CutPrefix(imported, module+"/"); ok && !slices.Contains(allowed, rest) {
				t.Errorf("%s must not import %s", pkg, rest)
			}
			for library, users := range onlyIn {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(users, pkg) {
					t.Errorf("%s must not import %s", pkg, imported)
				}
			}
		}
	}
}
