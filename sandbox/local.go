package sandbox

import (
	"net"
	"net/http"
	"strings"
)

// local lets through only requests that name this machine as their host,
// unless Options.AnyHost: what is read here is personal data, and a page on
// the internet may have a name that resolves to loopback.
func (s *Server) local(next http.HandlerFunc) http.HandlerFunc {
	if s.opts.AnyHost {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			refuse(http.StatusForbidden, "Only for requests to localhost").write(w)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next(w, r)
	}
}

func isLocal(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}
