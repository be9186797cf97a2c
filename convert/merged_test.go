package convert

import (
	"path/filepath"
	"strings"
	"testing"

	"export2batch/internal/testfile"
)

// Merged-ID files go into identities/, wherever they come from; what else
// stands in a file that is said to be one is set aside.
func TestMergedIDs(t *testing.T) {
	dir := t.TempDir()
	const one, two = `{"scope":1,"merge_time":"x","merge_server_time":"x","amplitude_id":1,"merged_amplitude_id":2}`, `{"merge_time":"x","amplitude_id":3,"merged_amplitude_id":2}`
	in := filepath.Join(dir, "in")
	testfile.Write(t, filepath.Join(in, "a.json"), []byte(lines(numbered(2, "amplitude_id", "1")...)))
	testfile.Write(t, filepath.Join(in, "m.json"), []byte(lines(one, one)))
	given := testfile.Write(t, filepath.Join(dir, "given.json"), []byte(lines(two, exportLine("$insert_id", `"zz"`))))
	r := convertTo(t, filepath.Join(dir, "out"), Options{Paths: []string{in}, MergedIDs: []string{given}, Jobs: 2})
	if got, want := r.files["identities/m.ndjson"], `{"amplitude_id":1,"merged_amplitude_id":2}`+"\n"; got != want {
		t.Errorf("found: %s", got)
	}
	if got, want := r.files["identities/given.ndjson"], `{"amplitude_id":3,"merged_amplitude_id":2}`+"\n"; got != want {
		t.Errorf("given: %s", got)
	}
	if r.Written != 2 || r.RejectedBy[ruleNotMerged] != 1 || r.MergedIDLines != 3 || r.MergedIDFiles != 2 || r.InsertIDs["export"] != 2 ||
		!strings.Contains(r.files["rejected/given.ndjson"], "zz") || r.files["events/given.ndjson"] != "" {
		t.Errorf("%+v", r.Summary)
	}
	// In a sample, those of its users.
	n := 0
	for i := range 200 {
		m := newMapper(compiled(Rules{SampleUsers: "10%"}))
		m.event(nil, []byte(strings.Replace(one, `"amplitude_id":1`, `"amplitude_id":`+strings.Repeat("9", i%7+1)+string(rune('0'+i%10)), 1)))
		n += int(m.pairs.n)
	}
	if n == 0 || n > 100 {
		t.Errorf("%d of 200 pairs in a sample of 10 %%", n)
	}
}
