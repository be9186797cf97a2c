package report

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"export2batch/internal/durable"
	"export2batch/internal/finding"
)

// FormatOf tells the format of a report from the name of its file: .sarif,
// .xml (JUnit), .json, .ndjson and .jsonl (JSON), else text.
func FormatOf(path string) Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".sarif":
		return SARIF
	case ".xml":
		return JUnit
	case ".json", ".ndjson", ".jsonl":
		if strings.HasSuffix(strings.ToLower(path), ".sarif.json") {
			return SARIF
		}
		return JSON
	}
	return Text
}

// File is a report with all findings in a file, which appears under its name
// when it is whole. Close or Abort must be called; Abort after Close does
// nothing.
type File struct {
	Reporter
	buf  *bufio.Writer
	file *durable.File
}

// Create starts the report file path, in the format that its name says. It
// takes the place of a file, but not of a link or a device.
func Create(path string, o Options) (*File, error) {
	if path == "" {
		return nil, errors.New("a report has no name")
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file that a report could take the place of", path)
	}
	f, err := durable.Create(durable.OS, path)
	if err != nil {
		return nil, err
	}
	o.Most = 0
	r := &File{buf: bufio.NewWriterSize(f, 64<<10), file: f}
	if r.Reporter, err = New(FormatOf(path), r.buf, o); err != nil {
		f.Abort()
		return nil, err
	}
	return r, nil
}

// Close ends the report and makes it durable.
func (f *File) Close(t Total) error {
	if err := f.Reporter.Close(t); err != nil {
		return err
	}
	if err := f.buf.Flush(); err != nil {
		return err
	}
	return f.file.Commit()
}

// Abort removes what was written.
func (f *File) Abort() { f.file.Abort() }

// All gives every finding to several reports.
type All []Reporter

// Add gives f to all of them.
func (a All) Add(f finding.Finding) error {
	for _, r := range a {
		if err := r.Add(f); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all of them.
func (a All) Close(t Total) error {
	for _, r := range a {
		if err := r.Close(t); err != nil {
			return err
		}
	}
	return nil
}
