package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"export2batch/internal/eventfile"
	"export2batch/upload"
)

// uploadOnce runs the command against a handler, with more of the environment.
func uploadOnce(t *testing.T, to string, env ...string) (stdout, stderr string, code int) {
	t.Helper()
	dir := t.TempDir()
	events := filepath.Join(dir, "events.ndjson")
	if err := os.WriteFile(events, []byte(`{"user_id":"user-1","event_type":"open","insert_id":"i1","time":1700000000000}`+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	parts := filepath.Join(dir, "p")
	if out, err := exec.Command("export2batch", "partition", "-o", parts, events).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command("export2batch", "upload", "--yes", "--pace", "off", "--attempts", "2", "--retry-wait", "1ms", "--to", to, parts)
	cmd.Env = append(os.Environ(), env...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	cmd.Run() // the code says how it went
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

// Proxies are those of the usual environment; only they are asked.
func TestUploadGoesThroughTheProxy(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		asked = append(asked, r.Method+" "+r.URL.String())
		fmt.Fprint(w, `{"code":200,"events_ingested":1}`)
	}))
	defer proxy.Close()
	stdout, stderr, code := uploadOnce(t, "http://batch.invalid/base", "AMPLITUDE_API_KEY=k12345", "HTTP_PROXY="+proxy.URL, "NO_PROXY=")
	if code != 0 || !strings.Contains(stdout, "1 accepted") || len(asked) != 1 || asked[0] != "POST http://batch.invalid/base/batch" {
		t.Errorf("code %d, asked %q\n%s%s", code, asked, stdout, stderr)
	}
	asked = nil
	_, stderr, code = uploadOnce(t, "http://batch.invalid", "AMPLITUDE_API_KEY=k12345", "HTTP_PROXY="+proxy.URL, "NO_PROXY=batch.invalid")
	if code != exitIncomplete || len(asked) > 0 || !strings.Contains(stderr, "cannot be reached") {
		t.Errorf("code %d, asked %q\n%s", code, asked, stderr)
	}
}

// The key is nowhere but in the request: not where the process can be seen,
// not in what it prints when the server repeats it.
func TestUploadNeverPrintsTheKey(t *testing.T) {
	const key = "sesame-open-1234"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `{"error":"failed on %s"}`, key)
	}))
	defer server.Close()
	stdout, stderr, code := uploadOnce(t, server.URL, "AMPLITUDE_API_KEY="+key)
	if code != exitIncomplete || strings.Contains(stdout+stderr, key) || !strings.Contains(stderr, "failed on [API key]") {
		t.Errorf("code %d\n%s%s", code, stdout, stderr)
	}
}

func TestConfirmationSaysWhatGoesWhere(t *testing.T) {
	ms := func(v int64) *int64 { return &v }
	got := describeEvents([]eventfile.Info{
		{Events: 1200, FirstTime: ms(1_600_000_000_000), LastTime: ms(1_650_000_000_000)},
		{Events: 0},
		{Events: 34, FirstTime: ms(1_500_000_000_000), LastTime: ms(1_500_000_000_000)},
	})
	if want := "1 234 events from 2017-07-14 to 2022-04-15"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for to, want := range map[string]string{"us": "https://api2.amplitude.com (Amplitude, US)", "eu": "https://api.eu.amplitude.com (Amplitude, EU)"} {
		if got := describeServer(destinations[to]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for address, want := range map[string]bool{"127.0.0.1:0": true, "localhost:80": true, "[::1]:9": true, ":80": false, "0.0.0.0:1": false, "10.0.0.1:1": false, "x": false} {
		if got := loopback(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestOpenRejects(t *testing.T) {
	s := upload.Status{Summary: upload.Summary{Rejected: 9}}
	if n := openRejects(s); n != 9 {
		t.Error(n)
	}
	s.Retry = &upload.Status{Summary: upload.Summary{Rejected: 1, Pending: 2}}
	if n := openRejects(s); n != 3 {
		t.Error(n)
	}
}
