// Package rejected writes the lines that a stage sets aside, as all stages do:
//
//	rejected/NAME.ndjson      a line for each, as finding.AppendRejected writes it
//	rejected/NAME.line-N.raw  a line over source.MaxLine, as it was
//
// NAME is source.Input.Name. An input of which nothing is set aside has no file.
package rejected

import (
	"errors"
	"fmt"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// File is what is set aside of one input. Commit or Abort must be called; Abort
// after Commit does nothing. It is not safe for concurrent use.
type File struct {
	folder *stage.Folder
	name   string
	file   *durable.File // made for the first line
	line   []byte
}

// For starts the file of an input; nothing is written yet.
func For(folder *stage.Folder, in *source.Input) *File {
	return &File{folder: folder, name: "rejected/" + in.Name + ".ndjson"}
}

// Write appends lines in the form of the file.
func (f *File) Write(lines []byte) (n int, err error) {
	if f.file == nil {
		if f.file, err = durable.Create(f.folder.FS, f.folder.File(f.name)); err != nil {
			return 0, err
		}
	}
	return f.file.Write(lines)
}

// Line sets one line aside.
func (f *File) Line(p finding.Place, rule, reason string, line []byte) error {
	f.line = finding.AppendRejected(f.line[:0], p, rule, reason, line)
	_, err := f.Write(f.line)
	return err
}

// Raw sets aside a line that CopyLong has kept under the name kept.
func (f *File) Raw(p finding.Place, rule, reason, kept string) error {
	f.line = finding.AppendRejectedRaw(f.line[:0], p, rule, reason, kept)
	_, err := f.Write(f.line)
	return err
}

// Commit makes the file durable and returns its name in the folder; without
// lines there is no file and no name.
func (f *File) Commit() (name string, err error) {
	if f.file == nil {
		return "", nil
	}
	return f.name, f.file.Commit()
}

// Abort removes what was written.
func (f *File) Abort() {
	if f.file != nil {
		f.file.Abort()
	}
}

// CopyLong streams the line that lines returned source.ErrTooLong for into a
// file of its own, and returns the line's length in bytes and the file's name
// in the folder. That the line was cut off is not told: the next line shows it
// again.
func CopyLong(folder *stage.Folder, lines *source.Lines, in *source.Input) (size int64, kept string, err error) {
	kept = fmt.Sprintf("rejected/%s.line-%d.raw", in.Name, lines.Number())
	f, err := durable.Create(folder.FS, folder.File(kept))
	if err != nil {
		return 0, "", err
	}
	defer f.Abort()
	size, err = lines.CopyLong(f)
	if err != nil && !errors.As(err, new(*source.DamageError)) {
		return 0, "", err
	}
	return size, kept, f.Commit()
}
