package sandbox

import (
	"io"
	"net/http"
)

// maxSpec is the length of a list of faults that is read.
const maxSpec = 64 << 10

// serveFaults tells the faults as ParseFaults reads them, and takes others:
// from then on they are drawn anew from their seed.
func (s *Server) serveFaults(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPut:
		spec, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSpec))
		if err != nil {
			refuse(http.StatusRequestEntityTooLarge, errTooLarge).write(w)
			return
		}
		f, err := ParseFaults(string(spec))
		if err != nil {
			badRequest(err.Error()).write(w)
			return
		}
		s.faults.set(f)
	default:
		notAllowed("GET, HEAD, PUT").write(w)
		return
	}
	answer{code: http.StatusOK, contentType: "text/plain; charset=utf-8", body: []byte(s.faults.current().String() + "\n")}.write(w)
}
