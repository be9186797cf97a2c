// Package rejected writes the lines that a stage sets aside, as all stages do:
//
//	rejected/NAME.ndjson      a line for each, as finding.AppendRejected writes it
//	rejected/NAME.line-N.raw  a line over source.LongLine, as it was
//
// NAME is source.Input.Name, or what partition calls its inputs and partitions. An
// input of which nothing is set aside has no file.
package rejected

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// File is what is set aside of one input. Commit or Abort must be called; Abort
// after Commit does nothing. It is not safe for concurrent use.
type File struct {
	folder *stage.Folder
	name   string        // without .ndjson
	file   *durable.File // made for the first line
	buf    *bufio.Writer
	line   []byte
	raw    []string // the files of long lines
}

// For starts the file of an input; nothing is written yet.
func For(folder *stage.Folder, in *source.Input) *File { return Named(folder, in.Name) }

// Named starts a file of another name, which must be unique in the folder.
func Named(folder *stage.Folder, name string) *File { return &File{folder: folder, name: name} }

func path(name string) string { return "rejected/" + name + ".ndjson" }

// Write appends lines in the form of the file.
func (f *File) Write(lines []byte) (n int, err error) {
	if f.file == nil {
		if f.file, err = durable.Create(f.folder.FS, f.folder.File(path(f.name))); err != nil {
			return 0, err
		}
		f.buf = bufio.NewWriterSize(f.file, 32<<10)
	}
	return f.buf.Write(lines)
}

// Line sets one line aside. A long one is kept as it is: quoted it could take
// twice its memory.
func (f *File) Line(p finding.Place, rule, reason string, line []byte) error {
	if len(line) > source.LongLine {
		kept, err := keepLine(f.folder, f.name, p.Line, line)
		if err != nil {
			return err
		}
		return f.Raw(p, rule, reason+": the line is kept in "+kept, kept)
	}
	f.line = finding.AppendRejected(f.line[:0], p, rule, reason, line)
	_, err := f.Write(f.line)
	return err
}

// Raw sets aside a line that CopyLong has kept under the name kept.
func (f *File) Raw(p finding.Place, rule, reason, kept string) error {
	f.raw = append(f.raw, kept)
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
	if err := f.buf.Flush(); err != nil {
		return "", err
	}
	f.buf = nil
	return path(f.name), f.file.Commit()
}

// Names are those of the files of an input that is committed, in the folder.
func (f *File) Names() []string {
	if f.file == nil {
		return nil
	}
	return append(slices.Clip(f.raw), path(f.name))
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
	kept, err = keep(folder, in.Name, lines.Number(), func(w io.Writer) (err error) {
		size, err = lines.CopyLong(w)
		if errors.As(err, new(*source.DamageError)) {
			return nil
		}
		return err
	})
	return size, kept, err
}

// KeepLine writes line n of the input into a file of its own, as it is, and
// returns the file's name in the folder.
func KeepLine(folder *stage.Folder, in *source.Input, n int64, line []byte) (kept string, err error) {
	return keepLine(folder, in.Name, n, line)
}

func keepLine(folder *stage.Folder, of string, n int64, line []byte) (kept string, err error) {
	return keep(folder, of, n, func(w io.Writer) error {
		_, err := w.Write(line)
		return err
	})
}

// keep writes a file for line n of what is called of.
func keep(folder *stage.Folder, of string, n int64, write func(io.Writer) error) (name string, err error) {
	name = fmt.Sprintf("rejected/%s.line-%d.raw", of, n)
	f, err := durable.Create(folder.FS, folder.File(name))
	if err != nil {
		return "", err
	}
	defer f.Abort()
	if err := write(f); err != nil {
		return "", err
	}
	return name, f.Commit()
}
