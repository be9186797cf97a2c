package diff

import (
	"bytes"
	"math/big"
	"strconv"
)

// appendNumber writes a JSON number so that equal values, and only those, are
// written the same: the digits as an integer that does not end in zero, "e",
// and the power of ten. Zero is 0, also where it is negative. Numbers of any
// size and precision keep their exact value.
func appendNumber(dst, num []byte) []byte {
	if num[0] == '-' {
		num = num[1:]
		before := len(dst)
		if dst = appendNumber(append(dst, '-'), num); string(dst[before:]) == "-0" {
			return append(dst[:before], '0')
		}
		return dst
	}
	mantissa, exponent := num, []byte(nil)
	if i := bytes.IndexAny(num, "eE"); i >= 0 {
		mantissa, exponent = num[:i], num[i+1:]
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	fraction = bytes.TrimRight(fraction, "0")
	start := len(dst)
	dst = append(append(dst, whole...), fraction...)
	shift := int64(-len(fraction))

	digits := bytes.TrimLeft(dst[start:], "0")
	n := len(digits)
	digits = bytes.TrimRight(digits, "0")
	shift += int64(n - len(digits))
	if len(digits) == 0 {
		return append(dst[:start], '0')
	}
	dst = append(dst[:start], digits...) // moves them forward only
	dst = append(dst, 'e')

	// Eighteen digits and a shift by the length of a line fit an int64.
	if len(exponent) <= 18 {
		var e int64
		if len(exponent) > 0 {
			e, _ = strconv.ParseInt(string(exponent), 10, 64) // accepted by the scanner
		}
		return strconv.AppendInt(dst, e+shift, 10)
	}
	e, _ := new(big.Int).SetString(string(exponent), 10)
	return e.Add(e, big.NewInt(shift)).Append(dst, 10)
}
