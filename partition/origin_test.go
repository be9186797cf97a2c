package partition

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
	"export2batch/internal/stage"
	"export2batch/internal/testfile"
)

// joinedByAmplitude is a folder of convert with 40 users of one event each, all
// of one Amplitude ID.
func joinedByAmplitude(t *testing.T) (dir, events string) {
	t.Helper()
	var samples []sample
	var ids strings.Builder
	for i := range 40 {
		samples = append(samples, sample{user: fmt.Sprint("user-", i), time: int64(i)})
		fmt.Fprintf(&ids, `{"user_id":"user-%d","amplitude_id":7}`+"\n", i)
	}
	events = join(samples)
	return converted(t, []string{events}, []string{ids.String()}), events
}

// validated writes a folder such as validate leaves, of the events of from.
func validated(t *testing.T, from, events string) string {
	t.Helper()
	m, err := stage.Load(from)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := stage.Begin(durable.OS, filepath.Join(t.TempDir(), "validated"), stage.Identity{Stage: "validate"})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	in := m.Files[0]
	made := stage.Manifest{Counts: json.RawMessage("{}"), Inputs: []stage.Input{{Name: filepath.Join(from, in.Name), Size: in.Bytes, SHA256: in.SHA256}}}
	if events != "" {
		name := "events/00.ndjson"
		w, err := eventfile.Create(durable.OS, folder.File(name), name, eventfile.None)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write([]byte(events)); err != nil {
			t.Fatal(err)
		}
		info, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		made.Files = append(made.Files, info)
	}
	if err := folder.Finish(made, map[string]bool{"events/00.ndjson": true}); err != nil {
		t.Fatal(err)
	}
	return folder.Path
}

// TestValidatedFolders belong together as what they were made of.
func TestValidatedFolders(t *testing.T) {
	from, events := joinedByAmplitude(t)
	escaped := strings.Replace(events, `"user_id":"user-3"`, `"user\u005fid":"user-3"`, 1) // which validate leaves as it is
	dir := validated(t, from, escaped)
	o := options(t, dir)
	if s := mustRun(t, o); s.Identities != 1 || s.Partitions != 1 || s.IdentityFiles != 1 || s.Written != 40 {
		t.Errorf("%+v", s)
	}
	if s, found := check(t, o.Out); len(found) > 0 || s.IdentityFiles != 1 || s.Identities != 1 {
		t.Errorf("%+v, %v", s, found)
	}
	if err := runError(t, options(t, validated(t, from, ""))); !strings.Contains(err, "validated holds no events") {
		t.Error(err)
	}
	for name, change := range map[string]func(){
		"made anew": func() {
			os.Rename(from, from+".old")
			again, _ := joinedByAmplitude(t)
			m, _ := stage.Load(again)
			m.Files[0].SHA256 = strings.Repeat("0", 64)
			data, _ := json.Marshal(m)
			testfile.Write(t, filepath.Join(again, "manifest.json"), string(data))
			os.Rename(again, from)
		},
		"gone": func() { os.RemoveAll(from) },
	} {
		change()
		if s := mustRun(t, options(t, dir)); s.Identities != 40 || s.IdentityFiles != 0 {
			t.Errorf("the folder it was made of is %s: %+v", name, s)
		}
	}
}

// TestCheckJoinsByAmplitudeIDs as Run has done, from the files that it read.
func TestCheckJoinsByAmplitudeIDs(t *testing.T) {
	from, _ := joinedByAmplitude(t)
	o := options(t, from)
	o.Rules.Partitions = 2
	if s := mustRun(t, o); s.Identities != 1 || s.IdentityFiles != 1 {
		t.Fatalf("%+v", s)
	}
	if s, found := check(t, o.Out); len(found) > 0 || s.Identities != 1 || s.IdentityFiles != 1 || s.Missing != 0 {
		t.Errorf("%+v, %v", s, found)
	}
	// Half of the events go to the other partition.
	m, err := stage.Load(o.Out)
	if err != nil {
		t.Fatal(err)
	}
	name := m.Files[0].Name
	lines := strings.SplitAfter(testfile.Tree(t, o.Out)[name], "\n")
	other := "partitions/part-0000.ndjson"
	if name == other {
		other = "partitions/part-0001.ndjson"
	}
	testfile.Write(t, filepath.Join(o.Out, name), strings.Join(lines[:20], ""))
	testfile.Write(t, filepath.Join(o.Out, other), strings.Join(lines[20:], ""))
	m.Files = append(m.Files, eventfile.Info{Name: other})
	data, _ := json.Marshal(m)
	testfile.Write(t, filepath.Join(o.Out, "manifest.json"), string(data))
	repair(t, o.Out)
	if s, found := check(t, o.Out); !slices.Equal(found, []string{"identity-split"}) {
		t.Errorf("%+v, %v", s, found)
	}
	ids := filepath.Join(from, "identities/00.ndjson")
	testfile.Write(t, ids, strings.Replace(testfile.Tree(t, from)["identities/00.ndjson"], "user-1", "user-x", 1))
	for range 2 { // changed, then gone
		if s, found := check(t, o.Out); len(found) > 0 || s.Missing != 1 || s.IdentityFiles != 0 || s.Identities != 40 {
			t.Errorf("%+v, %v", s, found)
		}
		os.Remove(ids)
	}
}
