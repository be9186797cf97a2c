package upload

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A destination that took nothing can be corrected; one that may have taken
// something cannot.
func TestCorrectedDestination(t *testing.T) {
	parts := lines(20, 20)
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for name, test := range map[string]struct {
		re   reply
		want string
	}{
		"unreachable": {reply{err: dial, delay: time.Second}, ""},
		"no such key": {reply{status: 400, body: `{"error":"Invalid API key"}`}, ""},
		"taken":       {reply{status: 200, body: "<html>", take: true}, "is the state of an upload to"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(*received) reply { return test.re })
				o := options(partitionFolder(t, parts), f)
				right := o.URL
				o.URL = "https://api.eu.amplitude.com"
				if _, err := Run(t.Context(), o); err == nil {
					t.Fatal("no error")
				}
				if s, err := ReadStatus(o.Dir, ""); err != nil || s.LastAnswer != "" && test.re.err != nil {
					t.Errorf("%+v %v", s, err)
				}
				f.script, o.URL = nil, right
				_, err := Run(t.Context(), o)
				if test.want != "" {
					if err == nil || !strings.Contains(err.Error(), test.want) {
						t.Errorf("error %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				f.checkTaken(parts, nil)
				if s, err := ReadStatus(o.Dir, ""); err != nil || s.Destination != right+"/batch" || !s.Complete || s.Accepted != 40 {
					t.Errorf("%+v %v", s, err)
				}
			})
		})
	}
}
