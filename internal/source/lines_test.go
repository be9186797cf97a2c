package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"export2batch/internal/testfile"
)

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name string
		data []byte
		want []string
	}{
		{"text", []byte("{}\n{}\n"), []string{"{}", "{}"}},
		{"no newline at the end", []byte("{}\n{\"a\":1}"), []string{"{}", `{"a":1}`}},
		{"CRLF", []byte("{}\r\n{}\r\n"), []string{"{}\r", "{}\r"}},
		{"blank lines are lines", []byte("\n\n{}\n\n"), []string{"", "", "{}", ""}},
		{"BOM", []byte("\xef\xbb\xbf{}\n{}\n"), []string{"{}", "{}"}},
		{"BOM only at the start", []byte("{}\n\xef\xbb\xbf{}\n"), []string{"{}", "\xef\xbb\xbf{}"}},
		{"BOM alone", []byte("\xef\xbb\xbf"), nil},
		{"gzip", testfile.Gzip(t, "{}\n{}\n"), []string{"{}", "{}"}},
		{"gzip with BOM", testfile.Gzip(t, "\xef\xbb\xbf{}\n"), []string{"{}"}},
		{"gzip with BOM in two members", append(testfile.Gzip(t, "\xef"), testfile.Gzip(t, "\xbb\xbf{}\n")...), []string{"{}"}},
		{"gzip, several members", bytes.Join([][]byte{testfile.Gzip(t, "{}\n{\"a\""), testfile.Gzip(t, ""), testfile.Gzip(t, ":1}\n{}\n")}, nil), []string{"{}", `{"a":1}`, "{}"}},
		{"zstd", zst(t, "{}\n{}\n"), []string{"{}", "{}"}},
		{"zstd, several frames", bytes.Join([][]byte{zst(t, "{}\n{\"a\""), {0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'x', 'x'}, zst(t, ":1}\n{}\n")}, nil), []string{"{}", `{"a":1}`, "{}"}},
		{"zstd, skippable frame first", append([]byte{0x5f, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'}, zst(t, "{}\n")...), []string{"{}"}},
		{"empty", nil, nil},
		{"gzip of nothing", testfile.Gzip(t, ""), nil},
		{"zstd of nothing", zst(t, ""), nil},
		{"not JSON, but named so", []byte("hello\n"), []string{"hello"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := only(t, put(t, t.TempDir(), "x.json", tt.data))
			got, damage := lines(t, in)
			if damage != nil {
				t.Error(damage)
			}
			mustEqual(t, "file", got, tt.want)

			// The same by standard input, which gives one byte at a time.
			set, err := Expand([]string{"-"}, Options{Stdin: iotest.OneByteReader(bytes.NewReader(tt.data))})
			if err != nil {
				t.Fatal(err)
			}
			got, damage = lines(t, &set.Inputs[0])
			if damage != nil {
				t.Error(damage)
			}
			mustEqual(t, "standard input", got, tt.want)
			if set.Inputs[0].Name != "stdin" || set.Inputs[0].File != "-" {
				t.Errorf("named %q of %q", set.Inputs[0].Name, set.Inputs[0].File)
			}
		})
	}
}

func TestDamage(t *testing.T) {
	text := numbered(2000)
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	packed, frame := testfile.Gzip(t, text), zst(t, text)
	named := append([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3}, "a-long-name.json"...) // its end is cut
	wrong := bytes.Clone(packed)
	wrong[len(wrong)-8]++
	broken := bytes.Clone(packed)
	copy(broken[len(broken)/2:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	for _, tt := range []struct {
		name   string
		data   []byte
		least  int    // whole lines before the damage
		reason string // in the message
	}{
		{"gzip cut in the middle", packed[:len(packed)/2], 500, "cut short"},
		{"gzip cut in its checksum", packed[:len(packed)-4], 2000, "cut short"},
		{"gzip cut in its header", packed[:5], 0, "cut short"},
		{"gzip cut in the name of its header", named, 0, "cut short"},
		{"gzip that is none", []byte("\x1f\x8b\x07 and more text"), 0, "damaged at its start"},
		{"gzip with garbage behind", append(bytes.Clone(packed), "garbage, not gzip"...), 2000, "not gzip stand behind"},
		{"gzip with zeros behind", append(bytes.Clone(packed), make([]byte, 512)...), 2000, "not gzip stand behind"},
		{"gzip with the wrong checksum", wrong, 2000, "checksum"},
		{"gzip damaged in the middle", broken, 100, "damaged"},
		{"gzip, second member cut", append(bytes.Clone(packed), packed[:len(packed)/2]...), 2500, "cut short"},
		{"zstd cut", frame[:len(frame)-10], 0, "cut short"},
		{"zstd, second frame cut", append(bytes.Clone(frame), frame[:len(frame)-10]...), 2000, "cut short"},
		{"zstd with garbage behind", append(bytes.Clone(frame), "garbage"...), 2000, "damaged"},
		{"zstd with the wrong checksum", append(bytes.Clone(frame[:len(frame)-1]), frame[len(frame)-1]^1), 0, "checksum"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := put(t, t.TempDir(), "x", tt.data)
			in := only(t, path)
			got, damage := lines(t, in)
			if damage == nil {
				t.Fatal("no damage is reported")
			}
			if !strings.Contains(damage.Error(), tt.reason) {
				t.Errorf("reason %q, want %q", damage, tt.reason)
			}
			whole := len(got)
			if whole > 0 && strings.HasPrefix(got[whole-1], "cut: ") {
				whole--
			}
			if whole < tt.least || whole > 4000 {
				t.Errorf("%d lines before the damage, want %d", whole, tt.least)
			}
			if tt.name != "gzip damaged in the middle" { // which has no checksum to fail until its end
				for i := range whole {
					if got[i] != all[i%2000] {
						t.Fatalf("line %d is %q, want %q", i, got[i], all[i%2000])
					}
				}
			}
			// It is named by all of its bytes all the same.
			l, err := in.Lines()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			size, sum, err := l.Sum()
			want := sha256.Sum256(tt.data)
			if err != nil || size != int64(len(tt.data)) || sum != hex.EncodeToString(want[:]) {
				t.Errorf("%d bytes, sum %s, %v", size, sum, err)
			}
		})
	}
}

func TestDamageIsReportedAgain(t *testing.T) {
	packed := testfile.Gzip(t, "{}\n")
	in := only(t, put(t, t.TempDir(), "x", packed[:len(packed)-1]))
	l, err := in.Lines()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if line, err := l.Next(); string(line) != "{}" || err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	for range 3 {
		if line, err := l.Next(); len(line) > 0 || !errors.As(err, new(*DamageError)) {
			t.Errorf("%q, %v", line, err)
		}
	}
}

// repeated gives n bytes without holding them.
type repeated struct{ n int }

func (r *repeated) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), r.n)
	p[0] = 'x'
	for i := 1; i < n; i *= 2 {
		copy(p[i:n], p[:i])
	}
	r.n -= n
	return n, nil
}

// TestLongLines puts lines at the limit behind a short one, so that they do
// not begin where the buffer does.
func TestLongLines(t *testing.T) {
	for _, tt := range []struct {
		name  string
		extra int // bytes over the limit
		end   string
		next  string
	}{
		{"the limit", 0, "\n{}\n", "{}"},
		{"the limit, at the end", 0, "", ""},
		{"one more", 1, "\n{}\n", "{}"},
		{"one more, at the end", 1, "", ""},
		{"far more", 3 * firstBuffer, "\n{\"a\":1}", `{"a":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			size := MaxLine + tt.extra
			set, err := Expand([]string{"-"}, Options{Stdin: io.MultiReader(strings.NewReader("{\"first\":1}\n"), &repeated{size}, strings.NewReader(tt.end))})
			if err != nil {
				t.Fatal(err)
			}
			l, err := set.Inputs[0].Lines()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if line, err := l.Next(); string(line) != `{"first":1}` || err != nil {
				t.Fatalf("%q, %v", line, err)
			}
			line, err := l.Next()
			if tt.extra == 0 {
				if len(line) != size || err != nil {
					t.Fatalf("%d bytes, %v", len(line), err)
				}
			} else {
				if !errors.Is(err, ErrTooLong) {
					t.Fatalf("%d bytes, %v", len(line), err)
				}
				var sum countingWriter
				if n, err := l.CopyLong(&sum); n != int64(size) || sum.x != size || sum.all != size || err != nil {
					t.Fatalf("copied %d (%d of %d), want %d: %v", n, sum.x, sum.all, size, err)
				}
			}
			if l.Number() != 2 {
				t.Errorf("the long line has the number %d", l.Number())
			}
			if tt.next != "" {
				if line, err := l.Next(); string(line) != tt.next || err != nil || l.Number() != 3 {
					t.Errorf("line %d behind it: %q, %v", l.Number(), line, err)
				}
			}
			if line, err := l.Next(); len(line) > 0 || err != io.EOF {
				t.Errorf("at the end: %d bytes, %v", len(line), err)
			}
		})
	}
}

// countingWriter counts the bytes it gets, and how many of them are an x.
type countingWriter struct{ all, x int }

func (w *countingWriter) Write(p []byte) (int, error) {
	w.all += len(p)
	w.x += bytes.Count(p, []byte("x"))
	return len(p), nil
}

func TestLongLineThatIsCutOff(t *testing.T) {
	packed := zst(t, strings.Repeat(strings.Repeat("x", 1<<20), MaxLine>>20+1))
	in := only(t, put(t, t.TempDir(), "x", packed[:len(packed)-100]))
	l, err := in.Lines()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Next(); !errors.Is(err, ErrTooLong) {
		t.Fatal(err)
	}
	if n, err := l.CopyLong(io.Discard); n <= MaxLine || !errors.As(err, new(*DamageError)) {
		t.Errorf("copied %d, %v", n, err)
	}
}

func TestCopyLongThatCannotBeWritten(t *testing.T) {
	set, err := Expand([]string{"-"}, Options{Stdin: &repeated{MaxLine + 1}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := set.Inputs[0].Lines()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Next(); !errors.Is(err, ErrTooLong) {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	if _, err := l.CopyLong(failingWriter{full}); !errors.Is(err, full) || errors.As(err, new(*DamageError)) {
		t.Errorf("error %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestSumAndStored(t *testing.T) {
	data := testfile.Gzip(t, numbered(100))
	in := only(t, put(t, t.TempDir(), "x", data))
	if in.Size != int64(len(data)) {
		t.Errorf("size %d", in.Size)
	}
	l, err := in.Lines()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Next(); err != nil { // the rest is read by Sum
		t.Fatal(err)
	}
	size, sum, err := l.Sum()
	want := sha256.Sum256(data)
	if err != nil || size != int64(len(data)) || sum != hex.EncodeToString(want[:]) || l.Stored() != size {
		t.Errorf("%d bytes, sum %s, %v", size, sum, err)
	}
}

func BenchmarkLines(b *testing.B) {
	text := numbered(100_000)
	for name, data := range map[string][]byte{"text": []byte(text), "gzip": testfile.Gzip(b, text), "zstd": zst(b, text)} {
		b.Run(name, func(b *testing.B) {
			set, err := Expand([]string{put(b, b.TempDir(), "x", data)}, Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				l, err := set.Inputs[0].Lines()
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = l.Next()
				}
				if err != io.EOF {
					b.Fatal(err)
				}
				l.Close()
			}
		})
	}
}
