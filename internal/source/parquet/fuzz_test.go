package parquet

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	pq "github.com/apache/arrow-go/v18/parquet"
)

// FuzzRead reads whatever the bytes are: rows, or a refusal.
func FuzzRead(f *testing.F) {
	for _, version := range []pq.DataPageVersion{pq.DataPageV1, pq.DataPageV2} {
		data, _ := layout(f, 8, "dictionary", "none", version)
		f.Add(data)
	}
	if data, err := os.ReadFile(filepath.Join("testdata", "map.parquet")); err == nil {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := read(data, Options{}); err != nil && !errors.As(err, new(*Refusal)) {
			t.Error(err)
		}
	})
}

// FuzzThrift reads page headers and footers: what is read lies in the bytes,
// and reading it again gives the same.
func FuzzThrift(f *testing.F) {
	data, _ := layout(f, 8, "plain", "none", pq.DataPageV2)
	f.Add(data[4:60])
	f.Add(footer(3, 2, func(int) byte { return 0 }))
	f.Add(bytes.Repeat([]byte{0x1c}, 40))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, n, err := readPageHeader(data)
		if err == nil {
			if n < 1 || n > len(data) {
				t.Fatalf("a header of %d bytes in %d", n, len(data))
			}
			if again, m, err := readPageHeader(data[:n]); err != nil || m != n || again != h {
				t.Errorf("read again: %+v, %d, %v", again, m, err)
			}
		}
		if err := checkFooter(data); err != nil && !errors.As(err, new(*Refusal)) {
			t.Error(err)
		}
	})
}
