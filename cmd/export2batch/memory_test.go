//go:build linux && !race

package main

import (
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// peak runs the program and returns what it printed, its exit code, and the
// most memory it had resident, in bytes. What wait4 tells of that would include
// the test's own, from before the program was loaded.
func peak(t *testing.T, args ...string) (stdout string, code int, rss int64) {
	t.Helper()
	cmd := exec.Command("export2batch", append([]string{"--quiet"}, args...)...)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait() // its exit code is looked at
		close(ended)
	}()
	status := fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)
	for {
		select {
		case <-ended:
			return out.String(), cmd.ProcessState.ExitCode(), rss
		default:
		}
		text, _ := os.ReadFile(status) // gone when the program is
		_, after, _ := strings.Cut(string(text), "VmHWM:")
		var kB int64
		if _, err := fmt.Sscan(after, &kB); err == nil && strings.Contains(string(text), "Name:\texport2batch\n") {
			rss = max(rss, kB<<10)
		}
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
		out, code, rss := peak(t, "convert", "--jobs", "2", "--compress", compress, "-o", filepath.Join(dir, compress), in)
		if code != 3 || !strings.Contains(out, "6 read from 2 files = 4 written + 2 rejected") {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		if rss < 60e6 || rss > 150e6 { // a line and its event take 64 MiB
			t.Errorf("--compress %s: %d MB resident", compress, rss/1e6)
		}
	}
}

// TestPartitionMemory wants --memory to bound what is resident.
func TestPartitionMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("150 MB of events")
	}
	dir := t.TempDir()
	export, events := filepath.Join(dir, "export"), filepath.Join(dir, "events")
	peak(t, "generate", "--format", "dir", "--events", "120000", "--seed", "7", "-o", export)
	peak(t, "convert", "--compress", "none", "-o", events, export)
	if _, code, rss := peak(t, "partition", "--memory", "64MiB", "-o", filepath.Join(dir, "out"), events); code != 0 || rss < 20<<20 || rss > 64<<20 {
		t.Errorf("exit code %d, %d MiB resident with --memory 64MiB", code, rss>>20)
	}
}
