package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"export2batch/internal/durable"
	"export2batch/internal/durable/faultfs"
)

func line(n int64) string {
	return fmt.Sprintf(`{"seq":%d,"text":"%s"}`, n, strings.Repeat("x", int(n%50)))
}

// add appends the lines from first to last, received at ten times their number.
func add(l *Log, first, last int64) {
	for n := first; n <= last; n++ {
		l.Append([]byte(line(n)+"\n"), n, 10*n)
	}
}

func open(t testing.TB, path string, last int64) (*Log, []string) {
	t.Helper()
	var lines []string
	l, err := Open(FileOptions{FS: durable.OS, Path: path, Last: last, Each: func(line []byte) error {
		lines = append(lines, string(line))
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return l, lines
}

func numbers(from, to int64) (all []string) {
	for n := from; n <= to; n++ {
		all = append(all, line(n))
	}
	return all
}

func each(t testing.TB, l *Log, from, to int64) (lines []string) {
	t.Helper()
	r, err := l.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Each(from, to, func(line []byte) error {
		lines = append(lines, string(line))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("line %d is %s, want %s", i+1, got[i], want[i])
		}
	}
}

const many = 30_000 // several blocks

func TestLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	file, _ := open(t, path, 0)
	for name, l := range map[string]*Log{"memory": NewMemory(1 << 30), "file": file} {
		t.Run(name, func(t *testing.T) {
			add(l, 1, many)
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			add(l, many+1, many+10)
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			if len(l.blocks) < 3 {
				t.Fatalf("%d blocks", len(l.blocks))
			}
			same(t, each(t, l, 0, 1<<62), numbers(1, many+10))
			if some := each(t, l, 10*many, 10*many+1); len(some) == 0 || len(some) > many/2 {
				t.Errorf("%d lines around one moment", len(some))
			}
			if got := l.Bytes(0, 10); got != 0 {
				t.Errorf("%d bytes before the first line", got)
			}
			size := l.Size()
			if size.Lines != l.Bytes(0, 1<<62) || size.Held == 0 || size.Held > size.Lines/2 || size.Latest != 10*(many+10) {
				t.Errorf("size %+v", size)
			}
			r, err := l.Reader()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for _, n := range []int64{many + 10, 1, 2, many / 2, many} {
				if got, err := r.Line(n); err != nil || string(got) != line(n) {
					t.Errorf("line %d is %s, %v", n, got, err)
				}
			}
			for _, n := range []int64{0, many + 11} {
				if got, err := r.Line(n); err != nil || got != nil {
					t.Errorf("line %d is %s, %v", n, got, err)
				}
			}
		})
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	// The file is one that zstd's own tools read.
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	zr, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	text, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	same(t, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), numbers(1, many+10))
	again, lines := open(t, path, many+10)
	defer again.Close()
	same(t, lines, numbers(1, many+10))
	same(t, each(t, again, 0, 1<<62), lines)
}

// TestForgets fills the memory: the oldest go, and it is said up to when.
func TestForgets(t *testing.T) {
	t.Parallel()
	l := NewMemory(20_000)
	for n := int64(1); n <= 10*many; n += 1000 {
		add(l, n, n+999)
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	size := l.Size()
	lines := each(t, l, 0, 1<<62)
	first := 10*many - int64(len(lines)) + 1
	if size.Held > 20_000 || size.Forgotten != 10*(first-1) || first == 1 || len(lines) == 0 {
		t.Fatalf("%+v, %d lines", size, len(lines))
	}
	same(t, lines, numbers(first, 10*many))
}

// TestConcurrent appends and flushes from several sides while others read.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	l := NewMemory(1 << 30)
	var wg sync.WaitGroup
	var taking sync.Mutex
	next := int64(1)
	for range 4 {
		wg.Go(func() {
			for range 50 {
				taking.Lock()
				add(l, next, next+199)
				next += 200
				taking.Unlock()
				if err := l.Flush(); err != nil {
					t.Error(err)
				}
				r, err := l.Reader()
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := r.Line(200); err != nil || string(got) != line(200) {
					t.Errorf("%s, %v", got, err)
				}
				r.Close()
			}
		})
	}
	wg.Wait()
	same(t, each(t, l, 0, 1<<62), numbers(1, next-1))
}

// TestLast opens a file that a killed process left: what is behind the last
// number that counts is gone for good, also after new lines under the same
// numbers, and where only some of them are written.
func TestLast(t *testing.T) {
	t.Parallel()
	for last := int64(0); last <= 30; last++ {
		path := filepath.Join(t.TempDir(), "log")
		l, _ := open(t, path, 0)
		for n := int64(1); n < 30; n += 10 {
			add(l, n, n+9)
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l, lines := open(t, path, last)
		same(t, lines, numbers(1, last))
		same(t, each(t, l, 0, 1<<62), lines)
		add(l, last+2, last+3) // last+1 is left out
		if err := errors.Join(l.Flush(), l.Close()); err != nil {
			t.Fatal(err)
		}
		want := append(numbers(1, last), numbers(last+2, last+3)...)
		for range 2 {
			l, lines = open(t, path, last+3)
			same(t, lines, want)
			same(t, each(t, l, 0, 1<<62), want)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTorn cuts a file at every byte: a block that counts must be whole, one
// that does not is cut off.
func TestTorn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	l, _ := open(t, path, 0)
	add(l, 1, 5)
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	whole := l.end
	add(l, 6, 9)
	if err := errors.Join(l.Flush(), l.Close()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := whole; size < int64(len(data)); size++ {
		if err := os.WriteFile(path, data[:size], 0o666); err != nil {
			t.Fatal(err)
		}
		l, lines := open(t, path, 5)
		same(t, lines, numbers(1, 5))
		add(l, 6, 7)
		if err := errors.Join(l.Flush(), l.Close()); err != nil {
			t.Fatal(err)
		}
		l, lines = open(t, path, 7)
		same(t, lines, numbers(1, 7))
		l.Close()
	}
	for at := range data {
		bad := bytes.Clone(data)
		bad[at] ^= 0x10
		if err := os.WriteFile(path, bad, 0o666); err != nil {
			t.Fatal(err)
		}
		var lines []string
		l, err := Open(FileOptions{FS: durable.OS, Path: path, Last: 9, Each: func(line []byte) error {
			lines = append(lines, string(line))
			return nil
		}})
		if err == nil {
			same(t, lines, numbers(1, 9)) // zstd has a bit without meaning
			l.Close()
		}
	}
}

// TestDiskFails fails each operation in turn: what was flushed is there.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "log")
		fsys, err := faultfs.New(dir)
		if err != nil {
			t.Fatal(err)
		}
		fsys.FailAt(n, syscall.ENOSPC)
		flushed := int64(0)
		l, err := Open(FileOptions{FS: fsys, Path: path, Each: func([]byte) error { return nil }})
		if err == nil {
			err = fsys.SyncDir(dir)
			for i := int64(1); i <= 21 && err == nil; i += 10 {
				add(l, i, i+9)
				if err = l.Flush(); err == nil {
					flushed = i + 9
				}
			}
			err = errors.Join(err, l.Close())
		}
		if !fsys.Failed() {
			if err != nil || flushed != 30 {
				t.Fatal(err, flushed)
			}
			return
		}
		if err == nil {
			t.Fatalf("operation %d failed, and nobody said so", n)
		}
		if err := fsys.Crash(); err != nil {
			t.Fatal(err)
		}
		l, lines := open(t, path, flushed)
		same(t, lines, numbers(1, flushed))
		l.Close()
	}
}

// events makes lines of 1 KB with ids and values that differ.
func events(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([][]byte, n)
	for i := range all {
		b := fmt.Appendf(nil, `{"seq":%d,"request":%d,"event":{"insert_id":"%016x-%08x","user_id":"user-%d","device_id":"%016x","event_type":"product viewed","time":17000%d,"event_properties":{`,
			i, i, r.Uint64(), i, r.IntN(100_000), r.Uint64(), r.Uint32())
		for k := 0; len(b) < 980; k++ {
			b = fmt.Appendf(b, `"property %d":"value %d",`, k, r.IntN(1000))
		}
		all[i] = append(b, `"z":1}}}`+"\n"...)
	}
	return all
}

// BenchmarkAppend appends batches of lines, each batch flushed.
func BenchmarkAppend(b *testing.B) {
	pool := events(20_000)
	for _, batch := range []int{1000, 10} {
		for _, where := range []string{"memory", "file"} {
			b.Run(fmt.Sprintf("%s/%d", where, batch), func(b *testing.B) {
				l := NewMemory(1 << 40)
				if where == "file" {
					l, _ = open(b, filepath.Join(b.TempDir(), "log"), 0)
				}
				b.SetBytes(int64(batch * len(pool[0])))
				b.ReportAllocs()
				for i := range b.N {
					for k := range batch {
						n := i*batch + k
						l.Append(pool[n%len(pool)], int64(n), int64(n))
					}
					if err := l.Flush(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "lines/s")
				b.ReportMetric(float64(l.Size().Held)/float64(b.N*batch), "B/line")
				l.Close()
			})
		}
	}
}
