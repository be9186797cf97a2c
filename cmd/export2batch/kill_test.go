package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"export2batch/internal/pipeline"
)

// TestRunSurvivesKill kills a run with SIGKILL as soon as one of the files it
// writes is there or has grown, each time later in the run, and wants the same
// command to finish it with an empty proof and each event accepted once.
func TestRunSurvivesKill(t *testing.T) {
	if _, err := exec.LookPath("export2batch"); err != nil {
		t.Fatal(err) // testscript.Main puts it on the path
	}
	dir := t.TempDir()
	zip := filepath.Join(dir, "export.zip")
	if out, err := exec.Command("export2batch", "generate", "-o", zip, "--events", "3000", "--seed", "5").CombinedOutput(); err != nil {
		t.Fatalf("generate: %v\n%s", err, out)
	}
	work := filepath.Join(dir, "work")
	run := func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, "export2batch", "--json", "run", "-w", work, "--events-per-request", "50", zip)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	killed := 0
	for _, at := range []struct {
		file string
		size int64
	}{
		{"convert/.unfinished", 1000},
		{"convert/.unfinished", 10_000},
		{"convert/manifest.json", 0},
		{"validate/manifest.json", 0},
		{"partition/.work/part-0000", 0},
		{"partition/manifest.json", 0},
		{"upload/journal", 0},
		{"sandbox/ledger.ndjson", 1},
		{"sandbox/ledger.ndjson", 100_000},
		{"sandbox/ledger.ndjson", 250_000},
	} {
		cmd := run(ctx)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for alive := true; alive; {
			info, err := os.Stat(filepath.Join(work, at.file))
			if err == nil && info.Size() >= at.size {
				cmd.Process.Kill()
			}
			select {
			case <-ended:
				alive = false
			default:
				runtime.Gosched()
			}
		}
		if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			killed++
		}
	}
	if t.Logf("%d runs were killed", killed); killed == 0 {
		t.Error("no run could be killed")
	}
	out, err := run(ctx).Output()
	if err != nil {
		t.Fatalf("the last run: %v\n%s", err, out)
	}
	var s pipeline.Summary
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	if !s.Proof.Holds() || s.Proof.Events != s.Upload.Accepted || s.Upload.Pending != 0 || s.Upload.Accepted == 0 {
		t.Errorf("proof %+v, upload %+v", *s.Proof, *s.Upload)
	}
}
