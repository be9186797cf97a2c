package sandbox

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

const (
	// inflation is the most that DEFLATE makes of a byte.
	inflation = 1032
	// drainBytes is how much of a body is read and thrown away so that the
	// client gets to read the refusal instead of a reset.
	drainBytes = 64 << 20
)

// readBody reads and decompresses the body into in.body, at most limit bytes
// of it, or returns what to answer instead. It waits until the bodies being
// handled leave room for this one; release gives the room back and must be
// called in any case.
func (s *Server) readBody(r *http.Request, limit int64, in *intake) (refused answer, ok bool, release func()) {
	release = func() {}
	compressed := false
	switch coding := strings.ToLower(r.Header.Get("Content-Encoding")); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		compressed = true
	default:
		return refuse(http.StatusUnsupportedMediaType, "Unsupported Content-Encoding"), false, release
	}
	if !compressed && r.ContentLength > limit {
		drain(r.Body)
		return refuse(http.StatusRequestEntityTooLarge, errTooLarge), false, release
	}
	weight := bodyWeight(r.ContentLength, limit, compressed)
	if err := s.bodies.Acquire(r.Context(), weight); err != nil {
		return refuse(http.StatusServiceUnavailable, "Service unavailable"), false, release
	}
	release = func() { s.bodies.Release(weight) }
	// Gzip members that hold nothing could go on for ever: what is compressed
	// is no longer than a body at the limit that does not compress.
	var src io.Reader = io.LimitReader(r.Body, limit+limit/1000+1024)
	if compressed {
		zr, err := gzip.NewReader(src)
		if err != nil {
			return unreadable(err), false, release
		}
		src = zr
	}
	room := int64(64 << 10)
	if !compressed && r.ContentLength >= 0 {
		room = r.ContentLength + 1
	}
	var err error
	in.body, err = readAtMost(in.body[:0], src, room, limit+1)
	switch {
	case int64(len(in.body)) > limit:
		drain(r.Body)
		return refuse(http.StatusRequestEntityTooLarge, errTooLarge), false, release
	case err != nil:
		return unreadable(err), false, release
	}
	return answer{}, true, release
}

// readAtMost reads src to its end or to limit bytes into dst, which grows from
// room bytes by doubling, never beyond the limit.
func readAtMost(dst []byte, src io.Reader, room, limit int64) ([]byte, error) {
	if int64(cap(dst)) < min(room, limit) {
		dst = make([]byte, 0, min(room, limit))
	}
	for int64(len(dst)) < limit {
		if len(dst) == cap(dst) {
			grown := make([]byte, len(dst), min(2*int64(cap(dst)), limit))
			copy(grown, dst)
			dst = grown
		}
		n, err := src.Read(dst[len(dst):min(int64(cap(dst)), limit)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// bodyWeight is the most memory that a body can take.
func bodyWeight(length, limit int64, compressed bool) int64 {
	switch {
	case length < 0:
		return limit
	case compressed:
		return min(limit, inflation*length)
	}
	return min(limit, length)
}

// unreadable answers for a body that broke off or is not gzip.
func unreadable(err error) answer {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return badRequest(errNotJSON)
	}
	return refuse(http.StatusRequestTimeout, "Request timeout") // the client stopped sending
}

func drain(body io.Reader) {
	io.CopyN(io.Discard, body, drainBytes) // what cannot be read need not be
}

// isContentType tells whether a Content-Type is the one that is wanted.
func isContentType(contentType, want string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && t == want
}
