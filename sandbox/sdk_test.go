package sandbox

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNodeSDK lets Amplitude's own Node SDK send to the sandbox, through a 429
// and a 400 that it must recover from.
func TestNodeSDK(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node is installed: apt-get install nodejs npm")
	}
	dir := filepath.Join("testdata", "node-sdk")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Skipf("the SDK is not installed: npm ci in sandbox/%s", filepath.ToSlash(dir))
	}
	s := newServer(t, Options{Events: true})
	web := httptest.NewServer(s)
	defer web.Close()
	c := exec.CommandContext(t.Context(), node, "send.mjs", web.URL)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, all := rows(t, s)
	var types []string
	for i, row := range all {
		types = append(types, row["event_type"].(string))
		if !strings.HasPrefix(js(row["library"]), `"amplitude-node-ts/`) || row["$insert_id"] == nil {
			t.Errorf("row %d: library %s, insert id %s", i, js(row["library"]), js(row["$insert_id"]))
		}
	}
	wantList(t, "event types", types,
		"httpapi throttled", "httpapi throttled", "httpapi throttled", "httpapi mixed", "httpapi mixed", "httpapi mixed", "$identify", "httpapi last",
		"batch throttled", "batch throttled", "batch throttled", "batch mixed", "batch mixed", "batch mixed", "$identify", "batch last")
	if got := js(all[15]["user_properties"]); got != `{"color":"blue","list":["batch"],"logins":1}` {
		t.Errorf("the last event shows %s", got)
	}
	if n := s.Summary().ByAnswer; n["429"] != 2 || n["400"] != 2 {
		t.Errorf("answers %v", n)
	}
}
