package durable

import (
	"io"
	"os"
	"path/filepath"
)

// FS is the part of the operating system that stages write through. Tests
// replace it to fail one operation after the other.
type FS interface {
	// OpenFile opens path as os.OpenFile does.
	OpenFile(path string, flag int, perm os.FileMode) (Handle, error)
	Rename(from, to string) error
	Remove(path string) error
	// MkdirAll makes the missing folders of path and their names durable.
	MkdirAll(path string, perm os.FileMode) error
	// SyncDir makes the names in a folder durable.
	SyncDir(path string) error
}

// Handle is an open file.
type Handle interface {
	io.ReadWriteCloser
	io.Seeker
	Sync() error
	Truncate(size int64) error
}

// OS is the real file system.
var OS FS = osFS{}

type osFS struct{}

func (osFS) OpenFile(path string, flag int, perm os.FileMode) (Handle, error) {
	f, err := os.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err // a nil *os.File must not become a non-nil Handle
	}
	return f, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(path string) error     { return os.Remove(path) }

func (o osFS) MkdirAll(path string, perm os.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := o.MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, perm); err != nil {
		if info, serr := os.Stat(path); serr == nil && info.IsDir() {
			return nil // another goroutine was faster
		}
		return err
	}
	return o.SyncDir(parent)
}

func (osFS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		d.Close()
		return err
	}
	return d.Close()
}
