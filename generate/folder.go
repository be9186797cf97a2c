package generate

import (
	"os"
	"path/filepath"

	"export2batch/internal/durable"
)

// folder is an unzipped export. It remembers its files so as to remove them
// when it is aborted.
type folder struct {
	root    string
	added   []string
	written int64
}

func newFolder(root string) *folder { return &folder{root: root} }

func (f *folder) add(name string, data []byte) error {
	path := filepath.Join(f.root, filepath.FromSlash(name))
	if err := durable.WriteFile(durable.OS, path, data); err != nil {
		return err
	}
	f.added = append(f.added, path)
	f.written += int64(len(data))
	return nil
}

func (f *folder) commit() (int64, error) {
	f.added = nil
	return f.written, nil
}

func (f *folder) abort() {
	for _, path := range f.added {
		os.Remove(path)
		os.Remove(filepath.Dir(path)) // goes with its last file only
	}
	f.added = nil
}
