package source

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"export2batch/internal/finding"
	"export2batch/internal/testfile"
)

// contents gives NAME=FIRST LINE×LINES of each input, in order, with a ! behind
// what is damaged.
func contents(t *testing.T, set *Set) (list []string) {
	t.Helper()
	for i := range set.Inputs {
		got, damage := lines(t, &set.Inputs[i])
		s := fmt.Sprint(set.Inputs[i].Member, "×", len(got))
		if damage != nil {
			s += "!"
		}
		list = append(list, s)
	}
	return list
}

func TestArchives(t *testing.T) {
	text := numbered(50)
	packed := string(testfile.Gzip(t, text))
	streamed := func(method uint16) []byte { // as the Export API does: with descriptors
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for i := range 3 {
			m, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprint("p/p_2024-01-0", i, "_5#0.json.gz"), Method: method})
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(m, packed)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	three := []string{"p/p_2024-01-00_5#0.json.gz×50", "p/p_2024-01-01_5#0.json.gz×50", "p/p_2024-01-02_5#0.json.gz×50"}
	for _, tt := range []struct {
		name   string
		data   []byte
		want   []string
		damage bool

		ignored int
	}{
		{name: "streamed, stored", data: streamed(zip.Store), want: three},
		{name: "streamed, deflated", data: streamed(zip.Deflate), want: three},
		{name: "streamed, no directory", data: cutDirectory(t, streamed(zip.Store)), want: three, damage: true},
		{name: "streamed, deflated, no directory", data: cutDirectory(t, streamed(zip.Deflate)), want: three, damage: true},
		{name: "all forms", data: handmade(t, allForms(packed, text), true), want: allWanted},
		{name: "all forms, no directory", data: handmade(t, allForms(packed, text), false), want: allWanted, damage: true},
		{name: "unknown method", data: handmade(t, []entry{{name: "a.json", data: text, method: 99}, {name: "b.json", data: text}}, true), want: []string{"a.json×0!", "b.json×50"}},
		{name: "unknown method, no directory", data: handmade(t, []entry{{name: "a.json", data: text, method: 99}, {name: "b.json", data: text}}, false), want: []string{"a.json×0!", "b.json×50"}, damage: true},
		{name: "checksum of the archive", data: bytes.Replace(handmade(t, []entry{{name: "a.json", data: text}}, true), []byte(`"line":7`), []byte(`"line":8`), 1), want: []string{"a.json×50!"}},
		{name: "header of a member gone", data: headerGone(t, handmade(t, []entry{{name: "a.json", data: text}, {name: "b.json", data: text}}, true)), want: []string{"a.json×50", "b.json×0!"}},
		{name: "other files are left out", data: handmade(t, []entry{{name: "README.txt", data: "hello"}, {name: "dir/"}, {name: "__MACOSX/a.json", data: "x"}, {name: ".DS_Store", data: "x"}, {name: "a.json", data: "{}"}, {name: "._a.json", data: "x"}}, true), want: []string{"a.json×1"}, ignored: 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := expand(t, put(t, t.TempDir(), "e.zip", tt.data))
			mustEqual(t, "members", contents(t, set), tt.want)
			if set.Ignored != tt.ignored {
				t.Errorf("%d ignored, want %d", set.Ignored, tt.ignored)
			}
			if got := len(set.Findings) > 0; got != tt.damage {
				t.Errorf("findings %v", set.Findings)
			}
			if tt.damage && (set.Findings[0].Rule != "damaged-archive" || set.Findings[0].Severity != finding.Error) {
				t.Errorf("finding %v", set.Findings[0])
			}
		})
	}
}

func allForms(packed, text string) (entries []entry) {
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		for _, descriptor := range []bool{false, true} {
			for _, zip64 := range []bool{false, true} {
				name := fmt.Sprintf("%d%t%t", method, descriptor, zip64)
				entries = append(entries,
					entry{name + "1.json.gz", packed, method, descriptor, zip64},
					entry{name + "2.json", text, method, descriptor, zip64},
					entry{name + "3.json", "", method, descriptor, zip64})
			}
		}
	}
	return entries
}

var allWanted = []string{
	"0falsefalse1.json.gz×50", "0falsefalse2.json×50", "0falsefalse3.json×0", "0falsetrue1.json.gz×50", "0falsetrue2.json×50", "0falsetrue3.json×0",
	"0truefalse1.json.gz×50", "0truefalse2.json×50", "0truefalse3.json×0", "0truetrue1.json.gz×50", "0truetrue2.json×50", "0truetrue3.json×0",
	"8falsefalse1.json.gz×50", "8falsefalse2.json×50", "8falsefalse3.json×0", "8falsetrue1.json.gz×50", "8falsetrue2.json×50", "8falsetrue3.json×0",
	"8truefalse1.json.gz×50", "8truefalse2.json×50", "8truefalse3.json×0", "8truetrue1.json.gz×50", "8truetrue2.json×50", "8truetrue3.json×0",
}

// headerGone damages the header of the last member.
func headerGone(t *testing.T, data []byte) []byte {
	t.Helper()
	i := bytes.LastIndex(data, []byte("PK\x03\x04"))
	if i <= 0 {
		t.Fatal("no second member")
	}
	copy(data[i:], "XXXX")
	return data
}

func cutDirectory(t *testing.T, data []byte) []byte {
	t.Helper()
	i := bytes.Index(data, []byte("PK\x01\x02"))
	if i < 0 {
		t.Fatal("no directory")
	}
	return data[:i]
}

// TestArchiveCutAnywhere cuts an archive at every 1000th byte and around the
// ends of its members: what stands before the cut is read whole, and the
// member that was cut says so.
func TestArchiveCutAnywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	noise := func(n int) string { // lines that do not compress
		var b strings.Builder
		for range n {
			fmt.Fprintf(&b, "{\"a\":\"%x\"}\n", []uint64{r.Uint64(), r.Uint64(), r.Uint64()})
		}
		return b.String()
	}
	for _, form := range []entry{
		{name: "stored, streamed", method: zip.Store, descriptor: true},
		{name: "stored, sizes in front", method: zip.Store},
		{name: "stored, zip64", method: zip.Store, zip64: true},
		{name: "deflated, streamed, zip64", method: zip.Deflate, descriptor: true, zip64: true},
	} {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, plain %t", form.name, plain), func(t *testing.T) {
				var entries []entry
				var ends []int // of the members, descriptors included
				for i := range 5 {
					e := form
					e.name, e.data = fmt.Sprintf("%d.json", i), noise(80)
					if !plain {
						e.data = string(testfile.Gzip(t, e.data))
					}
					entries = append(entries, e)
					ends = append(ends, len(handmade(t, entries, false)))
				}
				data := handmade(t, entries, true)
				dir := t.TempDir()
				cuts := []int{ends[0], ends[1] - 1, ends[1] + 1, ends[2] + 29, ends[4], ends[4] + 10, len(data) - 1}
				for at := 1000; at < len(data); at += 1000 {
					cuts = append(cuts, at)
				}
				for _, at := range cuts {
					set := expand(t, put(t, dir, "e.zip", data[:at]))
					if len(set.Findings) != 1 || set.Findings[0].Rule != "damaged-archive" {
						t.Fatalf("cut at %d: findings %v", at, set.Findings)
					}
					whole := 0
					for whole < len(ends) && ends[whole] <= at {
						whole++
					}
					for i := range set.Inputs {
						got, damage := lines(t, &set.Inputs[i])
						switch {
						case i < whole && (len(got) != 80 || damage != nil):
							t.Errorf("cut at %d: member %d of %d whole ones: %d lines, %v", at, i, whole, len(got), damage)
						case i == whole && damage == nil && form.method == zip.Deflate && len(got) == 80:
							// Cut behind the last block: the data is whole.
						case i == whole && damage == nil:
							t.Errorf("cut at %d: member %d was cut, which is not said; %d lines", at, i, len(got))
						case i > whole:
							t.Errorf("cut at %d: member %d appears", at, i)
						}
					}
					if len(set.Inputs) < whole {
						t.Errorf("cut at %d: %d members, want %d", at, len(set.Inputs), whole)
					}
				}
			})
		}
	}
}

// What cannot be read in the middle of an archive without a directory takes no
// readable member with it, and is told.
func TestArchiveDamagedInside(t *testing.T) {
	three := func(e entry) (list []entry, starts []int) {
		for i := range 3 {
			starts = append(starts, len(handmade(t, list, false)))
			e.name, e.data = fmt.Sprint(i, ".json"), numbered(50)
			list = append(list, e)
		}
		return list, starts
	}
	all := []string{"0.json×50", "1.json×50", "2.json×50"}
	for _, tt := range []struct {
		name   string
		form   entry
		damage func(data []byte, starts []int) []byte
		want   []string
		lost   func(data []byte, starts []int) (n, at int) // nil: nothing
	}{
		{"header", entry{}, func(d []byte, starts []int) []byte { d[starts[1]] = 'X'; return d }, []string{all[0], all[2]},
			func(_ []byte, starts []int) (int, int) { return starts[2] - starts[1], starts[1] }},
		{"header, streamed", entry{descriptor: true, method: zip.Deflate}, func(d []byte, starts []int) []byte { d[starts[1]+2] = 0; return d }, []string{all[0], all[2]},
			func(_ []byte, starts []int) (int, int) { return starts[2] - starts[1], starts[1] }},
		{"two headers", entry{zip64: true}, func(d []byte, starts []int) []byte { d[0+26], d[0+27], d[starts[1]] = 255, 255, 0; return d }, []string{all[2]},
			func(_ []byte, starts []int) (int, int) { return starts[2], 0 }},
		{"last header, before what is left of a directory", entry{}, func(d []byte, starts []int) []byte {
			dir := bytes.Index(d, []byte("PK\x01\x02"))
			d[starts[2]] = 'X'
			return d[:dir+60]
		}, all[:2], func(d []byte, starts []int) (int, int) {
			return bytes.Index(d, []byte("PK\x01\x02")) - starts[2], starts[2]
		}},
		{"garbage between", entry{}, func(d []byte, starts []int) []byte {
			return slices.Insert(d, starts[1], []byte("garbage PK\x03\x04 garbage")...)
		}, all, func(_ []byte, starts []int) (int, int) { return len("garbage PK\x03\x04 garbage"), starts[1] }},
		{"too large a size", entry{}, func(d []byte, starts []int) []byte { d[starts[1]+21] = 0x7f; return d }, []string{all[0], "1.json×50!", all[2]}, nil},
		{"too small a size", entry{}, func(d []byte, starts []int) []byte {
			copy(d[starts[1]+18:], "\x05\x00\x00\x00")
			return d
		}, []string{all[0], "1.json×1!", all[2]},
			func(d []byte, starts []int) (int, int) {
				at := starts[1] + 30 + len("1.json") + 5
				return starts[2] - at, at
			}},
		{"descriptor", entry{descriptor: true}, func(d []byte, starts []int) []byte { d[starts[2]-16] = 0; return d }, []string{all[0], "1.json×51!", all[2]}, nil},
		{"all descriptors", entry{descriptor: true, method: zip.Deflate}, func(d []byte, starts []int) []byte {
			return bytes.ReplaceAll(d, []byte("PK\x07\x08"), []byte("XX\x07\x08"))
		}, all, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, starts := three(tt.form)
			data := handmade(t, list, strings.Contains(tt.name, "directory"))
			data = tt.damage(data, starts)
			copy(data[:4], "PK\x03\x04") // as an archive begins
			set := expand(t, put(t, t.TempDir(), "e.zip", data))
			mustEqual(t, "members", contents(t, set), tt.want)
			if len(set.Findings) != 1 {
				t.Fatalf("findings %v", set.Findings)
			}
			got := set.Findings[0].Message
			if tt.lost == nil {
				if strings.Contains(got, "belong to no member") {
					t.Errorf("found %q", got)
				}
				return
			}
			n, at := tt.lost(data, starts)
			if want := fmt.Sprintf("; %d bytes, the first of them at byte %d, belong to no member that can be read", n, at); !strings.HasSuffix(got, want) {
				t.Errorf("found %q, want %q", got, want)
			}
		})
	}
}

// The members of an archive in an archive are not those of the outer one, also
// where both are cut short.
func TestNestedArchiveCutShort(t *testing.T) {
	inner := string(handmade(t, []entry{{name: "1.json", data: numbered(9)}, {name: "2.json", data: numbered(9)}}, true))
	for _, descriptor := range []bool{false, true} {
		data := handmade(t, []entry{{name: "a.json", data: "{}"}, {name: "b.zip", data: inner, descriptor: descriptor}}, false)
		set := expand(t, put(t, t.TempDir(), "e.zip", data[:len(data)-20]))
		mustEqual(t, "members", contents(t, set), []string{"a.json×1"})
		if len(set.Findings) != 2 || set.Findings[1].Rule != "nested-archive" {
			t.Errorf("findings %v", set.Findings)
		}
	}
}

// A byte that has changed is noticed without a directory too.
func TestChecksumWithoutDirectory(t *testing.T) {
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		for _, descriptor := range []bool{false, true} {
			for _, zip64 := range []bool{false, true} {
				data := handmade(t, []entry{{"a.json", numbered(50), method, descriptor, zip64}, {"b.json", numbered(3), method, descriptor, zip64}}, false)
				change, into := []byte(`"line":7`), []byte(`"line":8`)
				if method == zip.Deflate { // the sum itself
					sum := crc32.ChecksumIEEE([]byte(numbered(50)))
					change, into = binary.LittleEndian.AppendUint32(nil, sum), binary.LittleEndian.AppendUint32(nil, sum^1)
				}
				data = bytes.Replace(data, change, into, 1)
				set := expand(t, put(t, t.TempDir(), "e.zip", data))
				if len(set.Inputs) != 2 {
					t.Fatalf("%d inputs", len(set.Inputs))
				}
				if got, err := lines(t, &set.Inputs[0]); len(got) != 50 || !errors.Is(err, zip.ErrChecksum) {
					t.Errorf("%d %t %t: %d lines, %v", method, descriptor, zip64, len(got), err)
				}
				if _, err := lines(t, &set.Inputs[1]); err != nil {
					t.Errorf("%d %t %t: %v", method, descriptor, zip64, err)
				}
			}
		}
	}
}

func TestArchiveWithoutAnyMember(t *testing.T) {
	for name, data := range map[string][]byte{
		"cut in the first header": []byte("PK\x03\x04 and"),
		"empty":                   handmade(t, nil, true),
	} {
		path := put(t, t.TempDir(), "e.zip", data)
		if _, err := Expand([]string{path}, Options{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestMemberNames(t *testing.T) {
	long := strings.Repeat("n", 300)
	deep := strings.Repeat("d/", 20_000) + "x.json"
	data := handmade(t, []entry{
		{name: "../x.json", data: "{}\n"},
		{name: "/abs.json", data: "{}\n"},
		{name: `C:\x.json`, data: "{}\n"},
		{name: `..\y.json`, data: "{}\n"},
		{name: long + "1.json", data: "{}\n"},
		{name: long + "2.json", data: "{}\n"},
		{name: deep, data: "{}\n"},
		{name: "Case.json", data: "{}\n"},
		{name: "case.json", data: "{}\n"},
		{name: "case.json.gz", data: "{}\n"},
		{name: "new\nline.json", data: "{}\n"},
		{name: "\xff\x00.json", data: "{}\n"},
		{name: "d/.manifest.json", data: "{}\n"},
	}, true)
	set := expand(t, put(t, t.TempDir(), "e.zip", data))
	names := map[string]bool{}
	for i := range set.Inputs {
		in := &set.Inputs[i]
		if got, damage := lines(t, in); len(got) != 1 || damage != nil {
			t.Errorf("%q: %q, %v", in.Member, got, damage)
		}
		if !strings.HasPrefix(in.Name, "e/") || len(in.Name) > 1100 || strings.ContainsAny(in.Name, "\\:\n\x00") || !utf8.ValidString(in.Name) {
			t.Errorf("%q is written as %q", in.Member, in.Name)
		}
		for part := range strings.SplitSeq(in.Name, "/") {
			if part == "" || part[0] == '.' || len(part) > 240 {
				t.Errorf("%q is written as %q", in.Member, in.Name)
			}
		}
		if key := strings.ToLower(in.Name); names[key] {
			t.Errorf("%q is taken twice", in.Name)
		} else {
			names[key] = true
		}
		put(t, t.TempDir(), in.Name+".ndjson.zst", nil) // can be written
	}
	if len(names) != 12 { // the hidden one is left out
		t.Errorf("%d inputs", len(names))
	}
	if len(set.Findings) != 5 {
		t.Errorf("findings %v", set.Findings)
	}
	var unsafe []string
	for _, f := range set.Findings {
		if f.Rule == "hidden-file" && f.Member == "d/.manifest.json" {
			continue
		}
		if f.Rule != "unsafe-path" {
			t.Errorf("finding %v", f)
		}
		unsafe = append(unsafe, f.Member)
	}
	mustEqual(t, "unsafe", unsafe, []string{"../x.json", `..\y.json`, "/abs.json", `C:\x.json`})
}

func TestNestedAndEmptyMembers(t *testing.T) {
	inner := string(handmade(t, []entry{{name: "a.json", data: "{}"}}, true))
	set := expand(t, put(t, t.TempDir(), "e.zip", handmade(t, []entry{
		{name: "in.zip", data: inner}, {name: "none.json.gz"}, {name: "none.json"}, {name: "none.txt"},
	}, true)))
	var got []string
	for _, f := range set.Findings {
		got = append(got, f.Member+" "+f.Rule)
	}
	mustEqual(t, "findings", got, []string{"in.zip nested-archive", "none.json.gz empty-file"})
	mustEqual(t, "inputs", contents(t, set), []string{"none.json×0"})
	if set.Ignored != 1 {
		t.Errorf("%d ignored", set.Ignored)
	}
}

func TestMembersAreReadSideBySide(t *testing.T) {
	var entries []entry
	for i := range 8 {
		entries = append(entries, entry{name: fmt.Sprint(i, ".json.gz"), data: string(testfile.Gzip(t, numbered(i*100)))})
	}
	for _, directory := range []bool{true, false} {
		set := expand(t, put(t, t.TempDir(), "e.zip", handmade(t, entries, directory)))
		var wg sync.WaitGroup
		for i := range set.Inputs {
			wg.Go(func() {
				if got, damage := lines(t, &set.Inputs[i]); len(got) != i*100 || damage != nil {
					t.Errorf("member %d: %d lines, %v", i, len(got), damage)
				}
			})
		}
		wg.Wait()
	}
}

// TestDescriptorAcrossChunks puts descriptors where salvage reads on.
func TestDescriptorAcrossChunks(t *testing.T) {
	for extra := -30; extra < 30; extra += 3 {
		const head = 30 + len("a.json")
		data := "{}\n" + strings.Repeat(" ", 1<<20-3+extra)
		set := expand(t, put(t, t.TempDir(), "e.zip", handmade(t, []entry{
			{name: "a.json", data: data, descriptor: true, zip64: extra%2 == 0}, {name: "b.json", data: "{}\n", descriptor: true},
		}, false)))
		mustEqual(t, fmt.Sprint(extra, " from ", head), contents(t, set), []string{"a.json×2", "b.json×1"})
	}
}

func TestGzipNameInHeader(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Name = "original.json"
	io.WriteString(w, "{}\n")
	w.Close()
	in := only(t, put(t, t.TempDir(), "x", b.Bytes()))
	got, damage := lines(t, in)
	if damage != nil {
		t.Error(damage)
	}
	mustEqual(t, "lines", got, []string{"{}"})
}
