package upload

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// verdict is what an answer means for the request.
type verdict uint8

const (
	accepted  verdict = iota + 1 // everything was taken
	again                        // send the same again, growing slower
	throttled                    // nothing was taken, the same may go later
	overQuota                    // the same for an id that used up its day
	named                        // set the named events aside, send the rest
	halve                        // one event blocks the request: find it
	doubtful                     // success, but not as documented
	stopped                      // no request can succeed
)

func (v verdict) String() string {
	return [...]string{"", "accepted", "again", "throttled", "over quota", "named", "halve", "doubtful", "stopped"}[v]
}

// response is what came back for a request, or why nothing did.
type response struct {
	status int
	header http.Header
	body   []byte
	err    error // sending, or reading the answer, failed
}

// answer is a classified response.
type answer struct {
	kind     verdict
	status   int    // 0: none
	reason   string // for people; holds what the server wrote
	ingested int    // of an accepted request; -1: not said

	// maybe: the events may have been taken although they are sent again.
	maybe      bool
	unreached  bool // no connection was made
	badKey     bool
	tooLarge   bool
	throttled  bool          // with named: the rest must wait like a 429
	retryAfter time.Duration // 0: not said

	events  []namedEvent // with named, by index
	devices []string     // with named: every event of these
	limits  limits       // who sent too much
}

// namedEvent is an event the server will not take.
type namedEvent struct {
	index        int
	rule, reason string
}

// Rules under which events are set aside.
const (
	ruleSilenced = "silenced"     // the server named it: its device is silenced
	ruleRefused  = "refused"      // bisection: alone in its request, and refused
	ruleTooLarge = "too-large"    // alone in its request, and 413
	ruleJSON     = "invalid-json" // not a JSON object: it would damage its request
	ruleNamed    = "named"        // the server named it in an undocumented way
)

// classify tells what a response means for a request of that many events. It
// is the only place that does, after the table in Amplitude's Batch Event
// Upload API, status codes; what is not in it may have been ingested. Secrets
// are taken out of the texts before they are cut short.
func classify(r response, events int, now time.Time, secrets *strings.Replacer) answer {
	a := answer{status: r.status, ingested: -1, retryAfter: parseRetryAfter(r.header, now)}
	if r.err != nil {
		a.kind, a.reason = again, "no answer: "+clean(secrets.Replace(r.err.Error()))
		a.unreached = r.status == 0 && isDial(r.err)
		a.maybe = !a.unreached && r.status != http.StatusServiceUnavailable
		return a
	}
	b := parseAnswer(r.body, events, secrets)
	a.limits = b.limits
	a.reason = fmt.Sprintf("HTTP %d", r.status)
	if b.text != "" {
		a.reason += ": " + b.text
	}
	switch {
	case r.status >= 200 && r.status < 300:
		a.success(b)
	case r.status == http.StatusBadRequest, r.status == http.StatusForbidden:
		a.badRequest(b)
	case r.status == http.StatusRequestEntityTooLarge:
		a.kind, a.tooLarge = halve, true
	case r.status == http.StatusTooManyRequests:
		a.kind = throttled
		if b.quota {
			a.kind = overQuota
		}
	case r.status == http.StatusServiceUnavailable:
		a.kind = again
	case r.status == http.StatusRequestTimeout, r.status == http.StatusTooEarly, r.status >= 500:
		a.kind, a.maybe = again, true
	case r.status >= 300 && r.status < 400:
		a.kind = stopped
		a.reason += ": it redirects, which is not followed; give the address it leads to"
	case hopeless(r.status):
		a.kind = stopped
	default:
		a.kind, a.maybe = doubtful, true
	}
	return a
}

// hopeless are the answers that say the destination is not a Batch API.
func hopeless(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusProxyAuthRequired,
		http.StatusGone, http.StatusLengthRequired, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusMisdirectedRequest, http.StatusUpgradeRequired:
		return true
	}
	return false
}

// success believes a 2xx only with the documented body: HTML or half an answer
// may come from something in between that never passed the request on.
func (a *answer) success(b answerBody) {
	if b.json && (b.code == http.StatusOK || b.code == 0 && b.ingested >= 0) {
		a.kind, a.ingested = accepted, b.ingested
		return
	}
	a.kind, a.maybe = doubtful, true
	a.reason += ": not the documented answer"
}

// badRequest is for 400, and for 403, which firewalls answer.
func (a *answer) badRequest(b answerBody) {
	switch {
	case strings.EqualFold(strings.TrimSpace(b.text), "invalid api key"), b.missingField == "api_key":
		a.kind, a.badKey = stopped, true
	case len(b.named) > 0 || len(b.silencedDevices) > 0:
		a.kind, a.throttled, a.devices = named, b.throttled, b.silencedDevices
		a.events = mergeNamed(b.named)
		for i := range a.events {
			a.events[i].reason = a.reason + ": " + a.events[i].reason
		}
	case b.throttled:
		a.kind = throttled
	case b.quota:
		a.kind = overQuota
	default:
		a.kind = halve
	}
}

// mergeNamed sorts events and joins what is said about the same one.
func mergeNamed(list []namedEvent) []namedEvent {
	slices.SortStableFunc(list, func(a, b namedEvent) int { return cmp.Compare(a.index, b.index) })
	out := list[:0]
	for _, e := range list {
		if last := len(out) - 1; last >= 0 && out[last].index == e.index {
			if !strings.Contains(out[last].reason, e.reason) {
				out[last].reason += ", " + e.reason
			}
			continue
		}
		out = append(out, e)
	}
	return out
}

// isDial tells whether an error came before there was a connection.
func isDial(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") || errors.As(err, &dns) || isCertificate(err)
}
