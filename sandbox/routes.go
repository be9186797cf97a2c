package sandbox

import (
	"net/http"
	"time"
)

// streamTimeout is how long a client of the ledger may take for one piece of
// it before it is dropped.
const streamTimeout = 30 * time.Second

// Handler returns the server as a handler:
//
//	POST /batch         Batch Event Upload API
//	POST /2/httpapi     HTTP V2 API: the same, bodies of at most 1 MB
//	GET  /healthz       200 while events can be taken, 503 when they cannot
//	GET  /debug/ledger  the ledger, NDJSON
//
// Everything else is 404, other methods 405.
func (s *Server) Handler() http.Handler { return s }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/batch", s.uploads(s.opts.MaxBytes))
	mux.HandleFunc("/2/httpapi", s.uploads(min(s.opts.MaxBytes, HTTPAPIMaxBytes)))
	mux.HandleFunc("/healthz", reads(s.serveHealth))
	mux.HandleFunc("/debug/ledger", reads(s.serveLedger))
	return mux // knows no "/": unknown paths get a plain 404
}

// uploads is the way of an upload from the request to the answer; limit is
// the size of its body. Faults lie around the true answer: before it, so that
// nothing is taken, or in its place when everything was.
func (s *Server) uploads(limit int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := s.faults.next()
		f.delay(r.Context())
		if f.before() {
			s.failWith(f, answer{}, w, r)
			return
		}
		a := s.receive(r, limit)
		if f.after() {
			s.failWith(f, a, w, r)
			return
		}
		s.countCode(a.code)
		a.write(w)
	}
}

// receive reads, checks and takes an upload.
func (s *Server) receive(r *http.Request, limit int64) answer {
	if r.Method != http.MethodPost {
		return notAllowed(http.MethodPost)
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		drain(r.Body)
		return refuse(http.StatusUnsupportedMediaType, "Content-Type must be application/json")
	}
	in := s.intake.Get().(*intake)
	defer func() {
		in.reset()
		s.intake.Put(in)
	}()
	refused, ok, release := s.readBody(r, limit, in)
	defer release()
	if !ok {
		return refused
	}
	if refused, ok = s.parse(in); !ok {
		return refused
	}
	return s.take(in)
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
