package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
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
var OS FS = &osFS{sync: syncDir}

type osFS struct {
	sync func(dir string) error // makes the names in dir durable
	// named has the folders whose own names are known to be durable, since this
	// process has seen to it.
	named sync.Map
}

func (*osFS) OpenFile(path string, flag int, perm os.FileMode) (Handle, error) {
	f, err := os.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err // a nil *os.File must not become a non-nil Handle
	}
	return f, nil
}

func (*osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (o *osFS) Remove(path string) error {
	o.named.Delete(path)
	return os.Remove(path)
}

// MkdirAll does not trust a folder that is there to stay: another goroutine can
// be about to sync its name, or a killed process was.
func (o *osFS) MkdirAll(path string, perm os.FileMode) error {
	there := isDir(path)
	if there {
		if _, ok := o.named.Load(path); ok {
			return nil
		}
	}
	parent := filepath.Dir(path)
	if parent == path && there {
		return nil
	}
	if parent != path {
		if err := o.MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if !there {
		if err := os.Mkdir(path, perm); err != nil && !isDir(path) { // else another goroutine was faster
			return err
		}
	}
	// Above what is ours stand folders of others, which may refuse.
	if err := o.sync(parent); err != nil && !(there && refused(err)) {
		return err
	}
	o.named.Store(path, nil)
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// refused tells that a folder cannot be synced at all, not that it failed.
func refused(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) ||
		errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EROFS)
}

func (o *osFS) SyncDir(path string) error { return o.sync(path) }

func syncDir(path string) error {
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
