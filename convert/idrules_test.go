package convert

import (
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"export2batch/internal/testfile"
)

func TestIDsTrimLower(t *testing.T) {
	for _, tt := range []struct{ ids, id, want string }{
		{"trim", `" \u00a0A b\t"`, `"A b"`}, {"lower", `" AÉ"`, `" aé"`}, {"trim,lower", `" A"`, `"a"`}, {"lower,trim", `"a"`, `"a"`},
		{"trim", `"   "`, ""}, {"lower", `12345`, `"12345"`}, {"lower", `"x\"\\Y"`, `"x\"\\y"`},
	} {
		for key, other := range map[string]string{"user_id": "device_id", "device_id": "user_id"} {
			line := exportLine(key, tt.id, other, `"other1"`)
			got := eventKeys(t, Rules{IDs: tt.ids}, line)
			_, _, m := mapLine(Rules{IDs: tt.ids}, line)
			if got[key] != tt.want || !strings.Contains(string(m.pairs.lines), tt.want) {
				t.Errorf("--ids %s: %s %s became %s, pairs %s", tt.ids, key, tt.id, got[key], m.pairs.lines)
			}
		}
	}
	if _, v, _ := mapLine(Rules{IDs: "trim"}, exportLine("device_id", `" "`)); v.rule != ruleNoID {
		t.Errorf("nothing but space: %v", v)
	}
}

func TestIDMaps(t *testing.T) {
	dir := t.TempDir()
	users := testfile.Write(t, filepath.Join(dir, "users.csv"), []byte("\xef\xbb\xbfold,new\nu1,U1\n\"u,2\",\"U \"\"2\"\"\"\n12345,n\nu1,U1\n"))
	devices := testfile.Write(t, filepath.Join(dir, "devices.csv"), []byte("d1,D1\n"))
	for _, tt := range []struct {
		unmapped, user, device string
		want                   string // pair; or why there is none
	}{
		{"", `"u1"`, `"d1"`, `{"user_id":"U1","device_id":"D1"}`},
		{"", `"u,2"`, `"d9"`, `{"user_id":"U \"2\"","device_id":"d9"}`},
		{"", `"\u00751"`, `null`, `{"user_id":"U1"}`},
		{Keep, `12345`, `"d1"`, `{"user_id":"n","device_id":"D1"}`},
		{Keep, `"old"`, `"d1"`, `{"user_id":"old","device_id":"D1"}`},
		{Drop, `null`, `"d1"`, `{"device_id":"D1"}`},
		{Drop, `"u9"`, `"d1"`, unmappedUser},
		{Reject, `"u1"`, `"d9"`, unmappedDevice},
	} {
		event, v, m := mapLine(Rules{UserMap: users, DeviceMap: devices, Unmapped: tt.unmapped}, exportLine("user_id", tt.user, "device_id", tt.device))
		got := strings.TrimSpace(string(m.pairs.lines)) + v.rule
		if got != tt.want {
			t.Errorf("%s %s %s: %s, want %s", tt.unmapped, tt.user, tt.device, got, tt.want)
		}
		if v.kind == written && !strings.HasPrefix(event, strings.TrimSuffix(tt.want, "}")) {
			t.Errorf("the event is %s", event)
		}
		if v.kind != written && (v.kind == dropped) != (tt.unmapped == Drop) {
			t.Errorf("%s: verdict %v", tt.unmapped, v)
		}
	}
	m := newMapper(compiled(Rules{UserMap: users, DeviceMap: devices}))
	for _, line := range []string{exportLine("user_id", `"u1"`), exportLine("user_id", `"x"`), exportLine("device_id", `"d1"`)} {
		m.event(nil, []byte(line))
	}
	if !maps.Equal(m.ruled.mapped, map[string]int64{"user_id": 1, "device_id": 1}) || !maps.Equal(m.ruled.unmapped, map[string]int64{"user_id": 1, "device_id": 2}) {
		t.Errorf("mapped %v, unmapped %v", m.ruled.mapped, m.ruled.unmapped)
	}
	for _, bad := range []string{"", "old,new\n", "a\n", "a,b,c\n", "a,b\na,c\n", ",b\n", "secret,\n", "secret\"x,b\n"} {
		path := testfile.Write(t, filepath.Join(dir, "bad.csv"), []byte(bad))
		if _, err := compile(Rules{UserMap: path}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := compile(Rules{DeviceMap: filepath.Join(dir, "none.csv")}); err == nil {
		t.Error("a map that is not there")
	}
}

func TestPseudonyms(t *testing.T) {
	dir := t.TempDir()
	key := testfile.Write(t, filepath.Join(dir, "key"), []byte("0123456789abcdef\n"))
	// printf u1 | openssl dgst -sha256 -hmac 0123456789abcdef
	const u1 = `"5162bddb18bda0082a7b39c472f7d118234c897c39ed61e775751c91fafdc56f"`
	rules := Rules{PseudonymKeyFile: key, Where: `user_id == "u1" || device_id == "u1"`, PropertySet: []string{"x=user_id"}}
	for _, line := range []string{exportLine("user_id", `"u1"`, "amplitude_id", "77"), exportLine("user_id", `"\u00751"`), exportLine("user_id", "null", "device_id", `"u1"`, "amplitude_id", `"77"`)} {
		event, v, m := mapLine(rules, line)
		all := event + string(m.pairs.lines)
		if v.kind != written || strings.Contains(all, "device1") || strings.Contains(all, `"u1"`) || strings.Contains(all, "77,") || strings.Contains(all, ":77") {
			t.Errorf("%v %s", v, all)
		}
		if strings.Count(event, wantPseudonym(t, "u1", u1)) < 1 || !strings.Contains(string(m.pairs.lines), wantPseudonym(t, "u1", u1)) {
			t.Errorf("%s\nwithout %s", all, u1)
		}
	}
	// The pairs of merged Amplitude IDs have those of the events.
	_, _, m := mapLine(rules, exportLine("user_id", `"u1"`, "amplitude_id", "77"))
	m.event(nil, []byte(`{"merge_time":"x","amplitude_id":77,"merged_amplitude_id":78}`))
	lines := strings.Split(string(m.pairs.lines), "\n")
	_, first := orderedMembers(lines[0])
	_, second := orderedMembers(lines[1])
	if first["amplitude_id"] == "" || first["amplitude_id"] != second["amplitude_id"] || len(second["merged_amplitude_id"]) != 66 {
		t.Errorf("pairs %s", m.pairs.lines)
	}
	// An id by hash does not tell who it is of.
	line := exportLine("user_id", `"u1"`, "$insert_id", "null")
	if plain := eventKeys(t, Rules{}, line)["insert_id"]; plain == eventKeys(t, Rules{PseudonymKeyFile: key}, line)["insert_id"] {
		t.Error("the hash is of the id itself")
	}
	if _, err := compile(Rules{PseudonymKeyFile: testfile.Write(t, filepath.Join(dir, "short"), []byte("secret  "))}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a short key: %v", err)
	}
}

// wantPseudonym asks openssl, where there is one, whether want is right.
func wantPseudonym(t *testing.T, id, want string) string {
	t.Helper()
	cmd := exec.Command("openssl", "dgst", "-sha256", "-hmac", "0123456789abcdef")
	cmd.Stdin = strings.NewReader(id)
	if out, err := cmd.Output(); err == nil {
		words := strings.Fields(string(out))
		if got := `"` + words[len(words)-1] + `"`; got != want {
			t.Fatalf("openssl says %s", got)
		}
	}
	return want
}

// Files that rules name are options by what is in them.
func TestOptionFilesAreOptions(t *testing.T) {
	dir := t.TempDir()
	in := testfile.Write(t, filepath.Join(dir, "in.json"), []byte(lines(numbered(3, "user_id", `"u1"`)...)))
	users := testfile.Write(t, filepath.Join(dir, "users.csv"), []byte("u1,new1\n"))
	key := testfile.Write(t, filepath.Join(dir, "key"), []byte("0123456789abcdef"))
	out := filepath.Join(dir, "out")
	o := Options{Paths: []string{in}, Rules: Rules{UserMap: users, PseudonymKeyFile: key}}
	r := convertTo(t, out, o)
	if m := r.files["manifest.json"]; strings.Contains(m, dir+"/users") || strings.Contains(m, "0123456789abcdef") || !strings.Contains(m, `"user-map"`) || r.MappedIDs["user_id"] != 3 {
		t.Errorf("%+v\n%s", r.Summary, m)
	}
	if again := convertTo(t, out, o); !again.Finished {
		t.Error("the same options, and converted again")
	}
	for path, text := range map[string]string{users: "u1,new2\n", key: "0123456789abcdeg"} {
		was := map[string]string{users: "u1,new1\n", key: "0123456789abcdef"}[path]
		testfile.Write(t, path, []byte(text))
		if _, err := tryConvert(t, out, o); err == nil || !strings.Contains(err.Error(), "other options") {
			t.Errorf("another %s: %v", filepath.Base(path), err)
		}
		testfile.Write(t, path, []byte(was))
	}
}
