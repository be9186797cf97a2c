package parquet

import "math"

const secondsInDay = 86_400

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }

// sinceEpoch takes a whole number without a unit for the time that its size
// makes of it: seconds below 10^11 (up to the year 5138), then milliseconds,
// microseconds and nanoseconds, a thousand times as many each. Taken so, no
// time after 1973 has two meanings.
func sinceEpoch(n int64) (seconds, nanos int64) {
	per := int64(1_000_000_000)
	switch abs := max(n, -n); {
	case abs < 0: // the smallest number has no opposite
	case abs < 1e11:
		per = 1
	case abs < 1e14:
		per = 1000
	case abs < 1e17:
		per = 1_000_000
	}
	return floorDiv(n, per), floorMod(n, per) * (1_000_000_000 / per)
}

// sinceEpochFloat is the same for a float, to the microsecond.
func sinceEpochFloat(v float64) (seconds, nanos int64) {
	switch abs := math.Abs(v); {
	case abs < 1e11:
		v *= 1e6
	case abs < 1e14:
		v *= 1e3
	case abs >= 1e17:
		v /= 1e3
	}
	micros := int64(math.Round(v))
	return floorDiv(micros, 1_000_000), floorMod(micros, 1_000_000) * 1000
}

// appendTime appends YYYY-MM-DD HH:MM:SS with as many digits behind the second
// as it takes, three by three; nothing outside the years 0 to 9999.
func appendTime(dst []byte, seconds, nanos int64) []byte {
	day, in := floorDiv(seconds, secondsInDay), floorMod(seconds, secondsInDay)
	start := len(dst)
	if dst = appendDate(dst, day); len(dst) == start {
		return dst
	}
	dst = append(dst, ' ', digit(in/36000), digit(in/3600), ':', digit(in/600%6), digit(in/60), ':', digit(in/10%6), digit(in))
	if nanos == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(100_000_000); ; unit /= 10 {
		dst = append(dst, digit(nanos/unit))
		if (unit == 1_000_000 || unit == 1000) && nanos%unit == 0 || unit == 1 {
			return dst
		}
	}
}

// appendDate appends YYYY-MM-DD for a day counted from 1970-01-01, in the
// Gregorian calendar; nothing outside the years 0 to 9999.
func appendDate(dst []byte, day int64) []byte {
	if day < -719_528 || day > 2_932_896 {
		return dst
	}
	// Counted in years that begin in March, so that the leap day comes last,
	// and in eras of 400 years.
	day += 719_468
	era := floorDiv(day, 146_097)
	inEra := day - era*146_097
	year := (inEra - inEra/1460 + inEra/36_524 - inEra/146_096) / 365
	inYear := inEra - (365*year + year/4 - year/100)
	month := (5*inYear + 2) / 153
	dom := inYear - (153*month+2)/5 + 1
	year += era * 400
	if month += 3; month > 12 {
		month -= 12
		year++
	}
	return append(dst, digit(year/1000), digit(year/100), digit(year/10), digit(year), '-', digit(month/10), digit(month), '-', digit(dom/10), digit(dom))
}

func digit(n int64) byte { return '0' + byte(n%10) }
