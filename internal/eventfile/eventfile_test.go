package eventfile_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"export2batch/internal/durable"
	"export2batch/internal/durable/faultfs"
	"export2batch/internal/eventfile"
)

var compressions = []eventfile.Compression{eventfile.Zstd, eventfile.Gzip, eventfile.None}

// text is a few hundred kilobytes of lines that compress.
func text() []byte {
	var b bytes.Buffer
	for i := range 5000 {
		fmt.Fprintf(&b, "{\"insert_id\":\"%x\",\"time\":%d,\"event_type\":\"type %d\"}\n", sha256.Sum256([]byte{byte(i), byte(i >> 8)}), i, i%7)
	}
	return b.Bytes()
}

// store writes data in pieces.
func store(t *testing.T, c eventfile.Compression, data []byte, piece int) (eventfile.Info, []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x"+c.Suffix())
	w, err := eventfile.Create(durable.OS, path, "events/x"+c.Suffix(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i := 0; i < len(data); i += piece {
		if err := w.Write(data[i:min(i+piece, len(data))]); err != nil {
			t.Fatal(err)
		}
	}
	info, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return info, stored
}

func unpack(t *testing.T, c eventfile.Compression, stored []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(stored)
	switch c {
	case eventfile.Zstd:
		d, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		r = d
	case eventfile.Gzip:
		d, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = d
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRoundTrip(t *testing.T) {
	for _, c := range compressions {
		for _, data := range [][]byte{text(), nil} {
			info, stored := store(t, c, data, 1000)
			if got := unpack(t, c, stored); !bytes.Equal(got, data) {
				t.Errorf("%s: %d bytes came back, want %d", c, len(got), len(data))
			}
			sum := sha256.Sum256(stored)
			want := eventfile.Info{Name: "events/x" + c.Suffix(), Bytes: int64(len(stored)), SHA256: hex.EncodeToString(sum[:]), Lines: info.Lines} // see TestLinesAreChained
			if info != want {
				t.Errorf("%s: info %+v, want %+v", c, info, want)
			}
		}
	}
}

// TestSameLinesSameBytes also uses encoders that other files were written with.
func TestSameLinesSameBytes(t *testing.T) {
	data := text()
	for _, c := range compressions {
		_, want := store(t, c, data, len(data))
		for _, piece := range []int{100, 4096, 70_000} {
			store(t, c, bytes.Repeat([]byte("something else\n"), piece), piece)
			if _, got := store(t, c, data, piece); !bytes.Equal(got, want) {
				t.Errorf("%s in pieces of %d: other bytes", c, piece)
			}
		}
	}
}

func TestCounts(t *testing.T) {
	w, err := eventfile.Create(durable.OS, filepath.Join(t.TempDir(), "x"), "x", eventfile.None)
	if err != nil {
		t.Fatal(err)
	}
	for _, time := range []int64{5, -3, 9, 0} {
		w.Count(time)
	}
	info, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if info.Events != 4 || *info.FirstTime != -3 || *info.LastTime != 9 {
		t.Errorf("%d events from %d to %d", info.Events, *info.FirstTime, *info.LastTime)
	}
}

func TestOneTimeIsFirstAndLast(t *testing.T) {
	w, err := eventfile.Create(durable.OS, filepath.Join(t.TempDir(), "x"), "x", eventfile.None)
	if err != nil {
		t.Fatal(err)
	}
	w.Count(0) // 1970 is a time, not the absence of one
	info, err := w.Commit()
	if err != nil || info.FirstTime == nil || *info.FirstTime != 0 || *info.LastTime != 0 {
		t.Errorf("info %+v, %v", info, err)
	}
}

func TestUnknownCompression(t *testing.T) {
	dir := t.TempDir()
	if _, err := eventfile.Create(durable.OS, filepath.Join(dir, "x"), "x", "lz4"); err == nil || !strings.Contains(err.Error(), `"lz4"`) {
		t.Errorf("error %v", err)
	}
	if names, _ := os.ReadDir(dir); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
	if eventfile.Compression("").Validate() == nil || eventfile.Zstd.Validate() != nil {
		t.Error("Validate is wrong")
	}
}

func TestEveryFaultLeavesNothing(t *testing.T) {
	data := text()[:100_000]
	for _, c := range compressions {
		for n := 1; ; n++ {
			dir := t.TempDir()
			f, err := faultfs.New(dir)
			if err != nil {
				t.Fatal(err)
			}
			f.FailAt(n, syscall.ENOSPC)
			err = func() error {
				w, err := eventfile.Create(f, filepath.Join(dir, "x"), "x", c)
				if err != nil {
					return err
				}
				defer w.Abort()
				for half := range slices.Chunk(data, len(data)/2) {
					if err := w.Write(half); err != nil {
						return err
					}
				}
				_, err = w.Commit()
				return err
			}()
			if !f.Failed() {
				if err != nil {
					t.Errorf("%s without a fault: %v", c, err)
				}
				break
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%s, fault %d: error %v", c, n, err)
			}
			names, _ := os.ReadDir(dir)
			last := strings.HasPrefix(f.Operations()[n-1], "syncdir")
			if len(names) > 0 && !last {
				t.Errorf("%s, fault %d: left behind %v", c, n, names)
			}
			if last {
				if stored, err := os.ReadFile(filepath.Join(dir, "x")); err != nil || !bytes.Equal(unpack(t, c, stored), data) {
					t.Errorf("%s: the file whose folder was not synced is not whole", c)
				}
			}
		}
	}
}

// TestLinesAreChained holds that the checksum tells lines and their order,
// whatever is written at once and however it is stored.
func TestLinesAreChained(t *testing.T) {
	var want eventfile.Chain
	for _, line := range []string{"one", "", "three"} {
		want = want*0x9E3779B97F4A7C15 + eventfile.Chain(xxhash.Sum64String(line))
	}
	for _, c := range compressions {
		for _, pieces := range [][]string{{"one\n", "\nthree\n"}, {"one\n\nthree\n"}, {"one\n", "", "\n", "three\n"}} {
			w, err := eventfile.Create(durable.OS, filepath.Join(t.TempDir(), "x"), "x", c)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range pieces {
				if err := w.Write([]byte(p)); err != nil {
					t.Fatal(err)
				}
			}
			info, err := w.Commit()
			if err != nil || info.Lines != want {
				t.Errorf("%s, %q: %x instead of %x, %v", c, pieces, info.Lines, want, err)
			}
			data, err := json.Marshal(info)
			var back eventfile.Info
			if err != nil || json.Unmarshal(data, &back) != nil || back.Lines != want {
				t.Errorf("%s: %v", data, err)
			}
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	data := text()
	for _, c := range compressions {
		b.Run(string(c), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "x")
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				w, err := eventfile.Create(durable.OS, path, "x", c)
				if err != nil {
					b.Fatal(err)
				}
				if err := w.Write(data); err != nil {
					b.Fatal(err)
				}
				if _, err := w.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
