package upload

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// recordType tells the records of the journal apart; the numbers are its
// format and never change.
type recordType uint8

const (
	recordBegin   recordType = 1
	recordIntent  recordType = 2
	recordAck     recordType = 3
	recordRefused recordType = 4
	recordAside   recordType = 5
	recordKey     recordType = 6
	recordPark    recordType = 7
)

// record is one entry of the journal.
type record interface {
	kind() recordType
	append(dst []byte) []byte // the payload
	decode(f *fields)
}

// begin says what the journal is about.
type begin struct {
	manifest [sha256.Size]byte // of the partition folder's manifest.json
	time     int64
	seed     uint64 // of the ids in parks
	url      string
	version  string // of the tool
}

// intent is a request that is about to be sent.
type intent struct {
	partition, request int
	time               int64
	sum                [sha256.Size]byte // of its events, see body.build
	events             spans
}

// ack is an accepted request; it closes its intent.
type ack struct {
	partition, request int
	attempts           int64 // how often it was sent
	doubts             int64 // of them, before the last, that may have been taken
	ingested           int64 // as the answer counted
	time               int64
}

// refused closes an intent of whose events the last answer took none.
type refused struct {
	partition, request int
	attempts           int64
	doubts             int64 // attempts before the last that may have been taken
	status             int64 // 0: it was never sent
	time               int64
}

// aside is an event that was set aside.
type aside struct {
	partition    int
	event        int64
	rule, reason string
}

// park says until when ids wait for their daily quota.
type park struct {
	time, until int64
	ids         []uint64 // as ids.of makes them
}

// keyMark tells, without telling the key, whether another key is the same.
type keyMark struct {
	salt [16]byte
	sum  [4]byte
}

func (*begin) kind() recordType   { return recordBegin }
func (*intent) kind() recordType  { return recordIntent }
func (*ack) kind() recordType     { return recordAck }
func (*refused) kind() recordType { return recordRefused }
func (*aside) kind() recordType   { return recordAside }
func (*keyMark) kind() recordType { return recordKey }
func (*park) kind() recordType    { return recordPark }

func (r *begin) append(b []byte) []byte {
	b = append(b, r.manifest[:]...)
	b = binary.LittleEndian.AppendUint64(appendInts(b, r.time), r.seed)
	return appendString(appendString(b, r.url), r.version)
}

func (r *begin) decode(f *fields) {
	f.bytes(r.manifest[:])
	r.time, r.seed = f.int(), f.uint64()
	r.url, r.version = f.string(), f.string()
}

func (r *intent) append(b []byte) []byte {
	b = appendInts(b, int64(r.partition), int64(r.request), r.time)
	b = append(b, r.sum[:]...)
	b = appendInts(b, int64(len(r.events)))
	at := int64(0)
	for _, s := range r.events {
		b = appendInts(b, s.start-at, s.end-s.start)
		at = s.end
	}
	return b
}

func (r *intent) decode(f *fields) {
	r.partition, r.request, r.time = f.number(), f.number(), f.int()
	f.bytes(r.sum[:])
	n := f.int()
	if n > int64(len(f.rest)) { // each takes two bytes or more
		f.bad = true
		return
	}
	r.events = make(spans, 0, n)
	at := int64(0)
	for range n {
		skip, take := f.int(), f.int()
		if f.bad || take == 0 || skip > math.MaxInt64-at || take > math.MaxInt64-at-skip {
			f.bad = true
			return
		}
		s := span{at + skip, at + skip + take}
		r.events = append(r.events, s)
		at = s.end
	}
}

func (r *ack) append(b []byte) []byte {
	return appendInts(b, int64(r.partition), int64(r.request), r.attempts, r.doubts, r.ingested, r.time)
}

func (r *ack) decode(f *fields) {
	r.partition, r.request = f.number(), f.number()
	r.attempts, r.doubts, r.ingested, r.time = f.int(), f.int(), f.int(), f.int()
}

func (r *refused) append(b []byte) []byte {
	return appendInts(b, int64(r.partition), int64(r.request), r.attempts, r.doubts, r.status, r.time)
}

func (r *refused) decode(f *fields) {
	r.partition, r.request = f.number(), f.number()
	r.attempts, r.doubts, r.status, r.time = f.int(), f.int(), f.int(), f.int()
}

func (r *aside) append(b []byte) []byte {
	return appendString(appendString(appendInts(b, int64(r.partition), r.event), r.rule), r.reason)
}

func (r *aside) decode(f *fields) {
	r.partition, r.event, r.rule, r.reason = f.number(), f.int(), f.string(), f.string()
}

func (r *keyMark) append(b []byte) []byte { return append(append(b, r.salt[:]...), r.sum[:]...) }

func (r *keyMark) decode(f *fields) {
	f.bytes(r.salt[:])
	f.bytes(r.sum[:])
}

func (r *park) append(b []byte) []byte {
	b = appendInts(b, r.time, r.until, int64(len(r.ids)))
	for _, id := range r.ids {
		b = binary.LittleEndian.AppendUint64(b, id)
	}
	return b
}

func (r *park) decode(f *fields) {
	r.time, r.until = f.int(), f.int()
	n := f.int()
	if n != int64(len(f.rest)/8) {
		f.bad = true
		return
	}
	r.ids = make([]uint64, n)
	for i := range r.ids {
		r.ids[i] = f.uint64()
	}
}

// appendRecord appends a record as it stands in a commit.
func appendRecord(dst []byte, r record) []byte {
	payload := r.append(make([]byte, 0, 128))
	dst = binary.AppendUvarint(append(dst, byte(r.kind())), uint64(len(payload)))
	return append(dst, payload...)
}

// nextRecord reads the first record of a commit's text and returns what is
// behind it.
func nextRecord(text []byte) (r record, rest []byte, err error) {
	kind := recordType(text[0])
	size, n := binary.Uvarint(text[1:])
	if n <= 0 || size > uint64(len(text)-1-n) {
		return nil, nil, errors.New("a record goes on past its commit")
	}
	f := fields{rest: text[1+n : 1+n+int(size)]}
	rest = text[1+n+int(size):]
	switch kind {
	case recordBegin:
		r = new(begin)
	case recordIntent:
		r = new(intent)
	case recordAck:
		r = new(ack)
	case recordRefused:
		r = new(refused)
	case recordAside:
		r = new(aside)
	case recordKey:
		r = new(keyMark)
	case recordPark:
		r = new(park)
	default:
		return nil, nil, fmt.Errorf("a record of type %d is not known: it was written by a newer version", kind)
	}
	r.decode(&f)
	if f.bad || len(f.rest) > 0 {
		return nil, nil, fmt.Errorf("a record of type %d does not read back", kind)
	}
	return r, rest, nil
}

// fields takes a payload apart. Once it is bad, everything read is zero.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) int() int64 {
	v, n := binary.Uvarint(f.rest)
	if f.bad || n <= 0 || v > math.MaxInt64 {
		f.bad = true
		return 0
	}
	f.rest = f.rest[n:]
	return int64(v)
}

// number reads the number of a partition or request.
func (f *fields) number() int {
	v := f.int()
	if v > math.MaxInt32 {
		f.bad = true
		return 0
	}
	return int(v)
}

func (f *fields) uint64() uint64 {
	var b [8]byte
	f.bytes(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

func (f *fields) bytes(dst []byte) {
	if f.bad || len(f.rest) < len(dst) {
		f.bad = true
		return
	}
	copy(dst, f.rest)
	f.rest = f.rest[len(dst):]
}

func (f *fields) string() string {
	n := f.int()
	if f.bad || n > int64(len(f.rest)) {
		f.bad = true
		return ""
	}
	s := string(f.rest[:n])
	f.rest = f.rest[n:]
	return s
}

// appendInts appends numbers that are not negative.
func appendInts(b []byte, list ...int64) []byte {
	for _, v := range list {
		b = binary.AppendUvarint(b, uint64(max(v, 0)))
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(appendInts(b, int64(len(s))), s...)
}
