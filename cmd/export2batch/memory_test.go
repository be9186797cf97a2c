//go:build linux && !race

package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// measured runs the program and returns what it printed, its exit code, and the
// most memory it had resident, in bytes.
func measured(t *testing.T, args ...string) (stdout string, code int, peak int64) {
	t.Helper()
	cmd := exec.Command("export2batch-peak", append([]string{"--quiet"}, args...)...)
	out, _ := cmd.Output() // its exit code is returned
	stdout, status, _ := strings.Cut(string(out), "Name:")
	_, status, _ = strings.Cut(status, "VmHWM:")
	if _, err := fmt.Sscanf(status, "%d kB", &peak); err != nil {
		t.Fatalf("no peak in %s", out)
	}
	return stdout, cmd.ProcessState.ExitCode(), peak << 10
}

// The system's account of a child counts what its parent had when it started
// it, so the command tells its peak itself.
func init() {
	commands["export2batch-peak"] = func() {
		code := run(context.Background(), os.Args, system{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv})
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			code = 1
		}
		os.Stdout.Write(status)
		os.Exit(code)
	}
}

// TestConvertMemory wants the bound of the README where lines are as long as
// they may be: the inputs take turns with them.
func TestConvertMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("190 MB of text")
	}
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	if err := os.Mkdir(in, 0o777); err != nil {
		t.Fatal(err)
	}
	for file := range 2 {
		f, err := os.Create(filepath.Join(in, fmt.Sprint(file, ".json.gz")))
		if err != nil {
			t.Fatal(err)
		}
		w, _ := gzip.NewWriterLevel(f, gzip.BestSpeed)
		for n := range 3 {
			value := strings.Repeat("x", 31<<20)
			if n == 1 { // not JSON, and twice as long when quoted
				value = strings.Repeat(`x"`, 31<<19)
			}
			fmt.Fprintf(w, `{"event_type":"a","user_id":"u","event_time":"2023-01-02 00:00:00","$insert_id":"%d-%d","city":"%s"}`+"\n", file, n, value)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, compress := range []string{"none", "zst"} {
		out, code, rss := measured(t, "convert", "--jobs", "2", "--compress", compress, "-o", filepath.Join(dir, compress), in)
		if code != 3 || !strings.Contains(out, "6 read from 2 files = 4 written + 2 rejected") {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		if rss < 60e6 || rss > 150e6 { // a line and its event take 64 MiB
			t.Errorf("--compress %s: %d MB resident", compress, rss/1e6)
		}
	}
}
