//go:build linux && !race

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
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
	out, code, peak := measured(t, "partition", "--jobs", "2", "--memory", "64MiB", "-o", filepath.Join(dir, "out"), input)
	if code != 0 || peak > memory {
		t.Errorf("exit code %d, %d MiB of resident memory at the peak, %d are allowed\n%s", code, peak>>20, memory>>20, out)
	}
	t.Logf("%d MiB of resident memory at the peak", peak>>20)
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
