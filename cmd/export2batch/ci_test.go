package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"export2batch/internal/testfile"
)

// TestWorkflow runs the shell steps of examples/ci/github-actions.yml as a
// runner does, over event files that are right and then over one that is not.
func TestWorkflow(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	project, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(project, "examples", "ci", "github-actions.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Uses, Run string
				With      map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	var runs, uses []string
	report := ""
	for _, step := range workflow.Jobs["validate"].Steps {
		name, _, _ := strings.Cut(step.Uses, "@")
		switch {
		case step.Run != "":
			runs = append(runs, step.Run)
		default:
			uses = append(uses, name)
		}
		if name == "github/codeql-action/upload-sarif" {
			report = step.With["sarif_file"]
		}
	}
	if want := []string{"actions/checkout", "actions/checkout", "actions/setup-go", "github/codeql-action/upload-sarif"}; len(runs) != 2 || !slices.Equal(uses, want) {
		t.Fatalf("the steps run %q and use %q, want %q", runs, uses, want)
	}

	// What the checkouts leave behind: the repository, and in it the project.
	work, temp := t.TempDir(), t.TempDir()
	if err := os.Symlink(project, filepath.Join(work, ".export2batch")); err != nil {
		t.Skip(err)
	}
	write := func(name, text string) {
		t.Helper()
		testfile.Write(t, filepath.Join(work, name), text)
	}
	step := func(run string) (code int, out string) {
		t.Helper()
		script := filepath.Join(temp, "step.sh")
		if err := os.WriteFile(script, []byte(run), 0o666); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), bash, "-e", script) // as runs-on: ubuntu does
		cmd.Dir, cmd.Env = work, append(os.Environ(), "RUNNER_TEMP="+temp)
		printed, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(printed)
	}
	if code, out := step(runs[0]); code != 0 {
		t.Fatalf("%s: exit code %d: %s", runs[0], code, out)
	}
	const good = `{"event_type":"x","user_id":"user-1","time":1672628645678,"insert_id":"a"}` + "\n"
	write("events/good.ndjson", good)
	if code, out := step(runs[1]); code != 0 || strings.Contains(out, "::error") {
		t.Errorf("right events: exit code %d: %s", code, out)
	}
	write("events/bad.ndjson", strings.Replace(good, "user-1", "undefined", 1))
	code, out := step(runs[1])
	if code != 3 || !strings.Contains(out, "::error file=events/bad.ndjson,line=1,title=placeholder-id::") {
		t.Errorf("a wrong event: exit code %d: %s", code, out)
	}
	sarif, err := os.ReadFile(filepath.Join(work, report))
	if err != nil || !strings.Contains(string(sarif), `"ruleId":"placeholder-id"`) {
		t.Errorf("the report for code scanning: %v: %.200s", err, sarif)
	}
}
