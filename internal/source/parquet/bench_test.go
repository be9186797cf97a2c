package parquet

import (
	"os"
	"testing"
)

// BenchmarkRead reads a Snowflake-like file, or the one that PARQUET_FILE
// names, to its lines. MB/s are of lines.
func BenchmarkRead(b *testing.B) {
	path := os.Getenv("PARQUET_FILE")
	if path == "" {
		path = "testdata/snowflake.parquet"
	}
	r, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var rows, size int64
	for b.Loop() {
		f, err := Open(r, info.Size(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		lines := f.Read()
		size = 0
		for range f.Rows() {
			line, err := lines.Next()
			if err != nil {
				b.Fatal(err)
			}
			size += int64(len(line))
		}
		rows += f.Rows()
		lines.Close()
	}
	b.SetBytes(size)
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
