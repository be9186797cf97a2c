package validate

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// spill is a file for the sightings that do not fit into memory: runs of one
// part each, 32 bytes a sighting. Where an open file can be removed, as on Unix,
// nothing of it outlives the process, however that ends.
type spill struct {
	file    *os.File
	removed bool
	at      int64
	runs    [repeatParts][]segment
	buf     []byte
}

type segment struct{ at, n int64 } // offset, sightings

func newSpill() (*spill, error) {
	f, err := os.CreateTemp("", "export2batch-insert-ids-*")
	if err != nil {
		return nil, err
	}
	return &spill{file: f, removed: os.Remove(f.Name()) == nil}, nil
}

func (s *spill) write(part int, blocks [][]sighting) error {
	buf := s.buf[:0]
	n := int64(0)
	for _, b := range blocks {
		for _, v := range b {
			buf = binary.LittleEndian.AppendUint64(buf, v.id)
			buf = binary.LittleEndian.AppendUint64(buf, v.content)
			buf = binary.LittleEndian.AppendUint32(buf, v.device)
			buf = binary.LittleEndian.AppendUint32(buf, v.input)
			buf = binary.LittleEndian.AppendUint64(buf, v.place)
		}
		n += int64(len(b))
	}
	s.buf = buf
	if n == 0 {
		return nil
	}
	if _, err := s.file.WriteAt(buf, s.at); err != nil {
		return err
	}
	s.runs[part] = append(s.runs[part], segment{s.at, n})
	s.at += int64(len(buf))
	return nil
}

// read appends the sightings of a part, in the order they were written.
func (s *spill) read(part int, list []sighting) ([]sighting, error) {
	for _, r := range s.runs[part] {
		buf := make([]byte, r.n*sightingBytes)
		if n, err := s.file.ReadAt(buf, r.at); n < len(buf) {
			return nil, errors.Join(err, io.ErrUnexpectedEOF)
		}
		for ; len(buf) > 0; buf = buf[sightingBytes:] {
			list = append(list, sighting{
				id: binary.LittleEndian.Uint64(buf), content: binary.LittleEndian.Uint64(buf[8:]),
				device: binary.LittleEndian.Uint32(buf[16:]), input: binary.LittleEndian.Uint32(buf[20:]),
				place: binary.LittleEndian.Uint64(buf[24:]),
			})
		}
	}
	return list, nil
}

func (s *spill) close() {
	// The file is of no use any more: what fails here changes nothing.
	s.file.Close()
	if !s.removed {
		os.Remove(s.file.Name())
	}
}
