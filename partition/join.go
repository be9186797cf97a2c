package partition

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// triple is ids that occur together; 0 where one is absent.
type triple struct{ user, device, amplitude idKey }

// joiner collects who occurs with whom. A user and an Amplitude ID are joined
// at once; what a device is joined to is known when all its users are.
type joiner struct {
	ids   *identityMap
	by    string
	limit int64 // bytes for the map and the pairs

	mu sync.Mutex
	// further is what devices occur with beside the first: the number of a
	// device <<32 | that of the other id.
	further []uint64
	over    *distinct // counts the ids once the limit is exceeded
	pairs   float64   // of further, an id, when it was
}

// ErrMemory says that the identities do not fit in the memory allowed.
var ErrMemory = errors.New("the identities do not fit in --memory")

// add takes ids that occur together.
func (j *joiner) add(batch []triple) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over != nil {
		j.over.addAll(batch)
		return
	}
	for _, t := range batch {
		j.addOne(t)
	}
	if j.bytes() > j.limit {
		j.compact()
		j.pairs = float64(len(j.further)) / float64(j.ids.n)
		j.over = newDistinct(j.ids)
		j.ids, j.further = &identityMap{}, nil
		j.over.addAll(batch)
	}
}

func (j *joiner) addOne(t triple) {
	var user, other uint32
	if t.user != 0 && (j.by == ByIdentity || t.user.kind() == userKind) { // a pair of Amplitude IDs joins nobody else
		user = j.ids.add(t.user)
	}
	if j.by != ByIdentity {
		if t.device != 0 {
			j.ids.add(t.device)
		}
		return
	}
	if t.amplitude != 0 {
		other = j.ids.add(t.amplitude)
	}
	switch {
	case t.user != 0 && t.amplitude != 0:
		j.ids.join(user, other)
		other = user // what the device is joined to brings the Amplitude ID
	case t.user != 0:
		other = user
	}
	if t.device == 0 {
		return
	}
	device := j.ids.add(t.device)
	if t.user == 0 && t.amplitude == 0 {
		return
	}
	switch first := j.ids.side.at(int(device)); *first {
	case 0:
		*first = other + 1
	case other + 1:
	default:
		j.pair(uint64(device)<<32 | uint64(other))
	}
}

// pair notes what a device occurs with beside the first.
func (j *joiner) pair(p uint64) {
	if len(j.further) == cap(j.further) {
		j.compact()
		if n := len(j.further); n > cap(j.further)/4*3 {
			grown := make([]uint64, n, max(1<<10, cap(j.further)/2*3))
			copy(grown, j.further)
			j.further = grown
		}
	}
	j.further = append(j.further, p)
}

func (j *joiner) compact() {
	slices.Sort(j.further)
	j.further = slices.Compact(j.further)
}

// bytes is the memory in use at most, while the list of pairs grows.
func (j *joiner) bytes() int64 { return j.ids.bytes() + 8*int64(cap(j.further))*5/2 }

// need is the memory that would be enough, where the limit was exceeded: 0
// where it was not. Tables and lists are taken to have just grown.
func (j *joiner) need() (ids float64, bytes int64) {
	if j.over == nil {
		return 0, 0
	}
	ids = j.over.count()
	return ids, int64(ids*(24.2+8*5/2*1.5*j.pairs)*1.05) + 1<<20
}

// err is ErrMemory with the memory that would be enough.
func (j *joiner) err(jobs, partitions int) error {
	ids, bytes := j.need()
	if bytes == 0 {
		return nil
	}
	return fmt.Errorf("%w: for about %.0f thousand ids --memory %dMiB is needed", ErrMemory, ids/1000, memoryFor(bytes, jobs, partitions)>>20)
}

// joinDevices joins each device to what it occurs with, unless shared, which is
// told how many users it has, says that it joins nobody.
func (j *joiner) joinDevices(shared func(device uint32, users int) bool) {
	j.compact()
	ids, further := j.ids, j.further
	j.further = nil
	for device := range uint32(ids.n) {
		first := *ids.side.at(int(device))
		if first == 0 || ids.keys.at(int(device)).kind() != deviceKind {
			continue
		}
		n := 0
		for n < len(further) && uint32(further[n]>>32) == device {
			n++
		}
		others := further[:n]
		further = further[n:]
		users := 0
		if ids.keys.at(int(first-1)).kind() == userKind {
			users++
		}
		for _, p := range others {
			if ids.keys.at(int(uint32(p))).kind() == userKind {
				users++
			}
		}
		if shared(device, users) {
			ids.share(device)
			continue
		}
		ids.join(device, first-1)
		for _, p := range others {
			ids.join(device, uint32(p))
		}
		if users > 0 {
			ids.joined++
		}
	}
}
