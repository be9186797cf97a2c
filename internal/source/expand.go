package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"export2batch/internal/finding"
	"export2batch/internal/stage"
)

// Set is what a list of arguments means.
type Set struct {
	Inputs   []Input
	Findings []finding.Finding // files and members that cannot be inputs
	Ignored  int               // files of a folder that are hidden, or no data by name and content
	Folders  []string          // stage folders among the arguments
}

// Options say how arguments are read.
type Options struct {
	Stdin io.Reader // what "-" means; nil: not allowed
	// Stages names the stage folders that may be given, by their stage. Others
	// are refused. In a stage folder only the files of its manifest are inputs.
	Stages []string
	// Changed reads a stage folder whose manifest is damaged, or does not fit its
	// files, as far as it can be: each fault is a finding.
	Changed bool
	// Except is a folder that is not read though it lies in one that is: the
	// one that is written to.
	Except string
	// Parquet says how Parquet files are read; nil: each is a finding.
	Parquet *ParquetOptions
	// LongLines is how many of the inputs may hold a line over LongLine at once;
	// readers of others wait. 0: all. It bounds memory where each line is done
	// with before the next, and no reader waits for another.
	LongLines int
}

// Expand finds the inputs that args name, in the order of args; within a
// folder or an archive in natural order of their paths (hour 2 before hour
// 10), so that the order does not depend on how the files were delivered.
// An argument that cannot be read at all is an error.
func Expand(args []string, o Options) (*Set, error) {
	e := expander{o: o, names: names{}}
	for _, arg := range args {
		if err := e.argument(arg); err != nil {
			return nil, err
		}
	}
	if c := e.unusedColumn(); c != "" {
		return nil, fmt.Errorf("--columns names %q, but no Parquet file that can be read has such a column", c)
	}
	if len(e.set.Inputs) == 0 && len(e.set.Findings) == 0 && !e.stage {
		return nil, fmt.Errorf("nothing to read in %s: no zip, gzip, zstd, Parquet or JSON files%s", strings.Join(args, ", "), ignoredHint(e.set.Ignored))
	}
	if o.LongLines > 0 {
		turns := make(chan struct{}, o.LongLines)
		for i := range e.set.Inputs {
			e.set.Inputs[i].turns = turns
		}
	}
	return &e.set, nil
}

func ignoredHint(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d other files)", n)
}

type expander struct {
	o     Options
	names names
	set   Set
	stage bool // a stage folder was given: it may hold no events at all
	stdin bool // it was given

	columns parquetSet
}

func (e *expander) argument(arg string) error {
	if arg == "-" {
		if e.o.Stdin == nil {
			return errors.New("standard input cannot be read here")
		}
		if e.stdin {
			return errors.New("standard input is given twice")
		}
		e.stdin = true
		in := stdinInput(e.o.Stdin)
		in.Name = e.names.take(in.Name)
		e.set.Inputs = append(e.set.Inputs, in)
		return nil
	}
	info, err := os.Stat(arg)
	if errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?[") {
		return e.pattern(arg)
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		return e.folder(arg)
	}
	if !info.Mode().IsRegular() { // a pipe: looking what it holds would take it away
		return fmt.Errorf("%s is not a regular file: give - and redirect it to standard input", arg)
	}
	return e.file(arg, filepath.Base(arg), info, true)
}

// isNoData is the error for a file that the user named and that is no input.
func isNoData(path string) error {
	return fmt.Errorf("%s: neither zip, gzip, zstd, Parquet nor JSON", path)
}

func (e *expander) pattern(pattern string) error {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("%s: %w", pattern, err)
	}
	if len(matches) == 0 {
		return fmt.Errorf("no file matches %s", pattern)
	}
	slices.SortFunc(matches, naturalCompare)
	for _, m := range matches {
		if err := e.argument(m); err != nil {
			return err
		}
	}
	return nil
}

func (e *expander) folder(dir string) error {
	m, err := stage.Load(dir)
	if err == nil {
		return e.stageFolder(dir, m)
	}
	if !errors.Is(err, stage.ErrNotStage) {
		return err
	}
	damaged := damagedManifest(dir)
	if path := filepath.Join(dir, stage.ManifestName); damaged && e.o.Changed {
		e.find(finding.Place{File: path}, ruleManifest, "is damaged: the event files are read without their checksums and counts")
	} else if damaged {
		return fmt.Errorf("%s is damaged: make the folder anew, or give the files in it that are meant", path)
	}
	type found struct {
		path, rel string
		info      fs.FileInfo
	}
	var files []found
	except, _ := os.Stat(e.o.Except)         // what is not there yet is not met either
	root := dir + string(filepath.Separator) // dir itself may be a link
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			info, err := d.Info()
			if err == nil && except != nil && os.SameFile(info, except) {
				return fs.SkipDir
			}
			if err == nil && path != root && hidden(d.Name()) {
				e.set.Ignored++ // as a whole: it may be a snapshot of everything
				return fs.SkipDir
			}
			return err
		}
		if hidden(d.Name()) {
			e.hidden(finding.Place{File: path}, d.Name())
			return nil
		}
		info, err := os.Stat(path) // a link to a file is read as the file
		if err != nil {
			return err
		}
		if info.IsDir() {
			e.find(finding.Place{File: path}, "linked-folder", "a link to a folder is not followed: give the folder itself")
			return nil
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files = append(files, found{path, filepath.ToSlash(rel), info})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b found) int { return naturalCompare(a.rel, b.rel) })
	for _, f := range files {
		if damaged && !hasEvents(f.rel) {
			continue
		}
		if err := e.file(f.path, f.rel, f.info, looksLikeData(f.rel)); err != nil {
			return err
		}
	}
	return nil
}

func (e *expander) stageFolder(dir string, m *stage.Manifest) error {
	if !slices.Contains(e.o.Stages, m.Stage) {
		return fmt.Errorf("%s is the result of %s, which this command does not read", dir, m.Stage)
	}
	e.stage = true
	e.set.Folders = append(e.set.Folders, dir)
	for _, f := range m.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		info, err := os.Stat(path)
		if e.o.Changed && errors.Is(err, fs.ErrNotExist) {
			e.find(finding.Place{File: path}, ruleManifest, "is not there, though manifest.json names it")
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: manifest.json names a file that cannot be read: %w", dir, err)
		}
		if info.Size() != f.Bytes && !e.o.Changed { // else its checksum tells
			return fmt.Errorf("%s has %d bytes where manifest.json says %d: the folder was changed", path, info.Size(), f.Bytes)
		}
		in := fileInput(path, info, Unknown)
		if in.Kind, err = sniff(in.open); err != nil {
			return err
		}
		in.Name, in.SHA256, in.Events = e.names.take(f.Name), f.SHA256, f.Events
		e.set.Inputs = append(e.set.Inputs, in)
	}
	if e.o.Changed {
		return e.unlisted(dir, m)
	}
	return nil
}

// file adds one file. Meant tells that the user named it, or that its name is
// one of data: then it is an input, a finding or an error, never left out.
func (e *expander) file(path, rel string, info fs.FileInfo, meant bool) error {
	in := fileInput(path, info, Unknown)
	kind, err := sniff(in.open)
	if err != nil {
		return err
	}
	in.Kind = kind
	switch {
	case kind == Empty && meant && compressed(rel):
		e.find(finding.Place{File: path}, "empty-file", emptyMessage)
		return nil
	case kind == ZipArchive:
		return e.archive(path, rel, info)
	case kind == ParquetFile, kind == Unknown && strings.HasSuffix(strings.ToLower(rel), ".parquet"):
		return e.parquet(path, rel, info)
	case kind == Unknown && looksLikeData(rel), kind == Empty && meant:
		in.Kind = Text
	case kind == Unknown && meant:
		return isNoData(path)
	case kind == Unknown, kind == Empty:
		e.set.Ignored++
		return nil
	}
	in.Name = e.names.take(rel)
	e.set.Inputs = append(e.set.Inputs, in)
	return nil
}

// hidden leaves a file out whose name hides it. One that is data by its name is
// a finding, but for what macOS puts beside each file.
func (e *expander) hidden(p finding.Place, name string) {
	if looksLikeData(name) && !strings.Contains(name, "__MACOSX") && !strings.HasPrefix(path.Base(name), "._") {
		e.find(p, "hidden-file", "a name that begins with a dot hides the file, and it is not read: rename it if it is data")
		return
	}
	e.set.Ignored++
}

func (e *expander) find(p finding.Place, rule, message string) {
	e.set.Findings = append(e.set.Findings, finding.Finding{Place: p, Rule: rule, Severity: finding.Error, Message: message})
}
