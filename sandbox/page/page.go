// Package page is the sandbox's page: HTML, style and script, embedded, that
// ask /debug/stats, /debug/people and /debug/events of the server they came
// from and nothing else.
package page

import (
	"embed"
	"net/http"
	"strings"
)

//go:embed index.html style.css script.js
var files embed.FS

// Handler serves index.html at /, and the other files below /page/.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/page/")
		kind := "text/html; charset=utf-8"
		switch name {
		case "/":
			name = "index.html"
		case "style.css":
			kind = "text/css; charset=utf-8"
		case "script.js":
			kind = "text/javascript; charset=utf-8"
		default:
			http.NotFound(w, r)
			return
		}
		text, err := files.ReadFile(name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		// What was sent to the sandbox is shown as text; should any of it ever
		// get into the page as markup, it still cannot run or reach the network.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		w.Header().Set("Cache-Control", "no-cache")
		w.Write(text) // the client may be gone; there is nobody to tell
	})
}
