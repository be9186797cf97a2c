package upload

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func testRecords() []record {
	return []record{
		&begin{manifest: [32]byte{1, 2}, time: 1700000000000, url: "https://x/batch", version: "v1"},
		&intent{partition: 1, request: 1, time: 5, sum: [32]byte{9}, events: spans{{0, 2}, {3, 10}}},
		&ack{1, 1, 2, 1, 8, 6},
		&intent{partition: 0, request: 1, time: 7, sum: [32]byte{8}, events: spans{{0, 5}}},
		&refused{0, 1, 1, 0, 400, 9},
		&aside{0, 3, "invalid-fields", "HTTP 400: time"},
		&keyMark{[16]byte{7}, [4]byte{1}},
		&park{3, 4, []uint64{1, 1 << 63}},
	}
}

// journalOf writes each list as a commit.
func journalOf(commits ...[]record) []byte {
	out := appendHeader(nil)
	for _, list := range commits {
		c := make([]byte, commitHead)
		for _, r := range list {
			c = appendRecord(c, r)
		}
		sealCommit(c, int64(len(out)))
		out = append(out, c...)
	}
	return out
}

func collect(list *[]record) func(record) error {
	return func(r record) error {
		*list = append(*list, r)
		return nil
	}
}

func TestRecordsReadBack(t *testing.T) {
	want := testRecords()
	data := journalOf(want[:1], want[1:4], want[4:])
	var got []record
	end, err := readJournal(bytes.NewReader(data), collect(&got))
	if err != nil || end != int64(len(data)) || !reflect.DeepEqual(got, want) {
		t.Errorf("end %d of %d, %v: %+v", end, len(data), err, got)
	}
}

// The format is a promise to every state folder there is.
func TestJournalFormat(t *testing.T) {
	want := "65326275706c640a02000000" + // header
		"0a000000d5a1ccadd922dc6e" + // head of the commit; CRCs computed by another program
		"0308" + "0203" + "01" + "00" + "0a" + "d0a504" // ack
	got := fmt.Sprintf("%x", journalOf([]record{&ack{2, 3, 1, 0, 10, 70352}}))
	if got != want {
		t.Errorf("journal %s, want %s", got, want)
	}
}

func TestTornTailIsCutOff(t *testing.T) {
	list := testRecords()
	whole := journalOf(list[:1], list[1:4])
	data := journalOf(list[:1], list[1:4], list[4:])
	for cut := len(whole); cut < len(data); cut++ {
		for _, tail := range [][]byte{data[:cut], append(bytes.Clone(data[:cut]), make([]byte, len(data)-cut)...)} {
			var got []record
			end, err := readJournal(bytes.NewReader(tail), collect(&got))
			if err != nil || end != int64(len(whole)) || !reflect.DeepEqual(got, list[:4]) {
				if !bytes.Equal(tail, data) { // its last bytes may be zero anyway
					t.Fatalf("cut at %d: end %d, %v, %d records", cut, end, err, len(got))
				}
			}
		}
	}
}

func TestDamageInTheMiddleIsNamed(t *testing.T) {
	list := testRecords()
	first := len(journalOf(list[:1]))
	second := len(journalOf(list[:1], list[1:4]))
	data := journalOf(list[:1], list[1:4], list[4:])
	for at := range second {
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(data)
			bad[at] ^= flip
			_, err := readJournal(bytes.NewReader(bad), func(record) error { return nil })
			var corrupt *CorruptError
			switch {
			case at >= len(magic) && at < headerSize:
				if err == nil || !strings.Contains(err.Error(), "format") {
					t.Errorf("byte %d: %v", at, err)
				}
				continue
			case !errors.As(err, &corrupt):
				t.Errorf("byte %d: %v", at, err)
				continue
			}
			want := int64(0)
			if at >= first {
				want = int64(first)
			} else if at >= headerSize {
				want = int64(headerSize)
			}
			if corrupt.Offset != want {
				t.Errorf("byte %d: damage at %d, want %d", at, corrupt.Offset, want)
			}
		}
	}
}

func TestRecordsOfNewerVersionsAreRefused(t *testing.T) {
	data := appendHeader(nil)
	c := append(make([]byte, commitHead), 77, 0)
	sealCommit(c, int64(len(data)))
	_, err := readJournal(bytes.NewReader(append(data, c...)), func(record) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Error(err)
	}
}

// A journal that reads back may still not make sense.
func TestImpossibleHistoriesAreRefused(t *testing.T) {
	b := testRecords()[0]
	in := func(part, request int, events ...span) record {
		return &intent{partition: part, request: request, events: events}
	}
	ok := &ack{0, 1, 1, 0, 5, 0}
	for name, list := range map[string][]record{
		"no beginning":        {in(0, 1, span{0, 5})},
		"two beginnings":      {b, b},
		"no such partition":   {b, in(2, 1, span{0, 5})},
		"aside nowhere":       {b, &aside{2, 0, "", ""}},
		"no such event":       {b, in(0, 1, span{0, 11})},
		"no events":           {b, in(0, 1)},
		"aside no such event": {b, &aside{0, 10, "", ""}},
		"two in flight":       {b, in(0, 1, span{0, 5}), in(0, 2, span{5, 6})},
		"a number left out":   {b, in(0, 2, span{0, 5})},
		"answer unasked":      {b, ok},
		"answer twice":        {b, in(0, 1, span{0, 5}), ok, ok},
		"refusal unasked":     {b, &refused{0, 1, 1, 0, 400, 0}},
		"sent twice":          {b, in(0, 1, span{0, 5}), ok, in(0, 2, span{4, 6})},
		"aside after sent":    {b, in(0, 1, span{0, 5}), ok, &aside{0, 4, "", ""}},
		"aside in flight":     {b, in(0, 1, span{0, 5}), &aside{0, 4, "", ""}},
		"aside twice":         {b, &aside{0, 4, "", ""}, &aside{0, 4, "", ""}},
	} {
		s := newState([]int64{10, 10})
		var err error
		for _, r := range list {
			if err = s.apply(r); err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestSpans(t *testing.T) {
	var s spans
	for _, n := range []span{{5, 7}, {0, 2}, {9, 10}, {2, 3}, {8, 9}, {3, 5}, {7, 8}} {
		if !s.add(n) {
			t.Fatalf("%v is not new in %v", n, s)
		}
	}
	if !reflect.DeepEqual(s, spans{{0, 10}}) || s.count() != 10 {
		t.Error(s)
	}
	for _, n := range []span{{0, 1}, {9, 11}, {4, 4}, {5, 3}} {
		if s.add(n) {
			t.Errorf("%v was new", n)
		}
	}
	s.add(span{20, 22})
	for i, want := range map[int64]bool{-1: false, 0: true, 9: true, 10: false, 19: false, 20: true, 21: true, 22: false} {
		if s.contains(i) != want {
			t.Errorf("contains %d: %v", i, !want)
		}
	}
}

// Records that many goroutines add arrive whole and in the order of each.
func TestJournalWritesEveryRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	file, err := fast.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(appendHeader(nil)); err != nil {
		t.Fatal(err)
	}
	j := startJournal(file, int64(headerSize))
	const writers, each = 8, 500
	failed := make(chan error, writers)
	for w := range writers {
		go func() {
			for i := range each {
				c := j.add(&refused{w, i, 1, 0, 0, 0}, &aside{w, int64(i), "r", "x"})
				if i%3 == 0 {
					if err := c.wait(); err != nil {
						failed <- err
						return
					}
				}
			}
			failed <- nil
		}()
	}
	for range writers {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var next [writers]int
	end, err := readJournal(bytes.NewReader(data), func(r record) error {
		if r, ok := r.(*refused); ok {
			if next[r.partition] != r.request {
				t.Errorf("writer %d: record %d, want %d", r.partition, r.request, next[r.partition])
			}
			next[r.partition]++
		}
		return nil
	})
	if err != nil || end != int64(len(data)) || next != [writers]int{each, each, each, each, each, each, each, each} {
		t.Errorf("%v, end %d of %d, %v", err, end, len(data), next)
	}
}

func FuzzReadJournal(f *testing.F) {
	list := testRecords()
	whole := journalOf(list[:1], list[1:4], list[4:])
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(appendHeader(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newState([]int64{10, 10})
		end, err := readJournal(bytes.NewReader(data), s.apply)
		if end < 0 || end > int64(len(data)) {
			t.Fatalf("end %d of %d bytes", end, len(data))
		}
		if err != nil {
			return
		}
		if again, err := readJournal(bytes.NewReader(data[:end]), newState([]int64{10, 10}).apply); err != nil || again != end {
			t.Fatalf("without its torn tail: end %d and %v, before %d", again, err, end)
		}
		if sum := s.summary(); sum.Pending < 0 || sum.Read != sum.Accepted+sum.Rejected+sum.Pending {
			t.Fatalf("%+v", sum)
		}
	})
}

// Payloads are fuzzed without their checksums, which would stop most of them.
func FuzzRecord(f *testing.F) {
	for _, r := range testRecords() {
		f.Add(appendRecord(nil, r))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		r, _, err := nextRecord(data)
		if err != nil {
			return
		}
		back, rest, err := nextRecord(appendRecord(nil, r))
		if err != nil || len(rest) > 0 || !reflect.DeepEqual(r, back) {
			t.Fatalf("%+v was read back as %+v, %v", r, back, err)
		}
	})
}
