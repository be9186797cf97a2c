package generate

import (
	"archive/zip"
	"time"

	"export2batch/internal/durable"
)

// archive is a zip like those of the Export API.
type archive struct {
	file     *durable.File
	zip      *zip.Writer
	written  int64
	modified time.Time
}

func newArchive(path string, modified time.Time) (*archive, error) {
	file, err := durable.Create(durable.OS, path)
	if err != nil {
		return nil, err
	}
	a := &archive{file: file, modified: modified}
	a.zip = zip.NewWriter(writerFunc(func(b []byte) (int, error) {
		n, err := file.Write(b)
		a.written += int64(n)
		return n, err
	}))
	return a, nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (a *archive) add(name string, data []byte) error {
	// CreateHeader, unlike CreateRaw, writes the sizes after the data.
	w, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: a.modified})
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

func (a *archive) commit() (int64, error) {
	if err := a.zip.Close(); err != nil {
		return 0, err
	}
	return a.written, a.file.Commit()
}

func (a *archive) abort() { a.file.Abort() }
