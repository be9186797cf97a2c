package upload

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// The hosts of the Batch API (Amplitude, Batch Event Upload API, endpoints).
const (
	hostUS = "api2.amplitude.com"
	hostEU = "api.eu.amplitude.com"
)

// parseDestination turns a base URL into that of the Batch API under it,
// written one way only, so that it can be compared.
func parseDestination(base string) (*url.URL, error) {
	if base == "" {
		return nil, errors.New("no destination is given")
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, errors.New("the destination is not a URL") // the error would repeat what may be a secret
	}
	switch {
	case u.User != nil:
		return nil, errors.New("the destination's URL holds a name or password: it would end up in the journal")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, fmt.Errorf("the destination %s is not an http or https URL", base)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("the destination %s has a query or fragment: give the base URL", base)
	}
	path := strings.TrimRight(u.Path, "/")
	if strings.HasSuffix(path, "/batch") {
		return nil, fmt.Errorf("the destination %s ends with /batch, which is appended: give the base URL", base)
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: path + "/batch"}, nil
}

// regionHint says where else a key may be valid.
func regionHint(u *url.URL) string {
	switch u.Hostname() {
	case hostUS:
		return "is the project in the EU region? Then the destination is https://" + hostEU
	case hostEU:
		return "is the project in the US region? Then the destination is https://" + hostUS
	}
	return "for Amplitude the destination is https://" + hostUS + " (US) or https://" + hostEU + " (EU)"
}
