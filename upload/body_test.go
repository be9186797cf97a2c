package upload

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"
)

// A transport may return before it has read the whole body. What it reads then
// must still be that body.
func TestBodyIsKeptWhileItIsRead(t *testing.T) {
	for _, zip := range []bool{false, true} {
		b := newMemory(Options{APIKey: testKey, Gzip: zip}).takeBody()
		var c chunk
		c.add([]byte(`{"a":1}`), event{})
		c.add([]byte(`{"b":2}`), event{})
		c.add([]byte(`{"c":3}`), event{})
		b.build(c.text, c.events[:1])
		want := bytes.Clone(b.sent)
		slow := b.reader()
		b.build(c.text, c.events[1:2])
		got, err := io.ReadAll(slow)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("read %q, want %q", got, want)
		}
		slow.Close()
		slow.Close()
		if n := b.open.Load(); n != 0 {
			t.Errorf("%d readers are open", n)
		}
	}
}

func TestBodyOfEventsThatStandApart(t *testing.T) {
	b := newBody(Options{APIKey: testKey}, nil)
	var c chunk
	for _, l := range []string{`{"a":1}`, `{"b":2}`, `{"c":3}`, `{"d":4}`} {
		c.add([]byte(l), event{})
	}
	sum := b.build(c.text, []event{c.events[0], c.events[2], c.events[3]})
	events := `{"a":1},{"c":3},{"d":4}`
	if want := `{"api_key":"` + testKey + `","events":[` + events + `]}`; string(b.sent) != want {
		t.Errorf("body %s, want %s", b.sent, want)
	}
	if sum != sha256.Sum256([]byte(events)) {
		t.Error("the sum is not that of the events")
	}
}
