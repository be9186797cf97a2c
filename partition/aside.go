package partition

import (
	"sync"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
	"export2batch/internal/stage"
)

// asideFiles takes what does not go into a partition. Each file is written by
// one goroutine, so its order does not depend on how many there are.
type asideFiles struct {
	folder *stage.Folder
	sink   finding.Sink

	mu    sync.Mutex
	files map[string]*durable.File
}

func newAsideFiles(folder *stage.Folder, sink finding.Sink) *asideFiles {
	return &asideFiles{folder: folder, sink: sink, files: map[string]*durable.File{}}
}

// reject keeps a line of the input in the file name.
func (a *asideFiles) reject(name string, p finding.Place, rule, reason string, line []byte) error {
	a.report(p, rule, reason)
	return a.write(name, finding.AppendRejected(nil, p, rule, reason, line))
}

func (a *asideFiles) report(p finding.Place, rule, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sink(finding.Finding{Place: p, Rule: rule, Severity: finding.Error, Message: reason})
}

func (a *asideFiles) write(name string, line []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.files[name]
	if f == nil {
		var err error
		if f, err = durable.Create(a.folder.FS, a.folder.File(name)); err != nil {
			return err
		}
		a.files[name] = f
	}
	_, err := f.Write(line)
	return err
}

// commit gives the files their names and returns those.
func (a *asideFiles) commit() (names []string, err error) {
	for name, f := range a.files {
		if err := f.Commit(); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func (a *asideFiles) abort() {
	for _, f := range a.files {
		f.Abort()
	}
}
