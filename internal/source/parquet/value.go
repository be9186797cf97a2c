package parquet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	pq "github.com/apache/arrow-go/v18/parquet"

	"export2batch/internal/jsonscan"
)

// renderer turns values into JSON. What the export's form cannot hold is noted
// in bad, for the row, and given as well as it can be.
type renderer struct {
	bad     *RowError // of the row; the first one counts
	scratch []byte
	big     big.Int
}

func (r *renderer) fault(t *leafType, rule, format string, args ...any) {
	if r.bad == nil && t.value.strict {
		r.bad = &RowError{Rule: rule, Reason: fmt.Sprintf("column %q: ", t.path) + fmt.Sprintf(format, args...)}
	}
}

// value appends the value that l is at.
func (r *renderer) value(dst []byte, l *leaf) (out []byte, null bool) {
	t := &l.leafType.value
	switch t.meaning {
	case meansText, meansJSON:
		return r.text(dst, l.bytes(), l.leafType)
	case meansUUID:
		return appendUUID(dst, l.bytes()), false
	case meansBool:
		return r.scalar(dst, strconv.AppendBool(r.scratch[:0], l.bools[l.v]), t), false
	case meansInteger, meansUnsigned:
		return r.integer(dst, l)
	case meansDecimal:
		return r.decimal(dst, l)
	case meansFloat:
		if l.floats != nil {
			return r.float(dst, float64(l.floats[l.v]), 32, l.leafType)
		}
		return r.float(dst, l.double[l.v], 64, l.leafType)
	case meansHalf:
		return r.float(dst, half(binary.LittleEndian.Uint16(l.bytes())), 32, l.leafType)
	case meansDate:
		r.scratch = append(appendDate(r.scratch[:0], int64(l.int32s[l.v])), " 00:00:00"...)
		return r.moment(dst, l.leafType), false
	case meansTimestamp:
		seconds, nanos := l.timestamp()
		r.scratch = appendTime(r.scratch[:0], seconds, nanos)
		return r.moment(dst, l.leafType), false
	}
	n := l.signed()
	r.scratch = appendTime(r.scratch[:0], floorDiv(n, t.perSec), floorMod(n, t.perSec)*(1_000_000_000/t.perSec))
	if len(r.scratch) > 11 {
		r.scratch = r.scratch[11:] // the time of day alone
	}
	return r.moment(dst, l.leafType), false
}

// bytes is the value of a leaf of texts or of bytes of fixed length.
func (l *leaf) bytes() []byte {
	if l.texts != nil {
		return l.texts[l.v]
	}
	return l.fixed[l.v]
}

// signed is the value of a leaf of INT32 or INT64.
func (l *leaf) signed() int64 {
	if l.int32s != nil {
		return int64(l.int32s[l.v])
	}
	return l.int64s[l.v]
}

// timestamp is the value in seconds since 1970 and nanoseconds behind them.
// INT96 holds the nanoseconds of the day and the Julian day.
func (l *leaf) timestamp() (seconds, nanos int64) {
	if l.int96s != nil {
		b := l.int96s[l.v]
		inDay := int64(binary.LittleEndian.Uint64(b[:8]))
		day := int64(int32(binary.LittleEndian.Uint32(b[8:]))) - 2_440_588
		return day*86_400 + floorDiv(inDay, 1_000_000_000), floorMod(inDay, 1_000_000_000)
	}
	n, per := l.int64s[l.v], l.value.perSec
	return floorDiv(n, per), floorMod(n, per) * (1_000_000_000 / per)
}

// scalar appends digits, true or false: as they are, or in quotes where the
// export has a text.
func (r *renderer) scalar(dst, digits []byte, t *valueType) []byte {
	r.scratch = digits
	if t.form != formText {
		return append(dst, digits...)
	}
	dst = append(append(dst, '"'), digits...)
	return append(dst, '"')
}

// moment appends the date or time in scratch.
func (r *renderer) moment(dst []byte, t *leafType) []byte {
	if len(r.scratch) == 0 {
		r.fault(t, RuleValue, "a time lies outside the years 0 to 9999")
		return append(dst, `"out of range"`...)
	}
	dst = append(append(dst, '"'), r.scratch...)
	return append(dst, '"')
}

func (r *renderer) integer(dst []byte, l *leaf) (out []byte, null bool) {
	t := &l.leafType.value
	var digits []byte
	if t.meaning == meansUnsigned && l.int32s != nil {
		digits = strconv.AppendUint(r.scratch[:0], uint64(uint32(l.int32s[l.v])), 10)
	} else if t.meaning == meansUnsigned {
		digits = strconv.AppendUint(r.scratch[:0], uint64(l.int64s[l.v]), 10)
	} else if t.form == formTime {
		seconds, nanos := sinceEpoch(l.signed())
		r.scratch = appendTime(r.scratch[:0], seconds, nanos)
		return r.moment(dst, l.leafType), false
	} else {
		digits = strconv.AppendInt(r.scratch[:0], l.signed(), 10)
	}
	return r.scalar(dst, digits, t), false
}

// decimal appends a decimal without zeros at its end: all of its digits.
func (r *renderer) decimal(dst []byte, l *leaf) (out []byte, null bool) {
	t := &l.leafType.value
	var digits []byte
	switch {
	case l.int32s != nil || l.int64s != nil:
		digits = strconv.AppendInt(r.scratch[:0], l.signed(), 10)
	default:
		digits = r.bigEndian(r.scratch[:0], l.bytes())
	}
	digits = point(digits, t.scale)
	if whole := bytes.IndexByte(digits, '.') < 0; !whole && (t.form == formInteger || t.form == formID) {
		r.fault(l.leafType, RuleValue, "a number that should be whole is not")
	} else if whole && t.form == formTime {
		if n, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
			seconds, nanos := sinceEpoch(n)
			r.scratch = appendTime(digits[:0], seconds, nanos)
			return r.moment(dst, l.leafType), false
		}
	}
	return r.scalar(dst, digits, t), false
}

// bigEndian appends the digits of a two's complement number.
func (r *renderer) bigEndian(dst, b []byte) []byte {
	for len(b) > 8 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	if len(b) <= 8 {
		var n int64
		if len(b) > 0 && b[0] >= 0x80 {
			n = -1
		}
		for _, c := range b {
			n = n<<8 | int64(c)
		}
		return strconv.AppendInt(dst, n, 10)
	}
	r.big.SetBytes(b)
	if b[0] >= 0x80 {
		r.big.Sub(&r.big, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return r.big.Append(dst, 10)
}

// point puts the decimal point in front of the last scale digits and takes off
// the zeros behind it.
func point(digits []byte, scale int) []byte {
	if scale == 0 {
		return digits
	}
	sign := 0
	if digits[0] == '-' {
		sign = 1
	}
	if short := scale + 1 - (len(digits) - sign); short > 0 {
		zeros := bytes.Repeat([]byte{'0'}, short)
		digits = append(digits[:sign:sign], append(zeros, digits[sign:]...)...)
	}
	at := len(digits) - scale
	for len(digits) > at && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	if len(digits) == at {
		return digits
	}
	digits = append(digits, 0)
	copy(digits[at+1:], digits[at:])
	digits[at] = '.'
	return digits
}

// The whole numbers below these are exact in a float: the next one above could
// stand for its neighbour as well.
const (
	exactFloat  = 1 << 24
	exactDouble = 1 << 53
)

// float appends a number as encoding/json does. NaN, which data frames have
// for null, is null.
func (r *renderer) float(dst []byte, v float64, size int, t *leafType) (out []byte, null bool) {
	if math.IsNaN(v) {
		return dst, true
	}
	if math.IsInf(v, 0) {
		r.fault(t, RuleValue, "a number is infinite")
		return dst, true
	}
	limit := float64(exactDouble)
	if size == 32 {
		limit = exactFloat
	}
	whole := v == math.Trunc(v)
	switch f := t.value.form; {
	case f == formTime && math.Abs(v) >= limit:
		r.fault(t, RuleInexactID, "a time is kept in a float too small for its digits")
	case f == formTime:
		seconds, nanos := sinceEpochFloat(v)
		r.scratch = appendTime(r.scratch[:0], seconds, nanos)
		return r.moment(dst, t), false
	case f != formInteger && f != formID && f != formText:
	case f != formText && !whole:
		r.fault(t, RuleValue, "a number that should be whole is not")
	case whole && math.Abs(v) < limit:
		return r.scalar(dst, strconv.AppendInt(r.scratch[:0], int64(v), 10), &t.value), false
	case whole && f != formText:
		r.fault(t, RuleInexactID, "a whole number is kept in a float of %d bits and is too large for it: its last digits are lost", size)
		return append(dst, strconv.AppendFloat(r.scratch[:0], v, 'f', 0, size)...), false
	}
	return r.scalar(dst, appendFloat(r.scratch[:0], v, size), &t.value), false
}

// appendFloat appends the shortest digits that give v again, as ECMAScript
// and encoding/json write them.
func appendFloat(dst []byte, v float64, size int) []byte {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, v, format, -1, size)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && (dst[n-3] == '-' || dst[n-3] == '+') && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// half is the value of an IEEE 754 binary16.
func half(b uint16) float64 {
	sign, exp, frac := 1.0, int(b>>10&31), float64(b&1023)
	if b>>15 == 1 {
		sign = -1
	}
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

// text appends a text, or what the form of its column takes it for.
func (r *renderer) text(dst, b []byte, t *leafType) (out []byte, null bool) {
	v := &t.value
	switch {
	case v.form == formJSON || v.meaning == meansJSON:
		return r.json(dst, b, t)
	case v.form == formInteger || v.form == formNumber:
		if number, ok := numeric(b, v.form); ok {
			return append(dst, number...), len(number) == 0
		}
	case v.form == formID && v.physical == pq.Types.FixedLenByteArray && v.length == 16:
		return appendUUID(dst, b), false
	}
	return r.quote(dst, b, t), false
}

// numeric takes a text as the number it spells; an empty one is none.
func numeric(b []byte, f form) (number []byte, ok bool) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return nil, true
	}
	if kind, err := jsonscan.Check(b); err != nil || kind != jsonscan.Number {
		return nil, false
	}
	if f == formInteger {
		whole, frac, _ := bytes.Cut(b, []byte{'.'})
		if bytes.ContainsAny(b, "eE") || len(bytes.Trim(frac, "0")) > 0 {
			return nil, false
		}
		return whole, true
	}
	return b, true
}

// json appends JSON text byte for byte. Only line breaks between its tokens
// are taken out, since a line cannot hold them.
func (r *renderer) json(dst, b []byte, t *leafType) (out []byte, null bool) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return dst, true
	}
	kind, err := jsonscan.Check(b)
	switch {
	case err == nil && kind == jsonscan.Null:
		return dst, true
	case err != nil:
		r.fault(t, RuleValue, "its text is no JSON (%v)", err)
		return r.quote(dst, b, t), false
	case bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0:
		return jsonscan.AppendCompact(dst, b), false
	}
	return append(dst, b...), false
}

// quote appends a text as a JSON string.
func (r *renderer) quote(dst, b []byte, t *leafType) []byte {
	plain, ascii := plainText(b)
	if !ascii && !utf8.Valid(b) {
		if t.value.strict {
			r.fault(t, RuleValue, "a text is not UTF-8")
			return jsonscan.AppendQuoted(dst, b)
		}
		dst = append(dst, '"')
		return append(hex.AppendEncode(dst, b), '"')
	}
	if !plain {
		return jsonscan.AppendQuoted(dst, b)
	}
	dst = append(append(dst, '"'), b...)
	return append(dst, '"')
}

// plainText tells whether a text can stand in a JSON string as it is, and
// whether it is ASCII. Eight bytes are looked at together, as in jsonscan.
func plainText(b []byte) (plain, ascii bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	var special, wide uint64
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		special |= ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
		wide |= w & highs
	}
	plain, ascii = special == 0, wide == 0
	for ; i < len(b); i++ {
		c := b[i]
		plain = plain && c >= ' ' && c != '"' && c != '\\'
		ascii = ascii && c < utf8.RuneSelf
	}
	return plain, ascii
}

// appendUUID appends 16 bytes as a UUID in quotes.
func appendUUID(dst, b []byte) []byte {
	dst = append(dst, '"')
	for i, part := range [...][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:16]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return append(dst, '"')
}
