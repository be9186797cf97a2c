package diff

import (
	"bufio"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// sorter puts records in order, in memory or, beyond most, in sorted runs that
// follow each other in one temporary file.
type sorter struct {
	create func() (*os.File, error)
	most   int

	mu      sync.Mutex
	records []record
	file    *os.File
	ends    []int64 // where each run ends
}

func newSorter(most int, create func() (*os.File, error)) *sorter {
	return &sorter{most: most, create: create}
}

// add takes records; it is safe for concurrent use.
func (s *sorter) add(records []record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(records) > 0 {
		n := min(len(records), s.most-len(s.records))
		s.records = append(s.records, records[:n]...)
		records = records[n:]
		if len(s.records) == s.most {
			if err := s.spill(); err != nil {
				return fmt.Errorf("write records to a temporary file: %w", err)
			}
		}
	}
	return nil
}

func (s *sorter) spill() error {
	slices.SortFunc(s.records, compareRecords)
	var end int64
	if s.file == nil {
		f, err := s.create()
		if err != nil {
			return err
		}
		s.file = f
	} else {
		end = s.ends[len(s.ends)-1]
	}
	out := bufio.NewWriterSize(s.file, 1<<20)
	var buf []byte
	for i := range s.records {
		buf = s.records[i].append(buf[:0])
		if _, err := out.Write(buf); err != nil {
			return err
		}
	}
	s.ends = append(s.ends, end+recordSize*int64(len(s.records)))
	s.records = s.records[:0]
	return out.Flush()
}

// all gives every record, in order, to visit. Nothing can be added after it.
func (s *sorter) all(visit func(record) error) error {
	slices.SortFunc(s.records, compareRecords)
	runs := runHeap{{memory: s.records}}
	var start int64
	for _, end := range s.ends {
		runs = append(runs, &run{file: bufio.NewReaderSize(io.NewSectionReader(s.file, start, end-start), 64<<10)})
		start = end
	}
	runs = slices.DeleteFunc(runs, func(r *run) bool { return !r.next() })
	heap.Init(&runs)
	for len(runs) > 0 {
		r := runs[0]
		if r.err != nil {
			return fmt.Errorf("read records from a temporary file: %w", r.err)
		}
		if err := visit(r.head); err != nil {
			return err
		}
		if r.next() {
			heap.Fix(&runs, 0)
		} else {
			heap.Pop(&runs)
		}
	}
	return nil
}

func (s *sorter) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// run is a sorted run with its first record taken off.
type run struct {
	head   record
	err    error // stands in for head
	memory []record
	file   *bufio.Reader
}

// next takes the next record and tells whether there is one, or an error.
func (r *run) next() bool {
	if r.file == nil {
		if len(r.memory) == 0 {
			return false
		}
		r.head, r.memory = r.memory[0], r.memory[1:]
		return true
	}
	var b [recordSize]byte
	if _, err := io.ReadFull(r.file, b[:]); err != nil {
		r.err = err
		return !errors.Is(err, io.EOF)
	}
	r.head.decode(b[:])
	return true
}

// runHeap has the run with the smallest head first, failed runs before it.
type runHeap []*run

func (h runHeap) Len() int { return len(h) }
func (h runHeap) Less(i, j int) bool {
	if (h[i].err != nil) != (h[j].err != nil) {
		return h[i].err != nil
	}
	return compareRecords(h[i].head, h[j].head) < 0
}
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)   { *h = append(*h, x.(*run)) }
func (h *runHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	*h = (*h)[:last]
	return r
}
