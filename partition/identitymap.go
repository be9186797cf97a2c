package partition

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// identityMap joins ids to identities: a union-find over dense numbers, found
// by an open hash table. The root of an identity is its smallest key, so the
// result does not depend on the order in which ids arrive.
//
// It takes 16 bytes an id in its lists and 5.4 to 8 in the table. A device that
// occurs with more than one other id takes 8 to 20 bytes for each further one,
// until devices are joined; then a bit an id says which are shared.
//
// Adding and joining is for one goroutine at a time; after freeze, find and
// count are safe for many.
type identityMap struct {
	table  [segments][]uint32 // 1 + number of an id, 0 free
	used   [segments]int
	keys   chunks[idKey]
	parent chunks[uint32]
	// side is, until freeze, 1 + the first id that a device occurs with;
	// behind it the events of the identity, counted at its root.
	side   chunks[uint32]
	n      int
	shared []uint64 // a bit for each id: the device joins nobody

	joined, sharedDevices int64
}

// segments of the table grow one at a time, so that growing takes no memory
// worth counting.
const segments = 256

func hashOf(k idKey) uint64 { return uint64(k) * 0x9E3779B97F4A7C15 }

// slot is where k stands in the table, or where it is to be put.
func (m *identityMap) slot(segment []uint32, k idKey) int {
	// The middle bits of the hash choose, those above the segment's.
	i := int(hashOf(k) >> 24 & 0xffffffff * uint64(len(segment)) >> 32)
	for {
		if n := segment[i]; n == 0 || *m.keys.at(int(n - 1)) == k {
			return i
		}
		if i++; i == len(segment) {
			i = 0
		}
	}
}

func segmentOf(k idKey) int { return int(hashOf(k) >> 56) }

// add returns the number of k, which it gives it if it is new.
func (m *identityMap) add(k idKey) uint32 {
	s := segmentOf(k)
	if 4*(m.used[s]+1) > 3*len(m.table[s]) {
		m.grow(s)
	}
	segment := m.table[s]
	i := m.slot(segment, k)
	if segment[i] != 0 {
		return segment[i] - 1
	}
	m.keys.append(k)
	m.parent.append(uint32(m.n))
	m.side.append(0)
	m.n++
	m.used[s]++
	segment[i] = uint32(m.n)
	return uint32(m.n - 1)
}

func (m *identityMap) grow(s int) {
	old := m.table[s]
	segment := make([]uint32, max(16, len(old)+len(old)/2))
	for _, n := range old {
		if n != 0 {
			segment[m.slot(segment, *m.keys.at(int(n - 1)))] = n
		}
	}
	m.table[s] = segment
}

// number returns the number of k, and whether it has one.
func (m *identityMap) number(k idKey) (uint32, bool) {
	segment := m.table[segmentOf(k)]
	if len(segment) == 0 {
		return 0, false
	}
	n := segment[m.slot(segment, k)]
	return n - 1, n != 0
}

// root is the number of the identity that n belongs to, as found so far.
func (m *identityMap) root(n uint32) uint32 {
	for {
		p := m.parent.at(int(n))
		if *p == n {
			return n
		}
		*p = *m.parent.at(int(*p))
		n = *p
	}
}

// join makes two ids one identity.
func (m *identityMap) join(a, b uint32) {
	a, b = m.root(a), m.root(b)
	if a == b {
		return
	}
	if *m.keys.at(int(b)) < *m.keys.at(int(a)) {
		a, b = b, a
	}
	*m.parent.at(int(b)) = a
}

// freeze shortens every path to one step, so that finding writes nothing, and
// makes room to count events.
func (m *identityMap) freeze() {
	for n := range m.n {
		*m.parent.at(n) = m.root(uint32(n))
		*m.side.at(n) = 0
	}
	if m.shared == nil {
		m.shared = make([]uint64, m.n/64+1)
	}
}

func (m *identityMap) isShared(n uint32) bool { return m.shared[n/64]>>(n%64)&1 == 1 }

func (m *identityMap) share(n uint32) {
	if m.shared == nil {
		m.shared = make([]uint64, m.n/64+1)
	}
	m.shared[n/64] |= 1 << (n % 64)
	m.sharedDevices++
}

// identity is whom an event belongs to.
type identity struct {
	root uint32
	// alone tells that all events with this device, or all without one and
	// with this insert id, belong to the same identity.
	alone bool
	// shared is 1 + the number of the event's device where that is shared.
	shared uint32
}

// identity returns whom an event belongs to: its user, or its device where it
// has none (the other way round with ByDevice). It is false for ids that were
// not added, and for two that were never seen together.
func (m *identityMap) identity(by string, e *event) (id identity, ok bool) {
	first, second := e.user, e.device
	if by == ByDevice {
		first, second = second, first
	}
	if first == 0 {
		first, second = second, 0
	}
	n, ok := m.number(first)
	if !ok {
		return id, false
	}
	id.root = *m.parent.at(int(n))
	switch by {
	case ByDevice:
		id.alone = e.device != 0
		return id, true
	case ByUser:
		return id, true
	}
	if e.device == 0 {
		return id, true
	}
	d := n
	if second != 0 {
		if d, ok = m.number(second); !ok {
			return id, false
		}
	}
	if m.isShared(d) {
		id.shared = d + 1
		return id, true
	}
	id.alone = true
	return id, *m.parent.at(int(d)) == id.root
}

// count adds one event to an identity.
func (m *identityMap) count(root uint32) { atomic.AddUint32(m.side.at(int(root)), 1) }

// bytes is the memory the map takes.
func (m *identityMap) bytes() int64 {
	b := m.keys.len()*8 + m.parent.len()*4 + m.side.len()*4 + m.n/8
	for _, s := range m.table {
		b += 4 * len(s)
	}
	return int64(b)
}

// describe fills in what the summary says of identities.
func (m *identityMap) describe(s *Summary) {
	for n := range m.n {
		if events := int64(*m.side.at(n)); events > 0 {
			s.Identities++
			s.LargestIdentity = max(s.LargestIdentity, events)
		}
	}
	s.Joined, s.SharedDevices = m.joined, m.sharedDevices
}

// hot returns the identities with more than limit events, in the order of
// their keys.
func (m *identityMap) hot(limit int64) (roots []uint32) {
	for n := range m.n {
		if int64(*m.side.at(n)) > limit {
			roots = append(roots, uint32(n))
		}
	}
	slices.SortFunc(roots, func(a, b uint32) int {
		return cmp.Compare(*m.keys.at(int(a)), *m.keys.at(int(b)))
	})
	return roots
}

// chunks is a list that grows without copying.
type chunks[T any] struct {
	lists [][]T
	n     int
}

const chunkSize = 1 << 14

func (c *chunks[T]) append(v T) {
	if c.n%chunkSize == 0 {
		c.lists = append(c.lists, make([]T, chunkSize))
	}
	*c.at(c.n) = v
	c.n++
}

func (c *chunks[T]) at(i int) *T { return &c.lists[i/chunkSize][i%chunkSize] }

// len is how many places are there, used or not.
func (c *chunks[T]) len() int { return len(c.lists) * chunkSize }
