package partition

import "sync/atomic"

// identityMap joins ids to identities: a union-find over dense numbers, found
// by an open hash table. The root of an identity is its smallest key, so the
// result does not depend on the order in which ids arrive.
//
// It takes 17 bytes an id in its arrays, and between 5.4 and 10.7 in the table
// (16 more for a moment when that grows). Adding and joining is for one
// goroutine at a time; after freeze, find and count are safe for many.
type identityMap struct {
	table  []uint32 // 1 + number of an id, 0 free
	keys   chunks[idKey]
	parent chunks[uint32]
	events chunks[uint32] // of the identity, counted at its root
	shared chunks[bool]   // the device joins nobody
	n      int

	joined, sharedDevices int64
}

const bytesPerID = 40 // what is counted against the memory bound, growing included

func newIdentityMap() *identityMap { return &identityMap{table: make([]uint32, 1<<12)} }

func (m *identityMap) slot(k idKey) int {
	mask := len(m.table) - 1
	h := uint64(k) * 0x9E3779B97F4A7C15
	for i := int(h>>32) & mask; ; i = (i + 1) & mask {
		if n := m.table[i]; n == 0 || *m.keys.at(int(n - 1)) == k {
			return i
		}
	}
}

// add returns the number of k, which it gives it if it is new.
func (m *identityMap) add(k idKey) uint32 {
	i := m.slot(k)
	if m.table[i] != 0 {
		return m.table[i] - 1
	}
	if 4*(m.n+1) > 3*len(m.table) {
		m.grow()
		i = m.slot(k)
	}
	m.keys.append(k)
	m.parent.append(uint32(m.n))
	m.events.append(0)
	m.shared.append(false)
	m.n++
	m.table[i] = uint32(m.n)
	return uint32(m.n - 1)
}

func (m *identityMap) grow() {
	m.table = make([]uint32, 2*len(m.table))
	for n := range m.n {
		m.table[m.slot(*m.keys.at(n))] = uint32(n + 1)
	}
}

// number returns the number of k, and whether it has one.
func (m *identityMap) number(k idKey) (uint32, bool) {
	n := m.table[m.slot(k)]
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

// freeze shortens every path to one step, so that finding writes nothing.
func (m *identityMap) freeze() {
	for n := range m.n {
		*m.parent.at(n) = m.root(uint32(n))
	}
}

// identity returns the root for an event: that of its user, or of its device
// where there is none (the other way round with ByDevice). It is false for ids
// that were not added, and for two that were never seen together.
func (m *identityMap) identity(by string, e *event) (root uint32, ok bool) {
	first, second := e.user, e.device
	if by == ByDevice {
		first, second = second, first
	}
	if first == 0 {
		first, second = second, 0
	}
	n, ok := m.number(first)
	if !ok {
		return 0, false
	}
	root = *m.parent.at(int(n))
	if second == 0 || by != ByIdentity {
		return root, true
	}
	d, ok := m.number(second)
	return root, ok && (*m.shared.at(int(d)) || *m.parent.at(int(d)) == root)
}

// count adds one event to an identity.
func (m *identityMap) count(root uint32) { atomic.AddUint32(m.events.at(int(root)), 1) }

func (m *identityMap) bytes() int64 { return int64(m.n) * bytesPerID }

// describe fills in what the summary says of identities.
func (m *identityMap) describe(s *Summary) {
	for n := range m.n {
		if events := int64(*m.events.at(n)); events > 0 {
			s.Identities++
			s.LargestIdentity = max(s.LargestIdentity, events)
		}
	}
	s.Joined, s.SharedDevices = m.joined, m.sharedDevices
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
