package sandbox

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"export2batch/sandbox/export"
	"export2batch/sandbox/store"
)

// maxExportDays is the longest window (Amplitude, Export API).
const maxExportDays = 365

// serveExport answers as the Export API does: Basic authorization by API key
// and secret key, both hours included, by the time received.
func (s *Server) serveExport(w http.ResponseWriter, r *http.Request) {
	key, secret, ok := r.BasicAuth()
	if !ok || !matches(key, s.opts.APIKey) || !matches(secret, s.opts.SecretKey) {
		w.Header().Set("WWW-Authenticate", `Basic realm="sandbox"`)
		refuse(http.StatusUnauthorized, "Invalid API key or secret key").write(w)
		return
	}
	from, to, err := exportWindow(r.URL.Query().Get("start"), r.URL.Query().Get("end"))
	if err != nil {
		badRequest(err.Error()).write(w)
		return
	}
	size := s.content.log.Size()
	switch {
	case from <= size.Forgotten && size.Forgotten > 0:
		badRequest("Events of this window are no longer in memory: start the sandbox with a data folder").write(w)
		return
	case s.content.log.Bytes(from, to) > s.opts.ExportBytes:
		badRequest("Export is too large, use a smaller window").write(w)
		return
	}
	lines, err := s.content.log.Reader()
	if err != nil {
		refuse(http.StatusInternalServerError, "Internal server error").write(w)
		return
	}
	defer lines.Close() // only read
	if err := s.export(w, r, lines, from, to); err != nil {
		if errors.Is(err, errNothing) {
			refuse(http.StatusNotFound, "Raw data files were not found").write(w)
			return
		}
		// The status is sent; only breaking off can say that this is not all.
		panic(http.ErrAbortHandler)
	}
}

// matches tells whether a key is the one wanted; any is when none is.
func matches(given, want string) bool {
	return given != "" && (want == "" || subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1)
}

var errNothing = errors.New("no data in the window")

// export writes the archive. Nothing is written before the first event.
func (s *Server) export(w http.ResponseWriter, r *http.Request, lines *store.Reader, from, to int64) error {
	var archive *export.Archive
	var rec record
	err := lines.Each(from, to, func(line []byte) error {
		e, err := rec.stored(line)
		if err != nil {
			return err
		}
		if e.Received < from || e.Received >= to {
			return nil
		}
		if archive == nil {
			w.Header().Set("Content-Type", "application/zip")
			w.Header().Set("Content-Disposition", "attachment; filename=export.zip")
			if r.Method == http.MethodHead {
				return errHead
			}
			archive = export.NewArchive(&patientWriter{w, http.NewResponseController(w)}, s.row())
		}
		e.Created = s.created(e.AmplitudeID)
		return archive.Add(&e)
	})
	switch {
	case errors.Is(err, errHead):
		return nil
	case err != nil:
		return err
	case archive == nil:
		return errNothing
	}
	return archive.Close()
}

var errHead = errors.New("only the header is wanted")

// row is how rows are written now.
func (s *Server) row() export.Row {
	s.taking.Lock()
	defer s.taking.Unlock()
	return export.Row{Project: s.opts.Project, GroupTypes: slices.Clone(s.content.people.GroupTypes())}
}

// created returns the time of the earliest event of whoever has this Amplitude
// ID now, in ms.
func (s *Server) created(id int64) int64 {
	s.taking.Lock()
	defer s.taking.Unlock()
	p := s.content.people.ByID(id)
	if p == nil {
		return 0
	}
	return p.Root().Created
}

// exportWindow reads the hours of an export, YYYYMMDDTHH, as ms since 1970.
func exportWindow(start, end string) (from, to int64, err error) {
	const layout = "20060102T15"
	first, err1 := time.Parse(layout, start)
	last, err2 := time.Parse(layout, end)
	switch {
	case err1 != nil || err2 != nil || len(start) != len(layout) || len(end) != len(layout):
		return 0, 0, errors.New("start and end must be hours like " + layout)
	case last.Before(first):
		return 0, 0, errors.New("end is before start")
	case last.Sub(first) > maxExportDays*24*time.Hour:
		return 0, 0, fmt.Errorf("the window is longer than %d days", maxExportDays)
	}
	return first.UnixMilli(), last.Add(time.Hour).UnixMilli(), nil
}
