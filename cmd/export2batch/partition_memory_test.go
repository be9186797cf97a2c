//go:build linux && !race

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestPartitionStaysWithinItsMemory measures the peak resident memory of the
// real command over events of 20 times the memory it may take.
func TestPartitionStaysWithinItsMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 1.3 GB of text")
	}
	const memory = 64 << 20
	dir := t.TempDir()
	input := filepath.Join(dir, "events.ndjson.zst")
	if text := writeManyEvents(t, input, 20*memory); text < 20*memory {
		t.Fatalf("only %d bytes of events", text)
	}
	out, err := exec.Command("export2batch-peak", "--quiet", "partition", "--jobs", "2", "--memory", "64MiB", "-o", filepath.Join(dir, "out"), input).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var peak int64
	if _, at, ok := bytes.Cut(out, []byte("VmHWM:")); !ok {
		t.Fatalf("no peak in %s", out)
	} else if _, err := fmt.Sscanf(string(at), "%d kB", &peak); err != nil {
		t.Fatal(err)
	}
	if peak <<= 10; peak > memory {
		t.Errorf("%d MiB of resident memory at the peak, %d are allowed", peak>>20, memory>>20)
	}
	t.Logf("%d MiB of resident memory at the peak", peak>>20)
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

// writeManyEvents writes events until they have that many bytes: most of 8 KiB,
// one in a hundred of 200.
func writeManyEvents(t *testing.T, path string, size int) (text int) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	enc, err := zstd.NewWriter(file, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriterSize(enc, 1<<20)
	rnd := rand.New(rand.NewPCG(1, 2))
	words := make([]byte, 64<<10)
	for i := range words {
		words[i] = "etaoin shrdlu"[rnd.IntN(13)]
	}
	for n := 0; text < size; n++ {
		long := 8 << 10
		if n%100 == 0 {
			long = 200 << 10
		}
		person := rnd.IntN(10_000)
		m, err := fmt.Fprintf(out, `{"user_id":"user-%d","device_id":"device-%d","event_type":"e","time":%d,"insert_id":"%d","event_properties":{"text":"%s"}}`+"\n",
			person, person, 1_700_000_000_000+rnd.IntN(1e9), n, bytes.Repeat(words[rnd.IntN(60<<10):][:4<<10], long>>12))
		if err != nil {
			t.Fatal(err)
		}
		text += m
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return text
}
