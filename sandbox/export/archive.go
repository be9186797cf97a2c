package export

import (
	"archive/zip"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"
)

// fileRows is how many rows an entry has before the hour's next one begins.
const fileRows = 50_000

// hour in ms.
const hour = 3_600_000

// Archive is the zip of an export, written as a stream.
type Archive struct {
	row  Row
	zip  *zip.Writer
	gzip *gzip.Writer // nil between entries
	hour int64        // of the entry, in hours since 1970
	part int
	rows int
	most int // rows of an entry
	line []byte
}

// NewArchive starts an archive of rows like row.
func NewArchive(w io.Writer, row Row) *Archive {
	return &Archive{row: row, zip: zip.NewWriter(w), most: fileRows}
}

// Add adds an event. Events come in the order of their time received.
func (a *Archive) Add(e *Event) error {
	line, err := a.row.Append(a.line[:0], e)
	if err != nil {
		return fmt.Errorf("event %d: %w", e.Number, err)
	}
	a.line = append(line, '\n')
	if err := a.turn(e.Received / hour); err != nil {
		return err
	}
	a.rows++
	_, err = a.gzip.Write(a.line)
	return err
}

// turn begins the entry for a row received in this hour.
func (a *Archive) turn(at int64) error {
	switch {
	case a.gzip == nil || at != a.hour:
		a.hour, a.part = at, 0
	case a.rows == a.most:
		a.part++
	default:
		return nil
	}
	if err := a.end(); err != nil {
		return err
	}
	start := time.UnixMilli(at * hour).UTC()
	name := fmt.Sprintf("%d/%d_%s_%d#%d.json.gz", a.row.Project, a.row.Project, start.Format(time.DateOnly), start.Hour(), a.part)
	// CreateHeader, unlike CreateRaw, writes the sizes after the data.
	entry, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: start})
	if err != nil {
		return err
	}
	a.rows = 0
	a.gzip, err = gzip.NewWriterLevel(entry, gzip.BestSpeed)
	return err
}

func (a *Archive) end() error {
	if a.gzip == nil {
		return nil
	}
	err := a.gzip.Close()
	a.gzip = nil
	return err
}

// Close ends the archive.
func (a *Archive) Close() error {
	if err := a.end(); err != nil {
		return err
	}
	return a.zip.Close()
}
