package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
)

const (
	day = 24 * 60 * 60 // seconds
	// dedupSeconds is how long an insert id is remembered (Amplitude, Batch
	// Event Upload API, event deduplication: 7 days).
	dedupSeconds = 7 * day
)

// dedupKey stands for one device_id and insert_id: 96 bits of SHA-256. Two of
// 24 million different events meet with a chance below 1e-14.
type dedupKey [12]byte

// keyOf hashes the texts (not the JSON) of an event's device_id, empty when it
// has none, and insert_id. buf is room to work in and is returned.
func keyOf(buf, device, insert []byte) (dedupKey, []byte) {
	buf = binary.AppendUvarint(buf[:0], uint64(len(device))) // so that ("a","bc") is not ("ab","c")
	buf = append(buf, device...)
	buf = append(buf, insert...)
	sum := sha256.Sum256(buf)
	return dedupKey(sum[:12]), buf
}

// dedup remembers which events were taken within the last seven days, to the
// second. An entry costs 20 bytes in a map, 24 million took 775 MB of heap. It is
// kept by days, so that what is too old goes a day at a time, without a sweep.
// It is not safe for concurrent use.
type dedup struct {
	days []dedupDay // oldest first
}

type dedupDay struct {
	start int64               // Unix seconds
	taken map[dedupKey]uint32 // Unix seconds
}

// take tells whether the event was taken before; when it was not, it now is.
// A duplicate does not start the seven days anew. now is in Unix seconds and
// never goes back.
func (d *dedup) take(key dedupKey, now int64) (duplicate bool) {
	for len(d.days) > 0 && d.days[0].start+day+dedupSeconds <= now {
		d.days[0].taken = nil
		d.days = d.days[1:]
	}
	for i := len(d.days) - 1; i >= 0; i-- {
		if at, ok := d.days[i].taken[key]; ok && now-int64(at) < dedupSeconds {
			return true
		}
	}
	start := now - now%day
	if n := len(d.days); n == 0 || d.days[n-1].start != start {
		d.days = append(d.days, dedupDay{start, make(map[dedupKey]uint32)})
	}
	d.days[len(d.days)-1].taken[key] = uint32(now)
	return false
}
