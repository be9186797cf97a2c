package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/convert"
	"export2batch/internal/progress"
	"export2batch/partition"
	"export2batch/sandbox"
	"export2batch/upload"
	"export2batch/validate"
)

func options(work string, inputs ...string) Options {
	o := Options{
		Work:      work,
		Convert:   convert.Options{Paths: inputs, Version: "test"},
		Validate:  validate.Options{Version: "test"},
		Partition: partition.Options{Version: "test", Rules: partition.Rules{Partitions: 4}},
		Upload:    upload.Options{EventsPerRequest: 3, Version: "test", Seed: 1},
		Sandbox:   &sandbox.Options{},
		Stage: func(_ string, work func(*progress.Meter) error) (float64, error) {
			return 0, work(&progress.Meter{})
		},
		Done: func(any) {},
	}
	return o
}

// export is lines of three users in a time order that the file does not have,
// with a duplicate and an insert id that stands on two different events.
func export(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	line := func(id, user, device, time string) {
		b.WriteString(`{"$insert_id":"` + id + `","event_type":"x","user_id":` + user + `,"device_id":"` + device + `","event_time":"2023-01-02 ` + time + `"}` + "\n")
	}
	line("a3", `"user-a"`, "device-a", "03:00:00.3")
	line("a1", `null`, "device-a", "03:00:00.1")
	line("a2", `"user-a"`, "device-a", "03:00:00.2")
	line("b1", `"user-b"`, "device-b", "03:00:00.1")
	line("b1", `"user-b"`, "device-b", "03:00:00.1")
	line("b1", `"user-b"`, "device-b", "03:00:00.5")
	line("c1", `"user-c"`, "device-c", "03:00:00.1")
	line("c2", `"user-c"`, "device-c", "03:00:00.2")
	path := filepath.Join(t.TempDir(), "export.json")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunProves(t *testing.T) {
	work, in := filepath.Join(t.TempDir(), "work"), export(t)
	for range 2 { // the second run has nothing to do
		s, err := Run(context.Background(), options(work, in))
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate.Read != 8 || s.Validate.Valid != 8 || s.Validate.Warnings == 0 {
			t.Errorf("validate %+v", *s.Validate)
		}
		if want := (Proof{Events: 7}); *s.Proof != want {
			t.Errorf("proof %+v, want %+v", *s.Proof, want)
		}
		if s.Convert.Read != 8 || s.Partition.Dropped != 1 || s.Partition.Collisions != 1 || s.Upload.Accepted != 7 || s.Upload.Pending != 0 {
			t.Errorf("convert %+v, partition %+v, upload %+v", *s.Convert, *s.Partition, *s.Upload)
		}
	}
}

// TestProofFinds changes the ledger and wants the proof to say so.
func TestProofFinds(t *testing.T) {
	work, in := filepath.Join(t.TempDir(), "work"), export(t)
	if _, err := Run(context.Background(), options(work, in)); err != nil {
		t.Fatal(err)
	}
	ledger := filepath.Join(work, sandboxFolder, "ledger.ndjson")
	data, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(bytes.TrimSpace(data), []byte("\n"))
	at := func(id string) int {
		return slices.IndexFunc(lines, func(l []byte) bool { return bytes.Contains(l, []byte(`"insert_id":"`+id+`"`)) })
	}
	for name, c := range map[string]struct {
		change func([][]byte) [][]byte
		want   Proof
	}{
		"as it is": {func(l [][]byte) [][]byte { return l }, Proof{Events: 7}},
		"one gone": {func(l [][]byte) [][]byte { return slices.Delete(l, at("c1"), at("c1")+1) }, Proof{Events: 7, Missing: 1}},
		"all gone": {func([][]byte) [][]byte { return nil }, Proof{Events: 7, Missing: 7}},
		"one more": {func(l [][]byte) [][]byte {
			return append(l, []byte("\n"+`{"seq":99,"insert_id":"new","device_id":"device-c","user_id":null,"duplicate":false}`))
		}, Proof{Events: 7, Extra: 1}},
		"a duplicate": {func(l [][]byte) [][]byte {
			return append(l, []byte("\n"+`{"seq":99,"insert_id":"a1","device_id":"device-a","user_id":null,"duplicate":true}`))
		}, Proof{Events: 7}},
		"order": {func(l [][]byte) [][]byte {
			first := replaceSeq(t, l[at("a1")], 98)
			l[at("a1")] = first
			return l
		}, Proof{Events: 7, OutOfOrder: 2}}, // a2 and a3 came before a1
	} {
		var changed [][]byte
		for _, l := range lines {
			changed = append(changed, bytes.Clone(l))
		}
		if err := os.WriteFile(ledger, bytes.Join(c.change(changed), nil), 0o666); err != nil {
			t.Fatal(err)
		}
		o := options(work, in)
		p, err := o.prove(context.Background())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if *p != c.want {
			t.Errorf("%s: %+v, want %+v", name, *p, c.want)
		}
	}
}

func replaceSeq(t *testing.T, line []byte, seq int) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatal(err)
	}
	m["seq"] = seq
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func TestRunRefusesForeignFolder(t *testing.T) {
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "thesis.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), options(work, export(t))); err == nil || !strings.Contains(err.Error(), "thesis.txt") {
		t.Errorf("error %v", err)
	}
	if names, _ := os.ReadDir(work); len(names) != 1 {
		t.Errorf("something was written: %v", names)
	}
}
