package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// recorded is the operating system, with the folders below root that are synced.
func recorded(root string) (fsys *osFS, synced func() []string) {
	var list []string
	fsys = &osFS{sync: func(dir string) error {
		if rel, err := filepath.Rel(root, dir); err == nil && filepath.IsLocal(rel) {
			list = append(list, filepath.ToSlash(rel))
		}
		return nil
	}}
	return fsys, func() []string {
		defer func() { list = nil }()
		return list
	}
}

// The name of a folder is made durable once, whoever has made the folder.
func TestMkdirAllSyncsNames(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "there", "too"), 0o777); err != nil { // by a process that was killed
		t.Fatal(err)
	}
	fsys, synced := recorded(root)
	for _, tt := range []struct {
		path string
		want []string
	}{
		{"there/too", []string{".", "there"}},
		{"there/too", nil},
		{"there/new/newer", []string{"there", "there/new"}},
		{"there/new/newer", nil},
		{"there/new/last", []string{"there/new"}},
	} {
		if err := fsys.MkdirAll(filepath.Join(root, filepath.FromSlash(tt.path)), 0o777); err != nil {
			t.Fatal(err)
		}
		if got := synced(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: synced %q, want %q", tt.path, got, tt.want)
		}
	}
	for range 2 { // removed and made by others
		last := filepath.Join(root, "there", "new", "last")
		if err := errors.Join(fsys.Remove(last), os.Mkdir(last, 0o777), fsys.MkdirAll(last, 0o777)); err != nil {
			t.Fatal(err)
		}
		if got := synced(); !slices.Equal(got, []string{"there/new"}) {
			t.Errorf("made again: synced %q", got)
		}
	}
}

// Whoever returns from MkdirAll may rely on the name, also where another
// goroutine made the folder and is still syncing it.
func TestMkdirAllDoesNotRelyOnOthers(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "new")
	syncs := 0
	var fsys *osFS
	fsys = &osFS{sync: func(dir string) error {
		if dir != root {
			return nil
		}
		if syncs++; syncs == 1 { // the other one comes now
			if err := fsys.MkdirAll(path, 0o777); err != nil || syncs != 2 {
				t.Errorf("%d syncs, %v", syncs, err)
			}
		}
		return nil
	}}
	if err := fsys.MkdirAll(path, 0o777); err != nil {
		t.Error(err)
	}
}

// Folders of others that cannot be synced hinder nobody; a sync that fails does.
func TestMkdirAllBelowFoldersOfOthers(t *testing.T) {
	for _, tt := range []struct {
		err     error
		hinders bool
	}{{fs.ErrPermission, false}, {syscall.EINVAL, false}, {syscall.EIO, true}} {
		fsys := &osFS{sync: func(dir string) error { return fmt.Errorf("sync %s: %w", dir, tt.err) }}
		root := t.TempDir()
		if err := fsys.MkdirAll(root, 0o777); tt.hinders != errors.Is(err, tt.err) || err != nil && !tt.hinders {
			t.Errorf("%v: a folder that is there: %v", tt.err, err)
		}
		if err := fsys.MkdirAll(filepath.Join(root, "new"), 0o777); !errors.Is(err, tt.err) {
			t.Errorf("%v: a new folder: %v", tt.err, err)
		}
	}
}
