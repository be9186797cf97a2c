package validate

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"sync"

	"export2batch/internal/finding"
	"export2batch/internal/progress"
)

// sighting is an insert id that was met, in hashes.
type sighting struct {
	id      uint64 // never 0
	content uint64 // of the whole line
	device  uint32 // 0: the event has none
	input   uint32
	place   uint64 // in its input: line and element, see placeOf
}

// repeats finds insert ids that occur twice. It keeps the sightings sorted by
// a part of the hash, in memory up to a bound and in a file beyond it. Then a
// table of one part's ids is all that is needed at once. The sightings come
// from all checkers, in any order.
type repeats struct {
	mu    sync.Mutex
	parts [repeatParts]chain
	held  int64 // bytes in memory
	spill *spill
	most  int64 // bytes held before they go to the file
}

// repeatParts is how many parts there are; each needs about 64 bytes an id at
// the end, so a thousand million ids take 250 MB.
const repeatParts = 256

// chain is a list of sightings in blocks.
type chain struct {
	blocks [][]sighting
	total  int64
}

const (
	chainBlock    = 256 // sightings
	sightingBytes = 32
	blockSize     = chainBlock * sightingBytes
)

// DefaultMemory is how many bytes of insert ids are held in memory.
const DefaultMemory = 256 << 20

// add takes the sightings of some events of an input.
func (r *repeats) add(list []sighting, input int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		s := list[i]
		s.input = uint32(input)
		c := &r.parts[s.id%repeatParts]
		last := len(c.blocks) - 1
		if last < 0 || len(c.blocks[last]) == chainBlock {
			if r.held+blockSize > r.most {
				if err := r.flush(); err != nil {
					return fmt.Errorf("put insert ids aside: %w", err)
				}
			}
			r.held += blockSize
			c.blocks = append(c.blocks, make([]sighting, 0, chainBlock))
			last = len(c.blocks) - 1
		}
		c.blocks[last] = append(c.blocks[last], s)
		c.total++
	}
	return nil
}

// flush moves what is in memory to the file.
func (r *repeats) flush() (err error) {
	if r.spill == nil {
		if r.spill, err = newSpill(); err != nil {
			return err
		}
	}
	for i := range r.parts {
		if err := r.spill.write(i, r.parts[i].blocks); err != nil {
			return err
		}
		r.parts[i].blocks = nil
	}
	r.held = 0
	return nil
}

// close gives the file back.
func (r *repeats) close() {
	if r.spill != nil {
		r.spill.close()
	}
}

// findings tells the repeats in the order of their places, up to maxRepeats of
// each rule, and how many more there are: n is how many a finding stands for.
// placeOf tells where a sighting was.
func (r *repeats) findings(placeOf func(input uint32, place uint64) (finding.Place, string), set finding.Place, report func(f finding.Finding, n int64)) error {
	kinds := [...]struct {
		rule, message string
		worst         repeatHeap
		n             int64
	}{
		{rule: ruleInsertIDRepeated, message: "the same event stands at %s too: Amplitude takes one of them"},
		{rule: ruleInsertIDConflict, message: "another event with this insert_id stands at %s: Amplitude takes one of them"},
		{rule: ruleInsertIDDevices, message: "an event of another device has this insert_id, at %s: Amplitude may take one of them only"},
	}
	for i := range r.parts {
		list, err := r.part(i)
		if err != nil {
			return err
		}
		eachRepeat(list, func(first, again *sighting) {
			kind := &kinds[0]
			switch {
			case !first.clashes(again):
				kind = &kinds[2]
			case first.content != again.content:
				kind = &kinds[1]
			}
			kind.n++
			kind.worst.keep(repeat{*again, *first})
		})
	}
	for i := range kinds {
		kind := &kinds[i]
		list := kind.worst
		slices.SortFunc(list, func(a, b repeat) int { return a.compare(&b.sighting) })
		for _, again := range list {
			place, pointer := placeOf(again.input, again.place)
			first, _ := placeOf(again.first.input, again.first.place)
			report(finding.Finding{Place: place, Pointer: pointer + keyInsertID.pointer(), Rule: kind.rule, Message: fmt.Sprintf(kind.message, first)}, 1)
		}
		if more := kind.n - int64(len(list)); more > 0 {
			report(finding.Finding{Place: set, Rule: kind.rule, Message: fmt.Sprintf("and %s like the %s above", progress.Amount(more, "more event", "more events"), progress.Thousands(int64(len(list))))}, more)
		}
	}
	return nil
}

// part returns all sightings of a part.
func (r *repeats) part(i int) ([]sighting, error) {
	list := make([]sighting, 0, r.parts[i].total)
	if r.spill != nil {
		var err error
		if list, err = r.spill.read(i, list); err != nil {
			return nil, fmt.Errorf("read insert ids: %w", err)
		}
	}
	for _, b := range r.parts[i].blocks {
		list = append(list, b...)
	}
	r.parts[i].blocks = nil
	return list, nil
}

// eachRepeat visits the sightings that are not the first of their id, in any
// order, each with the first sighting before it that clashes with it, and with
// the first of the id where none does.
func eachRepeat(list []sighting, visit func(first, again *sighting)) {
	size := 1
	for size < 2*len(list) {
		size *= 2
	}
	table := make([]uint32, size) // 1 + index of the first with that id
	entry := func(id uint64) *uint32 {
		at := id >> 8 & uint64(size-1)
		for table[at] != 0 && list[table[at]-1].id != id {
			at = (at + 1) & uint64(size-1)
		}
		return &table[at]
	}
	var again []uint32
	for i := range list {
		first := entry(list[i].id)
		switch {
		case *first == 0:
			*first = uint32(i + 1)
			continue
		case list[i].compare(&list[*first-1]) < 0:
			again = append(again, *first-1)
			*first = uint32(i + 1)
		default:
			again = append(again, uint32(i))
		}
	}
	// By id and device, those without a device first.
	slices.SortFunc(again, func(a, b uint32) int {
		x, y := &list[a], &list[b]
		return cmp.Or(cmp.Compare(x.id, y.id), cmp.Compare(x.device, y.device), x.compare(y))
	})
	var first, bare, own *sighting // of the id, without a device, of the device
	for _, i := range again {
		s := &list[i]
		if first == nil || first.id != s.id {
			first, bare, own = &list[*entry(s.id)-1], nil, nil
		}
		if own == nil || own.device != s.device {
			own = s
			if s.device == 0 {
				bare = s
			}
		}
		before := first
		if !first.clashes(s) {
			for _, other := range []*sighting{own, bare} {
				if other != nil && other.compare(s) < 0 && (before == first || other.compare(before) < 0) {
					before = other
				}
			}
		}
		visit(before, s)
	}
}

// clashes tells that Amplitude takes one of two events with the same insert id
// for certain: not where they are of different devices.
func (a *sighting) clashes(b *sighting) bool {
	return a.device == b.device || a.device == 0 || b.device == 0
}

// repeat is a sighting that is not the first of its id.
type repeat struct {
	sighting
	first sighting
}

// compare orders sightings by their places.
func (a *sighting) compare(b *sighting) int {
	switch {
	case a.input != b.input:
		return int(a.input) - int(b.input)
	case a.place < b.place:
		return -1
	case a.place > b.place:
		return 1
	}
	return 0
}

// maxRepeats is how many repeats of a rule are told with their places.
const maxRepeats = 1000

// repeatHeap holds the first repeats, the last of them on top.
type repeatHeap []repeat

func (h repeatHeap) Len() int           { return len(h) }
func (h repeatHeap) Less(i, j int) bool { return h[i].compare(&h[j].sighting) > 0 }
func (h repeatHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *repeatHeap) Push(x any)        { *h = append(*h, x.(repeat)) }
func (h *repeatHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (h *repeatHeap) keep(r repeat) {
	switch {
	case len(*h) < maxRepeats:
		heap.Push(h, r)
	case r.compare(&(*h)[0].sighting) < 0:
		(*h)[0] = r
		heap.Fix(h, 0)
	}
}
