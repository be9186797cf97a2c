package partition

import (
	"bufio"
	"sync"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
	"export2batch/internal/stage"
)

// asideFile takes what does not go into a partition: of one input, or of one
// partition, so that its order does not depend on how many jobs there are. It
// is made when it is needed.
type asideFile struct {
	folder *stage.Folder
	name   string

	file *durable.File
	buf  *bufio.Writer
}

func (a *asideFile) write(line []byte) error {
	if a.file == nil {
		f, err := durable.Create(a.folder.FS, a.folder.File(a.name))
		if err != nil {
			return err
		}
		a.file, a.buf = f, bufio.NewWriterSize(f, 32<<10)
	}
	_, err := a.buf.Write(line)
	return err
}

// commit gives the file its name and returns that, empty where there is none.
func (a *asideFile) commit() (name string, err error) {
	if a.file == nil {
		return "", nil
	}
	if err := a.buf.Flush(); err != nil {
		return "", err
	}
	return a.name, a.file.Commit()
}

func (a *asideFile) abort() {
	if a.file != nil {
		a.file.Abort()
	}
}

// lockedSink lets several goroutines find something.
func lockedSink(sink finding.Sink) finding.Sink {
	var mu sync.Mutex
	return func(f finding.Finding) {
		mu.Lock()
		defer mu.Unlock()
		sink(f)
	}
}
