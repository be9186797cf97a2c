package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"export2batch/internal/testfile"
)

// TestTakeIsNext holds Take, with Next for what it leaves, to Next alone.
func TestTakeIsNext(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	text := func(lines, longest int) []byte {
		var b []byte
		for i := range lines {
			b = fmt.Appendf(b, "%d %s\n", i, bytes.Repeat([]byte{'x'}, rng.IntN(longest)))
		}
		return b
	}
	mixed := append(append(text(3000, 2), text(3, 3*firstBuffer)...), text(1500, 1000)...)
	for _, tt := range []struct {
		name string
		data []byte
	}{
		{"short", text(200_000, 6)},
		{"events", text(3000, 2000)},
		{"about a buffer", text(12, 2*firstBuffer)},
		{"mixed", mixed},
		{"mixed, cut off", mixed[:len(mixed)-5]},
		{"BOM", append([]byte("\xef\xbb\xbf"), mixed...)},
		{"gzip", testfile.Gzip(t, string(mixed))},
		{"gzip, damaged", testfile.Gzip(t, string(mixed))[:3000]},
		{"blank lines", bytes.Repeat([]byte("\n"), 5000)},
		{"empty", nil},
		{"too long", append(append(text(2000, 500), bytes.Repeat([]byte{'y'}, MaxLine+firstBuffer)...), "\n{}\n{}"...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := only(t, put(t, t.TempDir(), "x.json", tt.data))
			want, wantErr := allLines(t, in, false)
			got, err := allLines(t, in, true)
			mustEqual(t, "lines", got, want)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("ends with %v, want %v", err, wantErr)
			}
		})
	}
}

// allLines reads an input to its end. With take it keeps what Take gave until
// then, and spoils the buffers it gives.
func allLines(t *testing.T, in *Input, take bool) (all []string, err error) {
	t.Helper()
	l, err := in.Lines()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const most = 1000
	kept := map[int64][]byte{} // by the number of the line
	var spare []byte
	for n := int64(1); ; n++ {
		if take {
			text, ends := l.Take(spare, nil, most)
			start := 0
			for _, end := range ends {
				kept[n] = text[start:end]
				if text[end] != '\n' {
					t.Fatalf("no newline behind line %d", n)
				}
				start = end + 1
				n++
			}
			if len(ends) > most || len(ends) > 0 && start != len(text) || l.Number() != n-1 {
				t.Fatalf("%d lines with %d bytes of %d, up to number %d, want %d", len(ends), start, len(text), l.Number(), n-1)
			}
			if spare = nil; len(ends) == 0 || n%3 == 0 {
				spare = bytes.Repeat([]byte{'z'}, firstBuffer+int(n%5)*50_000) // some have been more
			}
			if len(ends) > 0 {
				n--
				continue
			}
		}
		line, err := l.Next()
		if errors.Is(err, ErrTooLong) {
			var size countingWriter
			if _, err := l.CopyLong(&size); err != nil {
				t.Fatal(err)
			}
			line, err = fmt.Appendf(nil, "%d bytes", size.all), nil
		}
		if len(line) > 0 || err == nil {
			kept[n] = bytes.Clone(line)
		}
		if err != nil {
			for i := range int64(len(kept)) {
				all = append(all, string(kept[i+1]))
			}
			if err == io.EOF {
				err = nil
			}
			return all, err
		}
	}
}
