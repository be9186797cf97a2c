package stage_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"export2batch/internal/stage"
)

func TestLoad(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string // of the error
		is    error
	}{
		{name: "nothing", is: stage.ErrNotStage},
		{name: "other files", files: map[string]string{"a.json": "{}"}, is: stage.ErrNotStage},
		{name: "someone else's manifest", files: map[string]string{"manifest.json": `{"name":"page"}`}, is: stage.ErrNotStage},
		{name: "not JSON", files: map[string]string{"manifest.json": "x"}, is: stage.ErrNotStage},
		{name: "unfinished", files: map[string]string{".unfinished": `{"stage":"convert","version":"1","options":{}}` + "\n"}, is: stage.ErrUnfinished, want: "run convert again"},
		{name: "unfinished and torn", files: map[string]string{".unfinished": `{"sta`}, is: stage.ErrUnfinished, want: "run the command again"},
		{name: "finished", files: map[string]string{"manifest.json": `{"stage":"convert","files":[{"name":"events/a"}],"unknown":1}`}},
		{name: "finished, killed while cleaning up", files: map[string]string{"manifest.json": `{"stage":"convert"}`, ".unfinished": "x"}},
		{name: "out of the folder", files: map[string]string{"manifest.json": `{"stage":"convert","files":[{"name":"../x"}]}`}, want: "outside the folder"},
		{name: "out of the folder, hidden", files: map[string]string{"manifest.json": `{"stage":"convert","files":[{"name":"events/../../x"}]}`}, want: "outside the folder"},
		{name: "absolute", files: map[string]string{"manifest.json": `{"stage":"convert","files":[{"name":"/etc/passwd"}]}`}, want: "outside the folder"},
		{name: "identities out of the folder", files: map[string]string{"manifest.json": `{"stage":"convert","identities":[{"name":"../x"}]}`}, want: "outside the folder"},
		{name: "no name", files: map[string]string{"manifest.json": `{"stage":"convert","files":[{}]}`}, want: "outside the folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				put(t, dir, name, text)
			}
			m, err := stage.Load(dir)
			if tt.is == nil && tt.want == "" {
				if err != nil || m.Stage != "convert" {
					t.Errorf("%+v, %v", m, err)
				}
				return
			}
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	c := stage.Counts{Read: 4, Written: 1}
	c.Reject("invalid-json")
	if c.Balanced() {
		t.Error("balanced, but one is missing")
	}
	c.Drop("duplicate")
	c.Drop("duplicate")
	if !c.Balanced() {
		t.Errorf("not balanced: %+v", c)
	}
	var sum stage.Counts
	sum.Add(c)
	sum.Add(c)
	sum.Add(stage.Counts{Read: 1, Rejected: 1, RejectedBy: map[string]int64{"line-too-long": 1}})
	want := stage.Counts{Read: 9, Written: 2, Rejected: 3, Dropped: 4,
		RejectedBy: map[string]int64{"invalid-json": 2, "line-too-long": 1}, DroppedBy: map[string]int64{"duplicate": 4}}
	if !reflect.DeepEqual(sum, want) || !sum.Balanced() {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	if c.RejectedBy["invalid-json"] != 1 {
		t.Error("adding changed what was added")
	}
	data, err := json.Marshal(stage.Counts{Read: 1, Written: 1})
	if want := `{"read":1,"written":1,"rejected":0,"dropped":0}`; err != nil || string(data) != want {
		t.Errorf("JSON %s (%v), want %s", data, err, want)
	}
}
