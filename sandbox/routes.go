package sandbox

import (
	"net/http"
	"time"

	"export2batch/sandbox/page"
)

// streamTimeout is how long a client of the ledger may take for one piece of
// it before it is dropped.
const streamTimeout = 30 * time.Second

// endpoint is one that takes events.
type endpoint struct {
	path     string
	maxBytes int64
	strict   bool // under the throttle of the HTTP API
	form     bool // takes a form instead of JSON
	group    bool // of groups
}

// upload is a request to an endpoint, and the faults of its time.
type upload struct {
	at     *endpoint
	faults *Faults
}

// Handler returns the server as a handler:
//
//	POST /batch           Batch Event Upload API
//	POST /2/httpapi       HTTP V2 API: the same, bodies of at most 1 MB
//	POST /identify        Identify API: a form with api_key and identification
//	POST /groupidentify   Group Identify API: the same for groups
//	GET  /api/2/export    Export API (with Options.Events, as /debug/people and /debug/events)
//	GET  /                a page that shows what comes in
//	GET  /debug/stats     what the page shows, JSON
//	GET  /debug/people    who has an id, JSON
//	GET  /debug/events    the events of a person, JSON
//	GET  /debug/faults    the faults as they are now; PUT changes them
//	GET  /debug/ledger    the ledger, NDJSON
//	GET  /metrics         figures for Prometheus
//	GET  /healthz         200 while events can be taken, 503 when they cannot
//
// Everything else is 404, other methods 405.
func (s *Server) Handler() http.Handler { return s }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	small := min(s.opts.MaxBytes, HTTPAPIMaxBytes)
	for _, at := range []*endpoint{
		{path: "/batch", maxBytes: s.opts.MaxBytes},
		{path: "/2/httpapi", maxBytes: small, strict: true},
		{path: "/identify", maxBytes: small, strict: true, form: true},
		{path: "/groupidentify", maxBytes: small, strict: true, form: true, group: true},
	} {
		mux.HandleFunc(at.path, s.uploads(at))
	}
	mux.HandleFunc("/healthz", reads(s.serveHealth))
	mux.HandleFunc("/metrics", s.local(reads(s.serveMetrics)))
	mux.HandleFunc("/debug/ledger", s.local(reads(s.serveLedger)))
	mux.HandleFunc("/debug/faults", s.local(s.serveFaults))
	mux.HandleFunc("/debug/stats", s.local(reads(s.serveStats)))
	for _, path := range []string{"/{$}", "/page/"} {
		mux.HandleFunc(path, s.local(reads(page.Handler().ServeHTTP)))
	}
	if s.content != nil {
		mux.HandleFunc("/api/2/export", s.local(reads(s.serveExport)))
		mux.HandleFunc("/debug/people", s.local(reads(s.servePeople)))
		mux.HandleFunc("/debug/events", s.local(reads(s.serveEvents)))
	}
	return mux // unknown paths get a plain 404
}

// uploads is the way of an upload from the request to the answer. Faults lie
// around the true answer: before it, so that nothing is taken, or in its place
// when everything was.
func (s *Server) uploads(at *endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Any page may send, as to Amplitude; none may read.
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if preflight(w, r) {
			return
		}
		f := s.faults.next()
		f.delay(r.Context())
		if f.before() {
			s.failWith(f, answer{}, w, r)
			return
		}
		a := s.retryAfter(f.faults, s.receive(r, &upload{at, f.faults}))
		if f.after() {
			s.failWith(f, a, w, r)
			return
		}
		s.countCode(at.path, a.code)
		a.write(w)
	}
}

// preflight answers what a browser asks before it lets a page send JSON.
func preflight(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", "POST")
	w.Header().Set("Access-Control-Allow-Headers", "Content-Type, Content-Encoding")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// receive reads, checks and takes an upload.
func (s *Server) receive(r *http.Request, u *upload) answer {
	if r.Method != http.MethodPost {
		return notAllowed(http.MethodPost)
	}
	if want := u.at.contentType(); !isContentType(r.Header.Get("Content-Type"), want) {
		drain(r.Body)
		return refuse(http.StatusUnsupportedMediaType, "Content-Type must be "+want)
	}
	in := s.intake.Get().(*intake)
	defer func() {
		in.reset()
		s.intake.Put(in)
	}()
	refused, ok, release := s.readBody(r, u.at.maxBytes, in)
	defer release()
	if !ok {
		return refused
	}
	if u.at.form {
		refused, ok = s.parseForm(in, u.at)
	} else {
		refused, ok = s.parse(in)
	}
	if !ok {
		return refused
	}
	if u.faults.forbids(in) {
		return htmlAnswer(http.StatusForbidden, "403 Forbidden")
	}
	return s.take(in, u)
}

func (at *endpoint) contentType() string {
	if at.form {
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	if err := s.ledger.failed(); err != nil {
		refuse(http.StatusServiceUnavailable, err.Error()).write(w)
		return
	}
	answer{code: http.StatusOK, contentType: "application/json", body: []byte(`{"status":"ok"}`)}.write(w)
}

func (s *Server) serveLedger(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	if r.Method == http.MethodHead {
		return
	}
	err := s.ledger.copyTo(&patientWriter{w, http.NewResponseController(w)})
	if err != nil {
		// The status is sent; only breaking off can say that this is not all.
		panic(http.ErrAbortHandler)
	}
}

// patientWriter gives each piece of a long answer its own time.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p *patientWriter) Write(b []byte) (int, error) {
	// Not every writer has deadlines; then there is nothing to move.
	p.control.SetWriteDeadline(time.Now().Add(streamTimeout))
	return p.ResponseWriter.Write(b)
}

// reads lets only GET and HEAD through.
func reads(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			notAllowed("GET, HEAD").write(w)
			return
		}
		next(w, r)
	}
}

func notAllowed(allow string) answer {
	a := refuse(http.StatusMethodNotAllowed, "Method not allowed")
	a.allow = allow
	return a
}
