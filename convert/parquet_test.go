package convert_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/convert"
	"export2batch/internal/eventfile"
	"export2batch/internal/finding"
)

// twins are the files that internal/source/parquet keeps, each in Parquet and
// as the Export API gives the same events.
func twin(name string) string {
	return filepath.Join("..", "internal", "source", "parquet", "testdata", name)
}

// convertFiles converts inputs and returns the events of each file of the
// result, by its name below events.
func convertFiles(t *testing.T, rules convert.Rules, paths ...string) (events map[string]string, s convert.Summary, findings []finding.Finding, err error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	s, err = convert.Run(context.Background(), convert.Options{
		Paths: paths, Out: out, Rules: rules, Compress: eventfile.None, Jobs: 2, Version: "test",
		Sink: func(f finding.Finding) { findings = append(findings, f) },
	})
	if err != nil {
		return nil, s, findings, err
	}
	events = map[string]string{}
	root := filepath.Join(out, "events")
	werr := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		events[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if werr != nil {
		t.Fatal(werr)
	}
	return events, s, findings, nil
}

// TestParquetTwins converts events from Parquet and from JSON: with one kind of
// insert id they are the same, byte for byte.
func TestParquetTwins(t *testing.T) {
	for _, name := range []string{"snowflake", "bigquery", "struct", "map"} {
		for _, rules := range []convert.Rules{{InsertID: convert.InsertIDUUID}, {InsertID: convert.InsertIDUUID, UserProperties: convert.Sync}} {
			a, sa, fa, err := convertFiles(t, rules, twin(name)+".parquet")
			if err != nil {
				t.Fatal(err)
			}
			b, sb, fb, err := convertFiles(t, rules, twin(name)+".ndjson")
			if err != nil {
				t.Fatal(err)
			}
			if a[name+".ndjson"] != b[name+".ndjson"] || a[name+".ndjson"] == "" {
				x, y := strings.Split(a[name+".ndjson"], "\n"), strings.Split(b[name+".ndjson"], "\n")
				for i := range min(len(x), len(y)) {
					if x[i] != y[i] {
						t.Errorf("%s: event %d is from Parquet\n%s\nand from JSON\n%s", name, i+1, x[i], y[i])
						break
					}
				}
				t.Errorf("%s: %d events from Parquet, %d from JSON", name, len(x), len(y))
			}
			if sa.Read != sb.Read || sa.Written != sb.Written || sa.Dropped != sb.Dropped || len(fa)+len(fb) > 0 {
				t.Errorf("%s: accounts %+v and %+v, findings %v and %v", name, sa, sb, fa, fb)
			}
		}
	}
}

// TestParquetMixedInsertIDs refuses, before anything is written, a set in which
// the columns of a Parquet file say that its events get other insert ids.
func TestParquetMixedInsertIDs(t *testing.T) {
	dir := t.TempDir()
	export := filepath.Join(dir, "export.json")
	if err := os.WriteFile(export, []byte(`{"event_type":"x"}`+"\n"+`{"$insert_id":null,"event_type":"x","user_id":"user-1","event_time":"2024-06-01 00:00:00"}`+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, paths := range [][]string{{twin("struct") + ".parquet", export}, {export, twin("struct") + ".parquet"}} {
		out := filepath.Join(dir, "out")
		_, err := convert.Run(context.Background(), convert.Options{Paths: paths, Out: out, Version: "test"})
		if !errors.Is(err, convert.ErrMixedInsertIDs) {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the folder was made: %v", err)
		}
	}
	// With columns named, the file has insert ids, and with uuid it does not matter.
	for _, rules := range []convert.Rules{{Columns: "$insert_id=uuid"}, {InsertID: convert.InsertIDUUID}} {
		if _, _, _, err := convertFiles(t, rules, twin("struct")+".parquet", export); err != nil {
			t.Errorf("%+v: %v", rules, err)
		}
	}
}

// TestParquetColumns gives columns other names.
func TestParquetColumns(t *testing.T) {
	events, s, _, err := convertFiles(t, convert.Rules{Columns: "user_id=uuid, session_id=EVENT_ID"}, twin("struct")+".parquet")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(events["struct.ndjson"], `{"user_id":"00000000-0000-4000-8000-000000000000","device_id":"device-0","event_type":"Größe 0","time":1717200003280,"insert_id":"e2b-`) ||
		!strings.Contains(events["struct.ndjson"], `"session_id":7,`) || s.Written != 120 {
		t.Errorf("%d events: %.300s", s.Written, events["struct.ndjson"])
	}
	for columns, want := range map[string]string{
		"user_id=nobody": `"nobody"`, "user=uuid": "no key", "user_id": "KEY=COLUMN", "user_id=": "KEY=COLUMN", "user_id=a,user_id=b": "two columns",
	} {
		_, _, _, err := convertFiles(t, convert.Rules{Columns: columns}, twin("struct")+".parquet")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", columns, err)
		}
	}
}

// TestParquetDamage takes what can be read of a damaged file, says the rest,
// and goes on with other inputs.
func TestParquetDamage(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile(twin("map") + ".parquet")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("a-cut.parquet", whole[:len(whole)-100])
	write("b-magic.parquet", append([]byte("XXXX"), whole[4:]...))
	write("c-whole.parquet", whole)
	damaged := slices.Clone(whole)
	clear(damaged[len(damaged)/2 : len(damaged)/2+40]) // in the second row group
	write("d-damaged.parquet", damaged)
	write("e-empty.parquet", nil)
	write("f.json", []byte(`{"uuid":"u","event_type":"x","user_id":"user-1","event_time":"2024-06-01 00:00:00"}`))
	_, s, findings, err := convertFiles(t, convert.Rules{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Read < 120+1+70 || s.Read >= 2*120+1 || s.Rejected != 0 || s.Files != 3 || s.Damaged != 4 {
		t.Errorf("account %+v", s)
	}
	var got []string
	for _, f := range findings {
		got = append(got, filepath.Base(f.File)+" "+f.Rule)
		if strings.HasPrefix(filepath.Base(f.File), "d-") && !strings.Contains(f.String(), ":row ") {
			t.Errorf("no row in %s", f)
		}
	}
	slices.Sort(got)
	if want := []string{"a-cut.parquet parquet", "b-magic.parquet parquet", "d-damaged.parquet damaged-input", "e-empty.parquet empty-file"}; !slices.Equal(got, want) {
		t.Errorf("findings %q", got)
	}
}
