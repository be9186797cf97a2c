package diff

import (
	"fmt"
	"strings"
)

// ignore is a tree of what is not compared. A nil tree ignores nothing.
type ignore struct {
	all  bool // what stands here is not compared
	keys map[string]*ignore
}

// newIgnore reads top-level keys and JSON pointers (RFC 6901).
func newIgnore(list []string) (*ignore, error) {
	if len(list) == 0 {
		return nil, nil
	}
	root := &ignore{}
	for _, name := range list {
		path := []string{name}
		if strings.HasPrefix(name, "/") {
			path = strings.Split(name[1:], "/")
			for i, part := range path {
				if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(part), "~") {
					return nil, fmt.Errorf("ignore %q: not a JSON pointer: ~ stands only in ~0 and ~1", name)
				}
				path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
			}
		} else if name == "" {
			return nil, fmt.Errorf("ignore %q: the name of a key or a JSON pointer is needed", name)
		}
		root.add(path)
	}
	return root, nil
}

func (g *ignore) add(path []string) {
	for _, key := range path {
		if g.keys == nil {
			g.keys = map[string]*ignore{}
		}
		if g.keys[key] == nil {
			g.keys[key] = &ignore{}
		}
		g = g.keys[key]
	}
	g.all = true
}

// below is what is ignored inside the member key.
func (g *ignore) below(key []byte) *ignore {
	if g == nil {
		return nil
	}
	return g.keys[string(key)]
}

// whole tells whether the value at this point is not compared at all.
func (g *ignore) whole() bool { return g != nil && g.all }
