package partition

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
)

// TestIdentityMapFindsWhatWasAdded compares with a Go map, and with a naive
// union of sets.
func TestIdentityMapFindsWhatWasAdded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	m := &identityMap{}
	numbers := map[idKey]uint32{}
	group := map[idKey]int{}
	var keys []idKey
	for i := range 20_000 {
		k := keyOf(idKey(1+rnd.IntN(3)), fmt.Append(nil, rnd.IntN(15_000)))
		n := m.add(k)
		if old, ok := numbers[k]; ok && old != n {
			t.Fatalf("id %d has the numbers %d and %d", k, old, n)
		} else if !ok {
			numbers[k], group[k] = n, i
			keys = append(keys, k)
		}
	}
	if m.n != len(numbers) {
		t.Fatalf("%d ids for %d keys", m.n, len(numbers))
	}
	for range 200 {
		a, b := keys[rnd.IntN(len(keys))], keys[rnd.IntN(len(keys))]
		m.join(numbers[a], numbers[b])
		if from, to := group[b], group[a]; from != to {
			for k, g := range group {
				if g == from {
					group[k] = to
				}
			}
		}
	}
	m.freeze()
	smallest := map[int]idKey{}
	for k, g := range group {
		if s, ok := smallest[g]; !ok || k < s {
			smallest[g] = k
		}
	}
	for k, g := range group {
		n, ok := m.number(k)
		if root := *m.parent.at(int(n)); !ok || n != numbers[k] || *m.keys.at(int(root)) != smallest[g] {
			t.Fatalf("id %d: number %d %v, root %d, want %d", k, n, ok, *m.keys.at(int(root)), smallest[g])
		}
	}
	if _, ok := m.number(keyOf(userKind, []byte("never added"))); ok {
		t.Error("an id that was not added is found")
	}
	if _, ok := new(identityMap).number(1); ok {
		t.Error("an id is found in an empty map")
	}
}

// bytesPerID is the promise of the package comment.
const bytesPerID = 40

// TestBytesPerID counts what the garbage collector sees, while the map grows.
func TestBytesPerID(t *testing.T) {
	const people = 80_000
	j := &joiner{ids: &identityMap{}, by: ByIdentity, limit: math.MaxInt64}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var batch []triple
	for i := range uint64(people) {
		// Anonymous first, then logged in; every fifth on a second device.
		user, device, amplitude := idKey(hashOf(idKey(3*i)))&^3|userKind, idKey(hashOf(idKey(3*i+1)))&^3|deviceKind, idKey(hashOf(idKey(3*i+2)))&^3|otherKind
		batch = append(batch[:0], triple{0, device, amplitude}, triple{user, device, amplitude})
		if i%5 == 0 {
			batch = append(batch, triple{user, device ^ 1<<40, amplitude})
		}
		j.add(batch)
		if i&(i-1) == 0 && i > 20_000 || i == people-1 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			real, counted := int64(now.HeapAlloc-before.HeapAlloc), j.bytes()
			if real > counted+counted/20+1<<20 {
				t.Errorf("%d ids take %d bytes, of which %d are counted", j.ids.n, real, counted)
			}
			if per := float64(counted) / float64(j.ids.n); per > bytesPerID {
				t.Errorf("%.1f bytes an id", per)
			}
		}
	}
	if j.ids.n != people*3+people/5 {
		t.Fatalf("%d ids", j.ids.n)
	}
}

// TestNeededMemoryIsEnough asks what is needed where it is not there.
func TestNeededMemoryIsEnough(t *testing.T) {
	for _, people := range []uint64{20_000, 33_000} {
		small := &joiner{ids: &identityMap{}, by: ByIdentity, limit: 400_000}
		large := &joiner{ids: &identityMap{}, by: ByIdentity, limit: math.MaxInt64}
		most := int64(0)
		for i := range people {
			user, device := idKey(hashOf(idKey(2*i)))&^3|userKind, idKey(hashOf(idKey(2*i+1)))&^3|deviceKind
			batch := []triple{{user, device, 0}, {user ^ 1<<40*idKey(i%3), device, 0}}
			small.add(batch)
			large.add(batch)
			most = max(most, large.bytes())
		}
		ids, bytes := small.need()
		if bytes < most || bytes > 2*most || math.Abs(ids-float64(large.ids.n)) > 0.04*ids {
			t.Errorf("%d people: %d bytes for %.0f ids, it takes %d for %d", people, bytes, ids, most, large.ids.n)
		}
		if ids, bytes := large.need(); ids != 0 || bytes != 0 {
			t.Errorf("%d bytes for %.0f ids are needed without need", bytes, ids)
		}
	}
}

func TestDistinctEstimates(t *testing.T) {
	for _, n := range []int{1, 100, 5_000, 40_000, 200_000} {
		d := newDistinct(&identityMap{})
		for range 2 {
			for i := range n {
				d.add(keyOf(idKey(1+i%3), fmt.Append(nil, "id-", i)))
			}
		}
		if got := d.count(); math.Abs(got-float64(n)) > 0.04*float64(n) {
			t.Errorf("%d ids are estimated as %.0f", n, got)
		}
	}
}
