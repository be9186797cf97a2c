package convert

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"export2batch/internal/durable/faultfs"
	"export2batch/internal/source"
	"export2batch/internal/testfile"
)

// packed is a member of an archive.
type packed struct {
	name string
	data []byte
}

// zipped makes an archive of stored members, as the Export API does.
func zipped(t testing.TB, members ...packed) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		f, err := w.CreateHeader(&zip.FileHeader{Name: m.name, Method: zip.Store})
		if err == nil {
			_, err = f.Write(m.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// brokenCRC is zipped with a wrong checksum for every member.
func brokenCRC(t testing.TB, members ...packed) []byte {
	t.Helper()
	data := zipped(t, members...)
	for _, m := range members {
		sum := crc32.ChecksumIEEE(m.data)
		right := []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)}
		wrong := slices.Clone(right)
		wrong[0] ^= 1
		if !bytes.Contains(data, right) {
			t.Fatal("no checksum found")
		}
		data = bytes.ReplaceAll(data, right, wrong)
	}
	return data
}

// What could be read is kept, what could not is said, and the account balances.
func TestDamage(t *testing.T) {
	list := slices.DeleteFunc(generated(t, 300), func(l string) bool { return strings.Contains(l, `identify",`) })
	text := lines(list...)
	gz := testfile.Gzip(t, text)
	flipped := slices.Clone(gz)
	flipped[len(gz)/2] ^= 0xff
	wrongSum := slices.Clone(gz)
	wrongSum[len(gz)-6] ^= 0xff
	two := numbered(2)
	small := testfile.Gzip(t, lines(two...))

	for _, tt := range []struct {
		name    string
		data    []byte
		written int64 // -1: some of list, all in order from the first
		reject  map[string]int64
		damaged int64
		finding string // part of one
	}{
		{"whole.json.gz", gz, int64(len(list)), nil, 0, ""},
		{"several-members.json.gz", slices.Concat(small, small, small), 6, nil, 0, ""},
		{"cut.json.gz", gz[:len(gz)/2], -1, map[string]int64{ruleDamaged: 1}, 1, "the data is cut short"},
		{"cut-in-checksum.json.gz", gz[:len(gz)-6], int64(len(list)), nil, 1, "the data is cut short"},
		{"cut-in-header.json.gz", gz[:5], 0, nil, 1, "the data is cut short"},
		{"flipped.json.gz", flipped, -1, nil, 1, "damaged"},
		{"wrong-sum.json.gz", wrongSum, int64(len(list)), nil, 1, "the checksum does not match"},
		{"garbage-behind.json.gz", slices.Concat(small, []byte("garbage behind it")), 2, nil, 1, "not gzip"},
		{"cut-second-member.json.gz", slices.Concat(small, small[:len(small)-10]), 4, nil, 1, "the data is cut short"},
		{"text-named.json.gz", []byte(lines(two...)), 2, nil, 0, ""},
		{"gzip-named.json", small, 2, nil, 0, ""},
		{"binary.json", []byte("\x00\x01\x02{\n\xff\xfe"), 0, map[string]int64{ruleInvalidJSON: 2}, 0, "byte 1: not an object"},
		{"cut.json", []byte(text[:len(text)-9]), int64(len(list)) - 1, map[string]int64{ruleInvalidJSON: 1}, 0, "text ends inside"},
		{"pretty.json", []byte("[\n{\n\"event_type\": \"a\"\n}\n]\n"), 0, map[string]int64{ruleInvalidJSON: 5}, 0, "not an object"},

		{"up.zip", zipped(t, packed{"../x.json", []byte(lines(two...))}, packed{"/y.json.gz", small}), 4, nil, 2, "points out of the archive"},
		{"empty.zip", zipped(t), 0, nil, 0, ""},
		{"empty-member.zip", zipped(t, packed{"a.json.gz", nil}, packed{"b.json", []byte(lines(two...))}), 2, nil, 1, "the file is empty"},
		{"wrong-sum.zip", brokenCRC(t, packed{"a.json", []byte(lines(two...))}, packed{"b.json.gz", small}), 4, nil, 2, "the checksum does not match"},
		{"nested.zip", zipped(t, packed{"a.zip", zipped(t, packed{"b.json", []byte(lines(two...))})}, packed{"b.json", []byte(lines(two...))}), 2, nil, 1, "an archive inside an archive"},
		{"cut-member.zip", zipped(t, packed{"a.json.gz", gz[:len(gz)/2]}, packed{"b.json.gz", small}), -1, map[string]int64{ruleDamaged: 1}, 1, "a.json.gz"},
		{"cut-directory.zip", zipped(t, packed{"a.json.gz", small}, packed{"b.json.gz", small})[:2*len(small)+120], 4, nil, 1, "the archive has no directory"},
		{"cut.zip", zipped(t, packed{"a.json.gz", gz})[:len(gz)/2], -1, map[string]int64{ruleDamaged: 1}, 2, "the archive has no directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := t.TempDir()
			testfile.Write(t, filepath.Join(in, tt.name), tt.data)
			testfile.Write(t, filepath.Join(in, "z-other.json"), []byte(lines(two...))) // goes on all the same
			out := filepath.Join(t.TempDir(), "out")
			o := Options{Paths: []string{in}}
			r := convertTo(t, out, o)
			if got := r.files["events/z-other.ndjson"]; got != events(two...) {
				t.Errorf("the other file: %q", got)
			}
			if r.Damaged != tt.damaged || tt.reject != nil && !maps.Equal(r.RejectedBy, tt.reject) {
				t.Errorf("%+v", r.Summary)
			}
			n := r.Written - 2
			if tt.written >= 0 && n != tt.written || tt.written < 0 && (n < 20 || n >= int64(len(list))) {
				t.Errorf("%d events, want %d", n, tt.written)
			}
			if tt.finding == "" && len(r.findings) > 0 || !strings.Contains(strings.Join(r.findings, "\n"), tt.finding) {
				t.Errorf("findings %q, want %q", r.findings, tt.finding)
			}
			for _, f := range r.findings {
				if !strings.Contains(f, filepath.Join(in, tt.name)) {
					t.Errorf("finding without its file: %s", f)
				}
			}
			if tt.written < 0 && tt.reject != nil { // what was cut is all there, in order
				whole := events(list...)
				var got string
				for name, text := range r.files {
					if strings.HasPrefix(name, "events/") && !strings.Contains(name, "z-other") && strings.HasPrefix(whole, text) && len(text) > len(got) {
						got = text
					}
				}
				if int64(strings.Count(got, "\n")) < n-2 {
					t.Errorf("the events are not the first of the input")
				}
			}
			again := convertTo(t, out, o)
			if !again.Finished {
				t.Error("not finished")
			}
			sameSummary(t, again.Summary, r.Summary)
		})
	}
}

// A line that was cut off, and a line that is not UTF-8, are kept as they are.
func TestRejectedLinesAreKept(t *testing.T) {
	for _, bad := range []string{"{\"a\":\"é\n"[:8], "\xff\xfe{", `{"event_type":"a","x":"\"\\"}`, "{\"tab\t\u2028\x01\":1}", "\x00"} {
		in := testfile.Write(t, filepath.Join(t.TempDir(), "a.json"), []byte(lines(bad)))
		r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{in}})
		var kept struct {
			File         string
			Line         int
			Rule, Reason string
			Text         string
			Base64       string `json:"text_base64"`
		}
		if err := json.Unmarshal([]byte(r.files["rejected/a.ndjson"]), &kept); err != nil {
			t.Fatalf("%q: %v", bad, err)
		}
		text, err := base64.StdEncoding.DecodeString(kept.Base64)
		if got := kept.Text + string(text); err != nil || got != bad {
			t.Errorf("%q kept as %q", bad, got)
		}
		if kept.File != in || kept.Line != 1 || kept.Rule == "" || kept.Reason == "" {
			t.Errorf("%q kept as %+v", bad, kept)
		}
	}
}

// A line over the limit is kept in a file of its own; those around it are fine.
func TestLongLine(t *testing.T) {
	if testing.Short() {
		t.Skip("35 MB of text")
	}
	two := numbered(2)
	long := exportLine("event_type", `"`+strings.Repeat("x", source.MaxLine)+`"`)
	text := two[0] + "\n" + long + "\n" + two[1] + "\n" + "bad\n"
	in := testfile.Write(t, filepath.Join(t.TempDir(), "a.json"), []byte(text))
	r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{in}})
	if r.files["events/a.ndjson"] != events(two...) || r.RejectedBy[ruleTooLong] != 1 || r.Rejected != 2 {
		t.Errorf("%+v", r.Summary)
	}
	const raw = "rejected/a.line-2.raw"
	if r.files[raw] != long {
		t.Errorf("%d bytes kept of %d", len(r.files[raw]), len(long))
	}
	want := fmt.Sprintf(`"line":2,"rule":"line-too-long","reason":"the line has %d bytes, more than %d, and is kept in %s","raw":"%s"}`, len(long), source.MaxLine, raw, raw)
	if got, _, _ := strings.Cut(r.files["rejected/a.ndjson"], "\n"); !strings.HasSuffix(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	if r.findings[1][len(in):] != ":4: byte 1: not an object [invalid-json]" {
		t.Errorf("findings %q", r.findings)
	}
}

// TestLongRejectedLine keeps a bad line over LongLine as it is, and one that is
// just as long as that in quotes.
func TestLongRejectedLine(t *testing.T) {
	fits := "x" + strings.Repeat(`"`, source.LongLine-1)
	text := fits + "\n" + fits + "y\n" + numbered(1)[0] + "\n"
	in := testfile.Write(t, filepath.Join(t.TempDir(), "a.json"), []byte(text))
	r := convertTo(t, filepath.Join(t.TempDir(), "out"), Options{Paths: []string{in}})
	if r.files["events/a.ndjson"] != events(numbered(1)...) || r.RejectedBy[ruleInvalidJSON] != 2 || r.Rejected != 2 {
		t.Errorf("%+v", r.Summary)
	}
	const raw = "rejected/a.line-2.raw"
	if r.files[raw] != fits+"y" {
		t.Errorf("%d bytes kept of %d", len(r.files[raw]), len(fits)+1)
	}
	lines := strings.Split(r.files["rejected/a.ndjson"], "\n")
	if !strings.HasSuffix(lines[0], `,"text":"x`+strings.Repeat(`\"`, source.LongLine-1)+`"}`) {
		t.Errorf("the first line is kept as %.200s", lines[0])
	}
	if want := `"line":2,"rule":"invalid-json","reason":"byte 1: not an object: the line is kept in ` + raw + `","raw":"` + raw + `"}`; !strings.HasSuffix(lines[1], want) {
		t.Errorf("%s\nwant %s", lines[1], want)
	}
}

// A disk that is full while a long line is streamed aside leaves nothing of it.
func TestLongLineOnFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("35 MB of text")
	}
	in := testfile.Write(t, filepath.Join(t.TempDir(), "a.json"), []byte(`{"a":"`+strings.Repeat("x", source.MaxLine)+"\"}\n"))
	for n := 0; ; n++ {
		out := t.TempDir()
		fsys, err := faultfs.New(out)
		if err != nil {
			t.Fatal(err)
		}
		fsys.FailAt(n, syscall.ENOSPC)
		_, err = tryConvert(t, out, Options{Paths: []string{in}, FS: fsys})
		if n > 0 {
			if !errors.Is(err, syscall.ENOSPC) || len(tree(t, out)) > 0 || len(temporary(t, out)) > 0 {
				t.Errorf("%v; left %q", err, temporary(t, out))
			}
			return
		}
		n = slices.Index(fsys.Operations(), "write rejected/.a.line-1.raw.tmp") // failed in the next round
		if n < 0 || err != nil {
			t.Fatalf("%v; operations %q", err, fsys.Operations())
		}
	}
}

func TestNothingToRead(t *testing.T) {
	folder := t.TempDir()
	other := testfile.Write(t, filepath.Join(folder, "x.bin"), []byte("\x7fELF"))
	for _, paths := range [][]string{{filepath.Join(folder, "none")}, {t.TempDir()}, {folder}, {other}, {filepath.Join(folder, "*.json")}} {
		out := filepath.Join(t.TempDir(), "out")
		r, err := tryConvert(t, out, Options{Paths: paths})
		if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(paths[0], "*.json")) {
			t.Errorf("%q: %v", paths, err)
		}
		if len(r.files) > 0 {
			t.Errorf("%q: left %v", paths, r.files)
		}
	}
}
