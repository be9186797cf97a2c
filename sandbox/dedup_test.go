package sandbox

import (
	"encoding/binary"
	"testing"
	"time"
)

func TestDedup(t *testing.T) {
	c := newClock()
	s := newServer(t, Options{Now: c.now})
	send := func(n int, events ...string) {
		t.Helper()
		if got := taken(t, s, batch(events...)); got != n {
			t.Errorf("events_ingested %d, want %d", got, n)
		}
	}
	ev := func(device, insert string) string {
		return `{"user_id":"user-1","device_id":` + device + `,"event_type":"open","insert_id":` + insert + `}`
	}
	send(1, ev(`"device-1"`, `"a"`))
	send(0, ev(`"device-1"`, `"a"`))
	send(1, ev(`"device-2"`, `"a"`))                          // another device
	send(1, ev(`null`, `"a"`))                                // none
	send(0, ev(`null`, `"a"`))                                // known by insert_id alone
	send(1, ev(`"device-1"`, `"b"`), ev(`"device-1"`, `"b"`)) // within a request
	send(0, ev(`"device-\u0031"`, `"\u0061"`))                // spelt otherwise
	send(2, ev(`"device-1"`, `null`), ev(`"device-1"`, `null`))
	send(2, ev(`"device-1"`, `""`), ev(`"device-1"`, `""`))
	send(1, ev(`"device-1a"`, `"bc"`))
	send(1, ev(`"device-1"`, `"abc"`))

	c.move(7*24*time.Hour - time.Second)
	send(0, ev(`"device-1"`, `"a"`))
	c.move(time.Second) // the duplicates did not start the window anew
	send(1, ev(`"device-1"`, `"a"`))
	send(0, ev(`"device-1"`, `"a"`))

	var duplicates int
	for _, e := range entries(t, ledgerOf(t, s)) {
		if e.Duplicate {
			duplicates++
		}
	}
	if sum := s.Summary(); sum.Duplicates != int64(duplicates) || duplicates != 6 || sum.Accepted != 17 {
		t.Errorf("%d duplicates, summary %+v", duplicates, sum)
	}
}

// TestDedupForgets holds that what is older than the window takes no room.
func TestDedupForgets(t *testing.T) {
	var d dedup
	start := int64(1_700_000_000)
	for hour := range int64(24 * 30) {
		var key dedupKey
		binary.BigEndian.PutUint64(key[:], uint64(hour))
		if d.take(key, start+hour*3600) {
			t.Fatalf("hour %d is a duplicate", hour)
		}
	}
	if len(d.days) > 9 {
		t.Errorf("%d days are kept", len(d.days))
	}
	var last dedupKey
	binary.BigEndian.PutUint64(last[:], 24*30-1)
	if !d.take(last, start+24*30*3600) {
		t.Error("the last one is forgotten")
	}
}

// BenchmarkDedup tells what an entry costs, in time and memory.
func BenchmarkDedup(b *testing.B) {
	b.ReportAllocs()
	var d dedup
	var key dedupKey
	for i := range b.N {
		binary.LittleEndian.PutUint64(key[:], uint64(i)*0x9e3779b97f4a7c15)
		d.take(key, 1_700_000_000)
	}
}
