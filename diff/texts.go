package diff

import (
	"fmt"
	"os"
)

// textStore keeps lines: up to most bytes in memory, the others in a file.
type textStore struct {
	create func() (*os.File, error)
	most   int64
	memory []byte
	file   *os.File
	size   int64 // of the file
}

// textMemory is how many bytes of events a comparison holds.
const textMemory = 64 << 20

// textSpan is where a line stands; what is in the file begins at most.
type textSpan struct {
	offset int64
	length int
}

func (s *textStore) put(line []byte) (textSpan, error) {
	if s.file == nil && int64(len(s.memory)+len(line)) <= s.most {
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
	return textSpan{s.most + s.size - int64(len(line)), len(line)}, nil
}

// get returns a line; it is the caller's to read, until close.
func (s *textStore) get(at textSpan) ([]byte, error) {
	if at.offset < s.most {
		return s.memory[at.offset:][:at.length], nil
	}
	line := make([]byte, at.length)
	if _, err := s.file.ReadAt(line, at.offset-s.most); err != nil {
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
