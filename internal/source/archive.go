package source

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"export2batch/internal/finding"
)

// archive adds the members of a zip file. Members are read in place, never
// extracted, so a name that points out of the archive can do no harm; it is a
// finding all the same.
func (e *expander) archive(file, rel string, info fs.FileInfo) error {
	members, err := listArchive(file)
	if err != nil {
		return err
	}
	if members.damage != "" {
		e.find(finding.Place{File: file}, "damaged-archive", members.damage)
	}
	slices.SortFunc(members.list, func(a, b member) int { return naturalCompare(a.name, b.name) })
	base := strings.TrimSuffix(rel, path.Ext(rel))
	for _, m := range members.list {
		place := finding.Place{File: file, Member: m.name}
		if hidden(m.name) {
			e.hidden(place, m.name)
			continue
		}
		kind, err := sniff(m.open)
		switch {
		case err != nil:
			// Reading it will say so again, with the events before the damage kept.
			if kind == Unknown || kind == Empty {
				kind = Text
			}
		case kind == ZipArchive:
			e.find(place, "nested-archive", "an archive inside an archive is not read: extract it first")
			continue
		case kind == ParquetFile:
			e.find(place, "parquet", "a Parquet file inside an archive is not read: extract it first")
			continue
		case kind == Empty && compressed(m.name):
			e.find(place, "empty-file", emptyMessage)
			continue
		case kind == Unknown && !looksLikeData(m.name), kind == Empty && !looksLikeData(m.name):
			e.set.Ignored++
			continue
		case kind == Unknown, kind == Empty:
			kind = Text
		}
		if unsafeMember(m.name) {
			e.find(place, "unsafe-path", "the member's name points out of the archive; it is read, and written under a name inside the output folder")
		}
		e.set.Inputs = append(e.set.Inputs, Input{
			File: file, Member: m.name, Name: e.names.take(base, m.name), Kind: kind,
			Size: m.size, ModTime: info.ModTime(), open: m.open,
		})
	}
	return nil
}

// member is one entry of an archive.
type member struct {
	name string
	size int64 // uncompressed by the archive; -1 unknown
	open func() (io.ReadCloser, error)
}

type memberList struct {
	list   []member
	damage string // why the archive is not whole
}

// listArchive reads the directory of a zip file, or finds the members one by
// one where the directory is missing.
func listArchive(file string) (memberList, error) {
	a := &archiveFile{path: file}
	if err := a.acquire(); err != nil {
		return memberList{}, err
	}
	defer a.release()
	info, err := a.file.Stat()
	if err != nil {
		return memberList{}, err
	}
	r, err := zip.NewReader(a, info.Size())
	if errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) {
		return salvage(a, info.Size())
	}
	if err != nil {
		return memberList{}, fmt.Errorf("%s: %w", file, err)
	}
	var found memberList
	for _, f := range r.File {
		if f.FileInfo().IsDir() {
			continue
		}
		found.list = append(found.list, member{
			name: f.Name, size: int64(f.UncompressedSize64),
			open: func() (io.ReadCloser, error) { return a.open(f.Open) },
		})
	}
	return found, nil
}

// archiveFile is a zip file that is open only while one of its members is
// read, so that thousands of archives do not use up the file handles, and
// whose directory is read only once. Members can be read side by side.
type archiveFile struct {
	path string

	mu    sync.Mutex
	users int
	file  *os.File
}

func (a *archiveFile) acquire() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users == 0 {
		f, err := os.Open(a.path)
		if err != nil {
			return err
		}
		a.file = f
	}
	a.users++
	return nil
}

func (a *archiveFile) release() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users--; a.users > 0 {
		return nil
	}
	return a.file.Close()
}

// ReadAt reads from the file, which must be acquired.
func (a *archiveFile) ReadAt(p []byte, off int64) (int, error) { return a.file.ReadAt(p, off) }

// open opens a member and keeps the archive open until that is closed.
func (a *archiveFile) open(member func() (io.ReadCloser, error)) (io.ReadCloser, error) {
	if err := a.acquire(); err != nil {
		return nil, err
	}
	m, err := member()
	if err != nil {
		a.release()
		return nil, err
	}
	return &memberReader{m, a}, nil
}

type memberReader struct {
	io.ReadCloser
	archive *archiveFile
}

func (m *memberReader) Close() error {
	m.ReadCloser.Close() // only repeats the damage that Read has reported
	return m.archive.release()
}

// hidden tells whether a path is one that people do not see.
func hidden(name string) bool {
	for part := range strings.SplitSeq(strings.ReplaceAll(name, `\`, "/"), "/") {
		if part == "__MACOSX" || len(part) > 1 && part[0] == '.' && strings.Trim(part, ".") != "" {
			return true
		}
	}
	return false
}
