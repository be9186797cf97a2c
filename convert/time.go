package convert

import (
	"bytes"
	"time"

	"export2batch/internal/jsonscan"
)

// timeSources are the keys an event's time is taken from, in this order unless
// Rules.Time puts another first; the next is looked at where one is null,
// absent or empty.
var timeSources = [...]slot{eventTime, clientEventTime, serverReceivedTime, serverUploadTime}

// time finds the event's time in ms since the epoch, UTC, and takes the field
// it used out of the line.
func (m *mapper) time(line []byte) (int64, verdict) {
	for _, s := range m.timeSources {
		f := m.at[s]
		if f == nil || !populated(line, f) {
			continue
		}
		ms, ok := int64(0), false
		if f.Kind == jsonscan.String {
			text := line[f.Start+1 : f.End-1]
			if f.Escaped {
				m.scratch = jsonscan.AppendUnescaped(m.scratch[:0], text)
				text = m.scratch
			}
			ms, ok = parseTime(text)
		}
		if !ok {
			return 0, verdict{kind: refused, rule: ruleTime, reason: exportNames[s] + " is not a time like 2006-01-02 15:04:05.999999"}
		}
		m.at[s] = nil
		return ms, verdict{}
	}
	return 0, verdict{kind: refused, rule: ruleNoTime, reason: "no event_time, nor another time to take its place"}
}

// parseTime reads YYYY-MM-DD HH:MM:SS with a fraction of any length and a zone
// or none, which means UTC; warehouses write T for the space, and Z, " UTC",
// +02, +0200 or +02:00 for the zone. What is finer than a millisecond is cut
// off towards the past.
func parseTime(b []byte) (ms int64, ok bool) {
	if len(b) < 19 || b[4] != '-' || b[7] != '-' || b[10] != ' ' && b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	year, ok0 := number(b[0:4])
	month, ok1 := number(b[5:7])
	day, ok2 := number(b[8:10])
	hour, ok3 := number(b[11:13])
	minute, ok4 := number(b[14:16])
	second, ok5 := number(b[17:19])
	if !(ok0 && ok1 && ok2 && ok3 && ok4 && ok5) || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Day() != day { // 31 April
		return 0, false
	}
	ms = t.UnixMilli()
	rest := b[19:]
	if len(rest) > 0 && rest[0] == '.' {
		n := 1
		for scale := int64(100); n < len(rest) && rest[n]-'0' <= 9; n++ {
			ms += int64(rest[n]-'0') * scale
			scale /= 10
		}
		if n == 1 {
			return 0, false
		}
		rest = rest[n:]
	}
	offset, ok := zone(rest)
	return ms - offset, ok
}

// zone reads an offset from UTC in ms.
func zone(b []byte) (offset int64, ok bool) {
	b = bytes.TrimPrefix(b, []byte(" "))
	switch string(b) {
	case "", "Z", "z", "UTC":
		return 0, true
	}
	sign := int64(1)
	if b[0] == '-' {
		sign = -1
	} else if b[0] != '+' {
		return 0, false
	}
	digits := b[1:]
	if len(digits) == 5 && digits[2] == ':' {
		digits = []byte{digits[0], digits[1], digits[3], digits[4]}
	}
	if len(digits) == 2 {
		digits = []byte{digits[0], digits[1], '0', '0'}
	}
	if len(digits) != 4 {
		return 0, false
	}
	hours, ok1 := number(digits[:2])
	minutes, ok2 := number(digits[2:])
	if !ok1 || !ok2 || hours > 23 || minutes > 59 {
		return 0, false
	}
	return sign * int64(hours*60+minutes) * 60_000, true
}

func number(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
