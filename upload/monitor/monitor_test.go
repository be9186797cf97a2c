package monitor

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"export2batch/upload"
)

type fixed struct{ begun bool }

func (f fixed) Status() (upload.Status, bool) {
	return upload.Status{
		Summary:     upload.Summary{Read: 10, Accepted: 7, Rejected: 1, Pending: 2, Requests: 4, RejectedBy: map[string]int64{"refused": 1}},
		Destination: "https://x/batch",
		Running: &upload.Running{EventsPerSecond: 2.5, ETASeconds: 1, Answers: map[string]int64{"200": 3, "none": 1},
			Partitions: upload.Partitions{All: 3, Done: 1, Sending: 2}},
	}, f.begun
}

func (fixed) History(n int) []upload.Second { return make([]upload.Second, min(n, 3)) }

func get(path string, source Source) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	Handler(source).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestStatus(t *testing.T) {
	for path, history := range map[string]int{"/status": 0, "/status?history=2": 2, "/status?history=x": 0} {
		var s struct {
			upload.Status
			History []upload.Second
		}
		if err := json.Unmarshal(get(path, fixed{true}).Body.Bytes(), &s); err != nil || s.Accepted != 7 || s.Running.Partitions.Sending != 2 || len(s.History) != history {
			t.Errorf("%s: %+v %v", path, s, err)
		}
	}
	if w := get("/status", fixed{}); w.Code != 503 {
		t.Errorf("before there is a run: %d", w.Code)
	}
}

func TestMetrics(t *testing.T) {
	text := get("/metrics", fixed{true}).Body.String()
	for _, want := range []string{
		"# TYPE export2batch_upload_events gauge\n",
		"export2batch_upload_events{state=\"pending\"} 2\n",
		"export2batch_upload_rejected_events{rule=\"refused\"} 1\n",
		"export2batch_upload_answers_total{status=\"none\"} 1\n",
		"export2batch_upload_events_per_second 2.5\n",
		"export2batch_upload_partitions{state=\"sending\"} 2\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// Each line is a comment, or a name and a number; each name has a type before it.
	typed := map[string]bool{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if words[0] == "#" {
			typed[words[2]] = typed[words[2]] || words[1] == "TYPE"
			continue
		}
		if name, _, _ := strings.Cut(words[0], "{"); len(words) != 2 || !typed[name] {
			t.Errorf("line %q", line)
		}
	}
	if text := get("/metrics", fixed{}).Body.String(); text != "" {
		t.Errorf("before there is a run: %q", text)
	}
}

func TestPage(t *testing.T) {
	w := get("/", fixed{true})
	if w.Code != 200 || !strings.Contains(w.Body.String(), "canvas") || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if strings.Contains(w.Body.String(), "http://") || strings.Contains(w.Body.String(), "https://") {
		t.Error("the page loads something from elsewhere")
	}
	for _, path := range []string{"/x", "/status/x"} {
		if w := get(path, fixed{true}); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
