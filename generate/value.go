package generate

import (
	"strconv"
	"time"
)

// kind is a kind of property value.
type kind uint8

const (
	kindWord kind = iota
	kindPhrase
	kindScreen
	kindLabel
	kindInteger
	kindAmount
	kindFraction
	kindBoolean
	kindNull
	kindURL
	kindUUID
	kindDate
	kindEpoch
	kindVersion
	kindEmpty
	kindUnicode
	kindBigNumber
	kindWords
	kindMixed
	kindProducts
	kindObject
	kindNothing
)

// commonKinds has every kind as often as it shall occur.
var commonKinds = []kind{
	kindWord, kindWord, kindWord, kindWord, kindPhrase, kindPhrase, kindPhrase,
	kindScreen, kindScreen, kindScreen, kindLabel, kindLabel, kindLabel,
	kindInteger, kindInteger, kindInteger, kindInteger, kindInteger, kindAmount, kindAmount,
	kindFraction, kindBoolean, kindBoolean, kindBoolean, kindBoolean, kindNull, kindURL, kindURL,
	kindUUID, kindDate, kindEpoch, kindVersion, kindEmpty, kindUnicode, kindUnicode,
	kindBigNumber, kindWords, kindWords, kindMixed, kindProducts, kindObject, kindNothing,
}

// appendProperty appends "name":value with a comma in front where needed. Now
// and then the value is of another kind than usual.
func appendProperty(b []byte, prop property, r *source, at int64) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, prop.name...)
	k := prop.kind
	if r.oneIn(25) {
		k = pick(r, commonKinds)
	}
	return appendValue(b, k, r, at)
}

// appendValue appends a JSON value; at, in µs since 1970, is what dates are near to.
func appendValue(b []byte, k kind, r *source, at int64) []byte {
	switch k {
	case kindWord:
		return appendWords(append(b, '"'), r, 1, '"')
	case kindPhrase:
		return appendWords(append(b, '"'), r, 2, '"')
	case kindScreen:
		b = append(b, '"')
		b = append(b, pick(r, screens)...)
		return append(b, '"')
	case kindLabel:
		b = append(b, '"')
		b = append(b, pick(r, nouns)...)
		b = append(b, '_')
		b = strconv.AppendInt(b, int64(r.below(90)), 10)
		return append(b, '"')
	case kindInteger:
		return strconv.AppendInt(b, int64(r.below(100)), 10)
	case kindAmount:
		return appendDecimal(b, r.below(100_000), 2)
	case kindFraction:
		return strconv.AppendFloat(b, float64(r.next()>>11)/(1<<53), 'g', -1, 64)
	case kindBoolean:
		return strconv.AppendBool(b, r.oneIn(2))
	case kindNull:
		return append(b, "null"...)
	case kindURL:
		return appendURL(b, r)
	case kindUUID:
		b = appendUUID(append(b, '"'), r, false)
		return append(b, '"')
	case kindDate:
		at -= r.span(10 * day)
		b = time.UnixMicro(at).UTC().AppendFormat(append(b, '"'), time.RFC3339)
		return append(b, '"')
	case kindEpoch:
		return strconv.AppendInt(b, (at-r.span(10*day))/millisecond, 10)
	case kindVersion:
		b = append(b, '"')
		b = append(b, version(r, 1, 9)...)
		return append(b, '"')
	case kindEmpty:
		return append(b, `""`...)
	case kindUnicode:
		b = append(b, '"')
		b = append(b, pick(r, rawPhrases)...)
		return append(b, '"')
	case kindBigNumber:
		return append(b, pick(r, rawBigNumbers)...)
	case kindWords:
		return appendList(b, r, r.between(1, 4), at, kindWord, kindPhrase, kindLabel)
	case kindMixed:
		return appendList(b, r, r.between(1, 5), at, kindInteger, kindFraction, kindUnicode, kindNull, kindWords, kindObject)
	case kindProducts:
		return appendProducts(b, r)
	case kindObject:
		return appendObject(b, r, r.between(1, 3), at)
	default:
		return append(b, [...]string{"{}", "[]", "[[]]", `{"":null}`}[r.below(4)]...)
	}
}

// appendWords appends an adjective and, for n above 1, nouns, then last.
func appendWords(b []byte, r *source, n int, last byte) []byte {
	b = append(b, pick(r, adjectives)...)
	for range n - 1 {
		b = append(b, ' ')
		b = append(b, pick(r, nouns)...)
	}
	return append(b, last)
}

func appendURL(b []byte, r *source) []byte {
	slash := "/"
	if r.oneIn(6) {
		slash = `\/` // as PHP writes it
	}
	b = append(b, `"https:`...)
	b = append(b, slash...)
	b = append(b, slash...)
	b = append(b, "www."...)
	b = append(b, pick(r, nouns)...)
	b = append(b, ".example.com"...)
	b = append(b, slash...)
	b = append(b, pick(r, nouns)...)
	b = append(b, slash...)
	b = strconv.AppendInt(b, int64(r.between(1000, 99_999)), 10)
	b = append(b, "?utm_source="...)
	b = append(b, pick(r, channels)...)
	b = append(b, "&q="...)
	return appendWords(b, r, 1, '"')
}

func appendList(b []byte, r *source, n int, at int64, kinds ...kind) []byte {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, pick(r, kinds), r, at)
	}
	return append(b, ']')
}

func appendProducts(b []byte, r *source) []byte {
	b = append(b, '[')
	for i := range r.between(1, 3) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"sku":"SKU-`...)
		b = strconv.AppendInt(b, int64(r.between(10_000, 99_999)), 10)
		b = append(b, `","qty":`...)
		b = strconv.AppendInt(b, int64(r.between(1, 4)), 10)
		b = append(b, `,"price":`...)
		b = appendDecimal(b, r.below(20_000), 2)
		b = append(b, `,"tags":`...)
		b = appendList(b, r, r.below(2), 0, kindWord)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendObject(b []byte, r *source, depth int, at int64) []byte {
	b = append(b, '{')
	for i := range r.between(1, 3) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, aspects[r.below(5)+5*i]...)
		b = append(b, '"', ':')
		if depth > 1 && i == 0 {
			b = appendObject(b, r, depth-1, at)
			continue
		}
		b = appendValue(b, [...]kind{kindInteger, kindWord, kindUnicode, kindAmount, kindBoolean, kindWords}[r.below(6)], r, at)
	}
	return append(b, '}')
}

// appendDecimal appends n / 10^places.
func appendDecimal(b []byte, n, places int) []byte {
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	scale := 1
	for range places {
		scale *= 10
	}
	b = strconv.AppendInt(b, int64(n/scale), 10)
	rest := n % scale
	if rest == 0 {
		return append(b, '.', '0')
	}
	b = append(b, '.')
	for rest > 0 {
		scale /= 10
		b = append(b, '0'+byte(rest/scale))
		rest %= scale
	}
	return b
}
