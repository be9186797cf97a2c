package source

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"export2batch/internal/testfile"
)

func put(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	return testfile.Write(t, filepath.Join(dir, filepath.FromSlash(name)), data)
}

func zst(t testing.TB, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll([]byte(text), nil)
}

// entry is a member of an archive made by hand.
type entry struct {
	name       string
	data       string // what a reader shall get
	method     uint16
	descriptor bool // sizes stand behind the data
	zip64      bool // in 64 bits
}

// handmade writes an archive byte by byte, as archive/zip would not.
func handmade(t testing.TB, entries []entry, directory bool) []byte {
	t.Helper()
	le := binary.LittleEndian
	var out, dir []byte
	for _, e := range entries {
		packed := []byte(e.data)
		if e.method == zip.Deflate {
			var b bytes.Buffer
			w, err := flate.NewWriter(&b, 9)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, e.data)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			packed = b.Bytes()
		}
		crc := crc32.ChecksumIEEE([]byte(e.data))
		offset := len(out)
		var flags uint16
		if e.descriptor {
			flags = 8
		}
		// What the two headers have in common, from the version on.
		common := func(sum, packedSize, size uint32, extra int) []byte {
			b := le.AppendUint16(nil, 45)
			b = le.AppendUint16(b, flags)
			b = le.AppendUint16(b, e.method)
			b = le.AppendUint32(b, 0) // time
			b = le.AppendUint32(b, sum)
			b = le.AppendUint32(b, packedSize)
			b = le.AppendUint32(b, size)
			b = le.AppendUint16(b, uint16(len(e.name)))
			return le.AppendUint16(b, uint16(extra))
		}
		var sizes []byte // the zip64 extra field
		if e.zip64 {
			sizes = le.AppendUint16([]byte{0x55, 0x54, 0, 0}, 1) // behind another, empty one
			sizes = le.AppendUint16(sizes, 16)
			sizes = le.AppendUint64(sizes, uint64(len(e.data)))
			sizes = le.AppendUint64(sizes, uint64(len(packed)))
		}
		out = append(out, "PK\x03\x04"...)
		switch {
		case e.descriptor:
			out = append(append(out, common(0, 0, 0, 0)...), e.name...)
		case e.zip64:
			out = append(append(append(out, common(crc, 0xffffffff, 0xffffffff, len(sizes))...), e.name...), sizes...)
		default:
			out = append(append(out, common(crc, uint32(len(packed)), uint32(len(e.data)), 0)...), e.name...)
		}
		out = append(out, packed...)
		if e.descriptor {
			out = le.AppendUint32(append(out, "PK\x07\x08"...), crc)
			if e.zip64 {
				out = le.AppendUint64(le.AppendUint64(out, uint64(len(packed))), uint64(len(e.data)))
			} else {
				out = le.AppendUint32(le.AppendUint32(out, uint32(len(packed))), uint32(len(e.data)))
			}
		}
		dir = le.AppendUint16(append(dir, "PK\x01\x02"...), 45)
		if e.zip64 {
			dir = append(dir, common(crc, 0xffffffff, 0xffffffff, len(sizes))...)
		} else {
			dir = append(dir, common(crc, uint32(len(packed)), uint32(len(e.data)), 0)...)
		}
		dir = append(dir, make([]byte, 10)...) // comment, disk, attributes
		dir = append(le.AppendUint32(dir, uint32(offset)), e.name...)
		dir = append(dir, sizes...)
	}
	if !directory {
		return out
	}
	at := len(out)
	out = append(append(out, dir...), "PK\x05\x06\x00\x00\x00\x00"...)
	out = le.AppendUint16(le.AppendUint16(out, uint16(len(entries))), uint16(len(entries)))
	out = le.AppendUint32(le.AppendUint32(out, uint32(len(dir))), uint32(at))
	return append(out, 0, 0)
}

// expand is Expand with nothing but arguments.
func expand(t *testing.T, args ...string) *Set {
	t.Helper()
	set, err := Expand(args, Options{Stages: []string{"convert", "partition"}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// only is the one input of a file.
func only(t *testing.T, path string) *Input {
	t.Helper()
	set := expand(t, path)
	if len(set.Inputs) != 1 || len(set.Findings) > 0 {
		t.Fatalf("%d inputs, findings %v", len(set.Inputs), set.Findings)
	}
	return &set.Inputs[0]
}

// lines reads an input to its end, which is nil, or the damage.
func lines(t *testing.T, in *Input) (list []string, damage error) {
	t.Helper()
	l, err := in.Lines()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	for {
		line, err := l.Next()
		var d *DamageError
		switch {
		case err == io.EOF:
			return list, nil
		case errors.As(err, &d):
			if len(line) > 0 {
				list = append(list, "cut: "+string(line))
			}
			return list, err
		case err != nil:
			t.Fatal(err)
		}
		list = append(list, string(line))
		if l.Number() != int64(len(list)) {
			t.Fatalf("line %d has the number %d", len(list), l.Number())
		}
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"line\":%d,\"text\":\"%x\"}\n", i, i*i*i*7919)
	}
	return b.String()
}

func mustEqual(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
