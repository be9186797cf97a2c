// Package monitor serves what a running upload shows of itself:
//
//	/         a page with plots, which asks /status each second
//	/status   the status as JSON, with ?history=N the last N seconds (at most 900)
//	/metrics  the same as Prometheus metrics (text format 0.0.4)
//
// It only reads, and shows counts: no ids, no events, no key.
package monitor

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strconv"

	"export2batch/upload"
)

// Source is what is shown; upload.Live is one.
type Source interface {
	Status() (s upload.Status, ok bool)
	History(n int) []upload.Second
}

//go:embed page.html
var page []byte

// Handler serves a source. It is safe for concurrent use.
func Handler(source Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'")
		w.Write(page) // a client that is gone needs no answer
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		s, ok := source.Status()
		if !ok {
			http.Error(w, "the upload has not begun", http.StatusServiceUnavailable)
			return
		}
		out := struct {
			upload.Status
			History []upload.Second `json:"history,omitempty"`
		}{Status: s}
		if n, err := strconv.Atoi(r.FormValue("history")); err == nil {
			out.History = source.History(n)
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(out)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		if s, ok := source.Status(); ok {
			w.Write(appendMetrics(nil, s))
		}
	})
	return mux
}
