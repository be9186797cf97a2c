package generate

import (
	"math/bits"
	"math/rand/v2"
)

// A stream keeps the draws made for one purpose apart from all others, so that
// adding a draw to one of them leaves the rest of the output as it was.
type stream uint64

const (
	streamWeight stream = iota + 1
	streamTimeline
	streamPerson
	streamDevice
	streamEvent
	streamRequest
	streamTraits
	streamTrait
	streamCatalog
	streamRepeats
)

// source draws numbers with integer arithmetic only: floating point functions
// may differ between processors, and the output must not.
type source struct{ pcg rand.PCG }

// reseed starts the sequence that belongs to (seed, s, a, b).
func (r *source) reseed(seed uint64, s stream, a, b uint64) {
	h := mix(seed ^ mix(uint64(s)))
	h = mix(h ^ a)
	r.pcg.Seed(h, mix(h^b))
}

func newSource(seed uint64, s stream, a, b uint64) *source {
	r := new(source)
	r.reseed(seed, s, a, b)
	return r
}

func (r *source) next() uint64 { return r.pcg.Uint64() }

// below returns a number in [0, n); n must be positive.
func (r *source) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// between returns a number in [lo, hi].
func (r *source) between(lo, hi int) int { return lo + r.below(hi-lo+1) }

// span returns a number in [0, n), and 0 when n is not positive.
func (r *source) span(n int64) int64 {
	if n <= 0 {
		return 0
	}
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int64(hi)
}

func (r *source) oneIn(n int) bool { return r.below(n) == 0 }

func (r *source) hits(s share) bool { return r.next()>>11 < uint64(s) }

func pick[T any](r *source, list []T) T { return list[r.below(len(list))] }

// share is a probability in units of 2^-53.
type share uint64

func shareOf(p float64) share { return share(p * (1 << 53)) }

// mix is the finaliser of SplitMix64: every bit of x changes about half of the result's.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// mulDiv returns a*b/c without overflow in between; a or b must not exceed c.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	q, _ := bits.Div64(hi, lo, c)
	return q
}
