package upload

import "slices"

// span is the events from start up to end, without it.
type span struct{ start, end int64 }

// spans is a set of events: sorted, apart from each other, none empty.
type spans []span

// search returns the first span that ends behind event i.
func (s spans) search(i int64) int {
	at, _ := slices.BinarySearchFunc(s, i, func(e span, i int64) int {
		if e.end <= i {
			return -1
		}
		return 1
	})
	return at
}

func (s spans) contains(i int64) bool {
	at := s.search(i)
	return at < len(s) && s[at].start <= i
}

// add puts a span in and reports whether all of it was new.
func (s *spans) add(n span) bool {
	at := s.search(n.start)
	if n.start >= n.end || at < len(*s) && (*s)[at].start < n.end {
		return false
	}
	joinsLeft := at > 0 && (*s)[at-1].end == n.start
	joinsRight := at < len(*s) && (*s)[at].start == n.end
	switch {
	case joinsLeft && joinsRight:
		(*s)[at-1].end = (*s)[at].end
		*s = slices.Delete(*s, at, at+1)
	case joinsLeft:
		(*s)[at-1].end = n.end
	case joinsRight:
		(*s)[at].start = n.start
	default:
		*s = slices.Insert(*s, at, n)
	}
	return true
}

// count is how many events there are.
func (s spans) count() int64 {
	var n int64
	for _, e := range s {
		n += e.end - e.start
	}
	return n
}

// without are the events of s that are not in other.
func (s spans) without(other spans) spans {
	var out spans
	for _, e := range s {
		for at := other.search(e.start); at < len(other) && other[at].start < e.end; at++ {
			if other[at].start > e.start {
				out = append(out, span{e.start, other[at].start})
			}
			e.start = other[at].end
		}
		if e.start < e.end {
			out = append(out, e)
		}
	}
	return out
}
