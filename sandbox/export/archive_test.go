package export

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestArchive splits an hour that has many rows, and begins anew with the next.
func TestArchive(t *testing.T) {
	var b bytes.Buffer
	a := NewArchive(&b, Row{Project: 7})
	const rows = 100
	a.most = rows
	const start = 1_700_000_000_000 // 22:13:20
	for i := range rows + 2 {
		received := int64(start)
		if i == rows+1 {
			received += 2 * hour
		}
		e := Event{Number: int64(i + 1), Received: received, AmplitudeID: 1, Sent: []byte(`{"user_id":"user-1","event_type":"x"}`)}
		if err := a.Add(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"7/7_2023-11-14_22#0.json.gz": rows, "7/7_2023-11-14_22#1.json.gz": 1, "7/7_2023-11-15_0#0.json.gz": 1}
	if len(z.File) != len(want) {
		t.Errorf("%d entries", len(z.File))
	}
	uuids := map[string]bool{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		zr, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(zr)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n != want[f.Name] {
			t.Errorf("%s has %d rows", f.Name, n)
		}
		for line := range strings.Lines(string(text)) {
			_, rest, _ := strings.Cut(line, `"uuid":"`)
			uuids[rest[:36]] = true
		}
	}
	if len(uuids) != rows+2 {
		t.Errorf("%d different uuids", len(uuids))
	}
}

func TestMillis(t *testing.T) {
	for text, want := range map[string]int64{"1700000000123": 1700000000123, "1.7e12": 1700000000000, "12.9": 12, "0": 0,
		"": 5, "-1": 5, "1e300": 5, "253402300800000": 5, "253402300799999": 253402300799999, "9223372036854775808": 5} {
		if got := Millis([]byte(text), 5); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

// TestGroups holds what is not tracked out of a row.
func TestGroups(t *testing.T) {
	r := Row{GroupTypes: []string{"org", "team"}}
	for groups, want := range map[string]string{
		`{"org":"acme"}`:                                                   `{"org":["acme"]}`,
		`{"team":["a","b"],"other":"x"}`:                                   `{"team":["a","b"]}`,
		`{"org":null,"team":[7,true,null,[]]}`:                             `{"team":["7","true"]}`,
		`{"org":["1","2","3","4","5","6","7","8","9"],"team":["10","11"]}`: `{"org":["1","2","3","4","5","6","7","8","9"],"team":["10"]}`,
		`{"org":"a","org":"b"}`:                                            `{}`,
	} {
		row, err := r.Append(nil, &Event{Sent: fmt.Appendf(nil, `{"event_type":"x","groups":%s}`, groups)})
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Groups json.RawMessage }
		if err := json.Unmarshal(row, &got); err != nil || string(got.Groups) != want {
			t.Errorf("%s: %s, %v, want %s", groups, got.Groups, err, want)
		}
	}
}
