package inflate

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// inflate decodes data with room for so many bytes at a time, keeping no more
// than the window, and returns the text and what stands behind the stream.
func inflate(src io.Reader, room int) (text, behind []byte, err error) {
	in := bufio.NewReaderSize(src, 4096)
	var d Decoder
	d.Reset(in)
	whole := make([]byte, 2*Window+room)
	buf := whole[:0]
	for {
		was := len(buf)
		buf, err = d.Append(buf[: was : was+room])
		text = append(text, buf[was:]...)
		if err != nil {
			break
		}
		if len(buf) == was {
			return text, nil, errors.New("no text and no error")
		}
		buf = whole[:len(buf)]
		if len(whole)-len(buf) < room {
			buf = buf[:copy(buf, buf[len(buf)-Window:])]
			clear(whole[Window:]) // nothing else may be looked at
		}
	}
	if err == io.EOF {
		behind, err = io.ReadAll(in)
	}
	return text, behind, err
}

func deflate(t testing.TB, text []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	// In parts, so that there are blocks of all kinds and empty ones.
	for i, n := 0, 0; i < len(text); i += n {
		n = min(len(text)-i, 1+i/3)
		w.Write(text[i : i+n])
		if i%5 == 0 {
			w.Flush()
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// texts are of all kinds that compressors treat differently.
func texts() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 200_000)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	var lines, skewed []byte
	for i := range 4000 {
		lines = fmt.Appendf(lines, `{"event_type":"%c","user_id":"u%d","n":%d,"city":null}`+"\n", 'a'+rune(i%7), r.IntN(90), r.Uint64())
	}
	for range 300_000 { // codes of up to 15 bits
		skewed = append(skewed, byte(min(r.ExpFloat64()*11, 255)))
	}
	repeats := map[string][]byte{}
	for _, n := range []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 258} {
		repeats[fmt.Sprintf("repeats of %d", n)] = bytes.Repeat(random[:n], 70_000/n)
	}
	repeats["empty"] = nil
	repeats["one byte"] = []byte("x")
	repeats["random"] = random
	repeats["lines"] = lines
	repeats["skewed"] = skewed
	repeats["far"] = append(append(bytes.Clone(random[:Window]), random[:300]...), random[1:Window]...)
	return repeats
}

func TestTexts(t *testing.T) {
	for name, text := range texts() {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, 6, flate.BestCompression} {
			data := append(deflate(t, text, level), "behind"...)
			for _, room := range []int{1, 257, 258, outputSlack, 5000, 1 << 20} {
				if room == 1 && len(text) > 80_000 {
					continue // it would take minutes
				}
				got, behind, err := inflate(bytes.NewReader(data), room)
				if err != nil || string(behind) != "behind" || !bytes.Equal(got, text) {
					t.Fatalf("%s, level %d, room %d: %d bytes of %d, %q behind, error %v", name, level, room, len(got), len(text), behind, err)
				}
			}
		}
	}
}

// TestInputInPieces reads one byte at a time: no code may be decoded before it
// is there, and none left behind.
func TestInputInPieces(t *testing.T) {
	for _, name := range []string{"lines", "skewed", "repeats of 3"} {
		text := texts()[name]
		data := append(deflate(t, text, 6), "behind"...)
		for _, src := range []io.Reader{iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data)), iotest.HalfReader(bytes.NewReader(data))} {
			got, behind, err := inflate(src, 9000)
			if err != nil || string(behind) != "behind" || !bytes.Equal(got, text) {
				t.Errorf("%s: %d bytes of %d, %q behind, error %v", name, len(got), len(text), behind, err)
			}
		}
	}
}

// TestCutAtEveryByte wants the text as far as it can be told, and an error
// that says what happened.
func TestCutAtEveryByte(t *testing.T) {
	text := texts()["lines"][:6000]
	for _, level := range []int{flate.NoCompression, 6} {
		data := deflate(t, text, level)
		longest := 0
		for n := range data {
			got, _, err := inflate(bytes.NewReader(data[:n]), 1000)
			if err != io.ErrUnexpectedEOF || !bytes.HasPrefix(text, got) || len(got) < longest {
				t.Fatalf("level %d, cut at %d of %d: %d bytes, error %v", level, n, len(data), len(got), err)
			}
			longest = len(got)
		}
		if longest != len(text) {
			t.Errorf("level %d: all but the last byte give %d of %d bytes", level, longest, len(text))
		}
	}
}

func TestErrorOfTheSource(t *testing.T) {
	text := texts()["lines"]
	data := deflate(t, text, 6)
	broken := errors.New("the disk is broken")
	got, _, err := inflate(io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(broken)), 1000)
	if err != broken || len(got) < 1000 || !bytes.HasPrefix(text, got) {
		t.Errorf("%d bytes, error %v", len(got), err)
	}
}

// TestCorrupt has a stream for everything a stream can have wrong, and beside
// each the nearest one that is right.
func TestCorrupt(t *testing.T) {
	few := func(at map[int]uint) []uint {
		lengths := make([]uint, 257)
		for symbol, n := range at {
			lengths[symbol] = n
		}
		return lengths
	}
	ab := few(map[int]uint{'a': 1, 256: 1}) // 'a' is 0, the end is 1
	withCopy := append(few(map[int]uint{'a': 1, 256: 2}), 2)
	for _, c := range []struct {
		name  string
		write func(w *bitWriter)
		text  string
		ok    bool
	}{
		{"no data", func(w *bitWriter) { w.bits(0b011, 3); w.code(0, 7) }, "", true},
		{"unknown kind of block", func(w *bitWriter) { w.bits(0b111, 3) }, "", false},
		{"stored block", func(w *bitWriter) { w.stored(2, 0xfffd); w.out = append(w.out, "ab"...) }, "ab", true},
		{"stored block whose length is not confirmed", func(w *bitWriter) { w.stored(2, 0xfffc) }, "", false},
		{"length 258", func(w *bitWriter) {
			w.bits(0b011, 3)
			w.code('a'+0x30, 8)
			w.code(0xc5, 8)
			w.code(0, 5)
			w.code(0, 7)
		}, strings.Repeat("a", 259), true},
		{"length symbol 286", func(w *bitWriter) { w.bits(0b011, 3); w.code('a'+0x30, 8); w.code(0xc6, 8) }, "a", false},
		{"distance symbol 30", func(w *bitWriter) { w.bits(0b011, 3); w.code('a'+0x30, 8); w.code(1, 7); w.code(30, 5) }, "a", false},
		{"own codes", func(w *bitWriter) { w.dynamic(ab, []uint{0}); w.code(0b001, 3) }, "aa", true},
		{"286 literals", func(w *bitWriter) { w.dynamic(append(ab, make([]uint, 29)...), []uint{0}); w.code(1, 1) }, "", true},
		{"287 literals", func(w *bitWriter) { w.dynamic(append(ab, make([]uint, 30)...), []uint{0}); w.code(1, 1) }, "", false},
		{"30 distances", func(w *bitWriter) { w.dynamic(ab, make([]uint, 30)); w.code(1, 1) }, "", true},
		{"31 distances", func(w *bitWriter) { w.dynamic(ab, make([]uint, 31)); w.code(1, 1) }, "", false},
		{"no end of the block", func(w *bitWriter) { w.dynamic(few(map[int]uint{'a': 1, 'b': 1}), []uint{0}) }, "", false},
		{"too many codes", func(w *bitWriter) { w.dynamic(few(map[int]uint{'a': 1, 'b': 1, 256: 2}), []uint{0}) }, "", false},
		{"too few codes", func(w *bitWriter) { w.dynamic(few(map[int]uint{'a': 2, 256: 1}), []uint{0}) }, "", false},
		{"nothing but the end", func(w *bitWriter) { w.dynamic(few(map[int]uint{256: 1}), []uint{0}); w.code(0, 1) }, "", true},
		{"the code that is not the end", func(w *bitWriter) { w.dynamic(few(map[int]uint{256: 1}), []uint{0}); w.code(1, 1) }, "", false},
		{"one distance", func(w *bitWriter) { w.dynamic(withCopy, []uint{1}); w.code(0b0_11_0_10, 6) }, "aaaa", true},
		{"the distance that is not there", func(w *bitWriter) { w.dynamic(withCopy, []uint{1}); w.code(0b0_11_1, 4) }, "a", false},
		{"no distances, and a copy", func(w *bitWriter) { w.dynamic(withCopy, []uint{0}); w.code(0b0_11_0, 4) }, "a", false},
		{"too few distances", func(w *bitWriter) { w.dynamic(ab, []uint{1, 2}) }, "", false},
		{"repeated lengths", func(w *bitWriter) { w.repeated(0) }, "a", true},
		{"more lengths than symbols", func(w *bitWriter) { w.repeated(1) }, "", false},
		{"nothing to repeat", func(w *bitWriter) { w.header(257, 1); w.code(headerRepeat, 4); w.bits(0, 2) }, "", false},
		{"header's own codes are too many", func(w *bitWriter) {
			w.bits(0b101, 3)
			w.bits(15<<10, 14)
			for range 19 {
				w.bits(1, 3)
			}
		}, "", false},
	} {
		for _, padding := range []int{9, 4000} { // near the end of the input, and in the fast loop
			var w bitWriter
			c.write(&w)
			got, _, err := inflate(bytes.NewReader(append(w.flush(), make([]byte, padding)...)), 1000)
			if string(got) != c.text || (err == nil) != c.ok || !c.ok && err != ErrCorrupt {
				t.Errorf("%s, %d bytes behind: %q, error %v", c.name, padding, got, err)
			}
		}
	}
}

// TestDistances puts a copy exactly at the beginning of the text, and one byte
// before it, into both loops, behind text of an earlier stream.
func TestDistances(t *testing.T) {
	for _, padding := range []int{0, 1000} {
		for distance := 1; distance <= 5; distance++ {
			var b bitWriter
			b.bits(0b011, 3) // last block, fixed code
			for _, c := range "abcd" {
				b.code(uint(c)+0x30, 8)
			}
			b.code(1, 7) // length 3
			b.code(uint(distance-1), 5)
			if distance == 5 { // symbol 4 has an extra bit
				b.bits(0, 1)
			}
			b.code(0, 7)
			data := append(b.flush(), make([]byte, padding)...)
			var d Decoder
			d.Reset(bufio.NewReader(bytes.NewReader(data)))
			text, err := d.Append(append(make([]byte, 0, 9000), "text before"...))
			want := "abcd" + "abcdabcd"[4-min(distance, 4):][:min(3, distance)]
			for len(want) < 7 {
				want += want[len(want)-distance : len(want)-distance+1]
			}
			if distance > 4 {
				if err != ErrCorrupt || string(text) != "text beforeabcd" {
					t.Errorf("distance %d: %q, error %v", distance, text, err)
				}
			} else if err != io.EOF || string(text) != "text before"+want {
				t.Errorf("distance %d: %q, want %q, error %v", distance, text, want, err)
			}
		}
	}
}

// bitWriter writes what RFC 1951 draws.
type bitWriter struct {
	out  []byte
	n    uint
	last byte
}

func (w *bitWriter) bits(v, n uint) {
	for i := range n {
		w.last |= byte(v>>i&1) << w.n
		if w.n++; w.n == 8 {
			w.out, w.last, w.n = append(w.out, w.last), 0, 0
		}
	}
}

func (w *bitWriter) code(v, n uint) {
	for i := range n {
		w.bits(v>>(n-1-i)&1, 1)
	}
}

func (w *bitWriter) flush() []byte { return append(w.out, w.last) }

// stored begins a last block that is not compressed.
func (w *bitWriter) stored(length, inverse uint) {
	w.bits(0b001, 3)
	w.bits(0, (8-w.n)%8)
	w.bits(length, 16)
	w.bits(inverse, 16)
}

// headerRepeat and headerZeros are symbols 16 and 17 in the code of header.
const headerRepeat, headerZeros = 14, 15

// header begins a last block with codes for so many symbols, whose lengths are
// written as 0–13, or repeats of the last or of 0, in four bits.
func (w *bitWriter) header(literals, distances uint) {
	w.bits(0b101, 3)
	w.bits(literals-257|(distances-1)<<5|15<<10, 14)
	for _, symbol := range headerOrder {
		n := uint(4)
		if symbol == 14 || symbol == 15 || symbol == 18 {
			n = 0
		}
		w.bits(n, 3)
	}
}

func (w *bitWriter) dynamic(literals, distances []uint) {
	w.header(uint(len(literals)), uint(len(distances)))
	for _, n := range append(slices.Clip(literals), distances...) {
		w.code(n, 4)
	}
}

// repeated is a block of one 'a', whose lengths are repeated where they can
// be, one too often on request.
func (w *bitWriter) repeated(more uint) {
	w.header(257, 4)
	zeros := func(n uint) {
		for ; n > 10; n -= 10 {
			w.code(headerZeros, 4)
			w.bits(10-3, 3)
		}
		w.code(headerZeros, 4)
		w.bits(n-3, 3)
	}
	zeros('a')
	w.code(1, 4)
	zeros(256 - 'a' - 1)
	w.code(1, 4)
	w.code(2, 4) // the first of four distances
	w.code(headerRepeat, 4)
	w.bits(more, 2)
	w.code(0b01, 2)
}

// FuzzAgainstLibrary wants the same verdict as the standard library's reader,
// and the same text.
func FuzzAgainstLibrary(f *testing.F) {
	for name, text := range texts() {
		if len(text) < 100_000 || name == "lines" {
			f.Add(deflate(f, text[:min(len(text), 3000)], 6), uint16(300))
		}
	}
	f.Add([]byte{0b011, 0}, uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, room uint16) {
		rest := bytes.NewReader(data)
		r := flate.NewReader(rest)
		want, wantErr := io.ReadAll(io.LimitReader(r, 1<<20))
		if len(want) == 1<<20 {
			return
		}
		got, behind, err := inflate(iotest.HalfReader(bytes.NewReader(data)), 1+int(room))
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, the library's %v", err, wantErr)
		}
		if err == nil && (!bytes.Equal(got, want) || len(behind) != rest.Len()) {
			t.Fatalf("%d bytes and %d behind, the library has %d and %d", len(got), len(behind), len(want), rest.Len())
		}
		if n := min(len(got), len(want)); !bytes.Equal(got[:n], want[:n]) {
			t.Fatalf("text differs before the error %v", err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	text := texts()["lines"]
	var compressed bytes.Buffer
	w, _ := flate.NewWriter(&compressed, 6)
	w.Write(text)
	w.Close()
	data := compressed.Bytes()
	buf := make([]byte, 0, len(text)+1)
	in := bufio.NewReaderSize(nil, 64<<10)
	var d Decoder
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(bytes.NewReader(data))
		d.Reset(in)
		if got, err := d.Append(buf); err != io.EOF || len(got) != len(text) {
			b.Fatal(len(got), err)
		}
	}
}
