package faultfs

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// image is what would be left if the power failed now.
type image struct {
	live   map[string]*node // by path, as the running system sees it
	synced map[string]*node // by path, as the disk holds it
}

// node is a file, whatever it is called.
type node struct {
	path   string // now, in the running system
	synced []byte
}

// load takes all files below root as synced.
func (m *image) load(root string) error {
	m.live, m.synced = map[string]*node{}, map[string]*node{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		m.live[path] = &node{path, content}
		return err
	})
	m.synced = maps.Clone(m.live)
	return err
}

func (m *image) open(path string) *node {
	path = filepath.Clean(path)
	if m.live[path] == nil {
		m.live[path] = &node{path: path}
	}
	return m.live[path]
}

func (m *image) rename(from, to string) {
	from, to = filepath.Clean(from), filepath.Clean(to)
	n := m.live[from]
	if n == nil {
		return // a folder: none is renamed by the code under test
	}
	delete(m.live, from)
	m.live[to], n.path = n, to
}

func (m *image) remove(path string) { delete(m.live, filepath.Clean(path)) }

func (m *image) syncDir(dir string) {
	dir = filepath.Clean(dir)
	maps.DeleteFunc(m.synced, func(path string, _ *node) bool { return filepath.Dir(path) == dir })
	for path, n := range m.live {
		if filepath.Dir(path) == dir {
			m.synced[path] = n
		}
	}
}

// restore makes the files below root what the disk holds.
func (m *image) restore(root string) error {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Remove(path)
	})
	if err != nil {
		return err
	}
	for path, n := range m.synced {
		if err := os.WriteFile(path, n.synced, 0o666); err != nil {
			return err
		}
	}
	return nil
}
