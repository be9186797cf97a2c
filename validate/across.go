package validate

import (
	"hash/maphash"
	"strconv"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
	"export2batch/internal/source"
)

// acrossInputs is what is known of all inputs together.
type acrossInputs struct {
	names   nameSets
	repeats repeats
}

// findings tells about the set of inputs; n is how many a finding counts as.
func (a *acrossInputs) findings(o *Options, s *settings, inputs []source.Input, report func(f finding.Finding, n int64)) error {
	set := finding.Place{File: o.Paths[0]}
	placeOf := func(input uint32, place uint64) (finding.Place, string) {
		at := inputs[input].Place(int64(place >> indexBits))
		if index := place & (1<<indexBits - 1); index > 0 {
			return at, "/" + strconv.FormatUint(index-1, 10)
		}
		return at, ""
	}
	if err := a.repeats.findings(placeOf, set, report); err != nil {
		return err
	}
	a.names.findings(set, s.showValues, func(f finding.Finding) { report(f, 1) })
	return nil
}

// sighting hashes the insert id of the event that was checked last, and what
// it is compared by; without one its id is 0. The seed differs from process to
// process, the results do not.
func (c *checker) sighting(line []byte) (s sighting) {
	f := c.event.field(keyInsertID)
	if f == nil || f.Kind != jsonscan.String || f.End-f.Start <= 2 || !c.compare {
		return s
	}
	text := c.event.text
	s.id = maphash.Bytes(c.seed, decoded(text[f.Start+1:f.End-1], f.Escaped)) | 1<<63
	s.content = hashText(c.textSeed, line)
	if d := c.event.field(keyDeviceID); d != nil && d.Kind == jsonscan.String {
		s.device = uint32(maphash.Bytes(c.seed, decoded(text[d.Start+1:d.End-1], d.Escaped))) | 1
	}
	return s
}
