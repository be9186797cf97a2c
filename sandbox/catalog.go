package sandbox

import (
	"export2batch/internal/jsonscan"
)

// What a project indexes (Amplitude, HTTP V2 API, limits): names that come
// after so many are taken, stored and exported, but not indexed.
const (
	maxEventTypes      = 2000
	maxEventProperties = 2000
	maxUserProperties  = 1000
)

// catalog knows the names that a project indexes.
type catalog struct {
	eventTypes, eventProperties, userProperties nameSet
}

func newCatalog() catalog {
	return catalog{newNameSet(maxEventTypes), newNameSet(maxEventProperties), newNameSet(maxUserProperties)}
}

func (c *catalog) add(e *event, in *intake) {
	c.eventTypes.add(e.eventType)
	c.eventProperties.addKeys(e.eventProperties, in)
	c.userProperties.addKeys(e.userProperties, in)
}

// nameSet holds the first so many different names, as JSON.
type nameSet struct {
	limit  int
	names  map[string]struct{}
	beyond int64 // how often another one came
}

func newNameSet(limit int) nameSet { return nameSet{limit: limit, names: map[string]struct{}{}} }

func (s *nameSet) add(name []byte) {
	if _, ok := s.names[string(name)]; ok {
		return
	}
	if len(s.names) == s.limit {
		s.beyond++
		return
	}
	s.names[string(name)] = struct{}{}
}

func (s *nameSet) addKeys(object []byte, in *intake) {
	if object == nil {
		return
	}
	var err error
	if in.inner, err = jsonscan.Fields(in.inner[:0], object); err != nil {
		return // a key twice
	}
	for i := range in.inner {
		f := &in.inner[i]
		s.add(object[f.KeyStart-1 : f.KeyEnd+1])
	}
	if cap(in.inner) > 4096 {
		in.inner = nil
	}
}
