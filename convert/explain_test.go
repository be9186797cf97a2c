package convert

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/testfile"
)

func TestExplain(t *testing.T) {
	rules := Rules{IDs: "trim", Keep: []string{"device_type"}, PropertyRename: []string{"device_type=model", "amount=$revenue"}, PropertyDrop: []string{"secret"},
		Revenue: Lift, Where: "time > 0", PropertySet: []string{`x="1"`}, EventRename: []string{"a=b"}, Time: "client_event_time", PartnerID: Keep}
	x, err := Explain(rules, []byte(exportLine("device_id", `" d"`, "device_type", `"value"`, "paying", "true", "partner_id", `"p"`,
		"event_properties", `{"amount":5,"secret":1}`)))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, k := range x.Keys {
		keys = append(keys, k.Key+"<"+k.From+"<"+k.By)
	}
	want := []string{
		"device_id<device_id<ids", "event_type<event_type<event-rename", "time<event_time<time", "insert_id<$insert_id<",
		"event_properties<event_properties<", "$skip_user_properties_sync<true<user-properties",
		"revenue<event_properties.amount<property-rename, revenue", "partner_id<partner_id<partner-id",
		"event_properties.model<device_type<keep, property-rename", "event_properties.x<an expression<property-set",
	}
	if !slices.Equal(keys, want) {
		t.Errorf("keys\n%s\nwant\n%s", strings.Join(keys, "\n"), strings.Join(want, "\n"))
	}
	var steps []string
	for _, s := range x.Steps {
		steps = append(steps, s.Rule)
	}
	if got := strings.Join(steps, " "); got != "ids where keep property-rename property-drop, property-keep property-rename property-set revenue partner-id event-rename" {
		t.Errorf("steps %s", got)
	}
	if x.Outcome != "written" || !slices.Equal(x.Lost, []string{"paying"}) {
		t.Errorf("%+v", x)
	}
	text, err := json.Marshal(x)
	if err != nil || strings.Contains(string(text), "value") {
		t.Errorf("values are told: %s", text)
	}
	for line, want := range map[string]string{
		exportLine("event_time", `"1960-01-01 00:00:00"`): "dropped where",
		exportLine("event_time", `"x"`):                   "rejected unreadable-time",
		`{`:                                               "rejected invalid-json",
		`{"merge_time":"x","amplitude_id":1,"merged_amplitude_id":2}`: "merged-ids ",
		exportLine("event_type", `"$identify"`):                       "dropped $identify",
	} {
		if x, err := Explain(rules, []byte(line)); err != nil || x.Outcome+" "+x.Rule != want {
			t.Errorf("%s: %+v, %v", line, x, err)
		}
	}
}

// What is explained without rules is the plain mapping.
func TestExplainTheMapping(t *testing.T) {
	x, err := Explain(Rules{}, []byte(exportLine("version_name", `"1"`, "$insert_id", "null", "uuid", `"u"`)))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, k := range x.Keys {
		keys = append(keys, k.Key+"<"+k.From)
	}
	if want := []string{"device_id<device_id", "event_type<event_type", "time<event_time", "insert_id<uuid", "app_version<version_name", "$skip_user_properties_sync<true"}; !slices.Equal(keys, want) || len(x.Steps) > 0 {
		t.Errorf("%q, %v", keys, x.Steps)
	}
}

func TestReadLine(t *testing.T) {
	path := testfile.Write(t, filepath.Join(t.TempDir(), "a.json.gz"), testfile.Gzip(t, "\n{1}\n{2}\n"))
	for number, want := range map[int64]string{0: "{1}", 1: "", 3: "{2}"} {
		if got, err := ReadLine(t.Context(), path, number, nil); err != nil || string(got) != want {
			t.Errorf("line %d: %q, %v", number, got, err)
		}
	}
	if got, err := ReadLine(t.Context(), path, 4, nil); err == nil {
		t.Errorf("line 4: %q", got)
	}
}
