package diff

import (
	"fmt"
	"os"
)

// textStore keeps lines: in memory, and behind textMemory bytes in a file.
type textStore struct {
	create func() (*os.File, error)
	memory []byte
	file   *os.File
	size   int64 // of the file
}

const textMemory = 64 << 20

// textSpan is where a line stands; file offsets are behind textMemory.
type textSpan struct {
	offset int64
	length int
}

func (s *textStore) put(line []byte) (textSpan, error) {
	if s.file == nil && len(s.memory)+len(line) <= textMemory {
		s.memory = append(s.memory, line...)
		return textSpan{int64(len(s.memory) - len(line)), len(line)}, nil
	}
	if s.file == nil {
		f, err := s.create()
		if err != nil {
			return textSpan{}, err
		}
		s.file = f
	}
	if _, err := s.file.Write(line); err != nil {
		return textSpan{}, fmt.Errorf("write events to a temporary file: %w", err)
	}
	s.size += int64(len(line))
	return textSpan{textMemory + s.size - int64(len(line)), len(line)}, nil
}

// get returns a line; it is the caller's to read, until close.
func (s *textStore) get(at textSpan) ([]byte, error) {
	if at.offset < textMemory {
		return s.memory[at.offset:][:at.length], nil
	}
	line := make([]byte, at.length)
	if _, err := s.file.ReadAt(line, at.offset-textMemory); err != nil {
		return nil, fmt.Errorf("read events from a temporary file: %w", err)
	}
	return line, nil
}

func (s *textStore) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
