package faultfs

import (
	"io"
	"os"
)

// handle is an open file of an FS.
type handle struct {
	fs   *FS
	file *os.File
	node *node
}

func (h *handle) Read(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.begin("read", h.file.Name()); err != nil {
		return 0, err
	}
	return h.file.Read(p)
}

func (h *handle) Write(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	wasDead := h.fs.dead
	if err := h.fs.begin("write", h.file.Name()); err != nil {
		if wasDead {
			return 0, err
		}
		n, werr := h.file.Write(p[:len(p)/2])
		if werr != nil {
			return n, werr
		}
		return n, err
	}
	return h.file.Write(p)
}

func (h *handle) Seek(offset int64, whence int) (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.begin("seek", h.file.Name()); err != nil {
		return 0, err
	}
	return h.file.Seek(offset, whence)
}

// Sync keeps the content of the file for the life after a crash.
func (h *handle) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.begin("sync", h.file.Name()); err != nil {
		return err
	}
	content, err := readAll(h.file, h.node.path)
	if err != nil {
		return err
	}
	h.node.synced = content
	return nil
}

// readAll reads a whole file, which may be open for writing only and may have
// been renamed, without moving its offset.
func readAll(f *os.File, path string) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	content := make([]byte, info.Size())
	if _, err := f.ReadAt(content, 0); err == nil || err == io.EOF {
		return content, nil
	}
	return os.ReadFile(path)
}

func (h *handle) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.begin("truncate", h.file.Name()); err != nil {
		return err
	}
	return h.file.Truncate(size)
}

func (h *handle) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	err := h.fs.begin("close", h.file.Name())
	if cerr := h.file.Close(); cerr != nil {
		return cerr
	}
	return err
}
