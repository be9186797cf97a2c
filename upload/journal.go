package upload

import (
	"fmt"
	"sync"

	"export2batch/internal/durable"
)

// journal appends records durably. Its one goroutine writes and syncs what all
// partitions added meanwhile as one commit. It is safe for concurrent use.
type journal struct {
	file   durable.Handle
	offset int64 // of the next commit

	mu      sync.Mutex
	pending []byte // room for the head, then records
	next    *commit
	err     error // the first failure; nothing is written after it

	wake chan struct{} // holds one: there is something pending
	done chan struct{} // closed by the goroutine
}

// commit is one sync of the journal, to wait for.
type commit struct {
	done chan struct{}
	err  error
}

// wait returns when everything of the commit, and all before it, is on disk.
func (c *commit) wait() error {
	<-c.done
	return c.err
}

// startJournal appends to file, which stands at offset.
func startJournal(file durable.Handle, offset int64) *journal {
	j := &journal{file: file, offset: offset, wake: make(chan struct{}, 1), done: make(chan struct{})}
	j.reset(nil)
	go j.write()
	return j
}

// add queues records, which stay together and in order.
func (j *journal) add(list ...record) *commit {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range list {
		j.pending = appendRecord(j.pending, r)
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return j.next
}

// close writes what is pending, and closes the file. Nothing is added after it.
func (j *journal) close() error {
	close(j.wake)
	<-j.done
	err := j.err
	if cerr := j.file.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close the journal: %w", cerr)
	}
	return err
}

func (j *journal) write() {
	defer close(j.done)
	var buf []byte
	for open := true; open; {
		_, open = <-j.wake
		j.mu.Lock()
		full, c := j.pending, j.next
		if len(full) == commitHead {
			j.mu.Unlock()
			continue
		}
		j.reset(buf)
		buf = full
		err := j.err
		j.mu.Unlock()

		if err == nil {
			if err = j.commit(full); err != nil {
				j.mu.Lock()
				j.err = err
				j.mu.Unlock()
			}
		}
		c.err = err
		close(c.done)
	}
}

// reset starts the next commit in buf.
func (j *journal) reset(buf []byte) {
	if cap(buf) > 1<<20 {
		buf = nil
	}
	j.pending = append(buf[:0], make([]byte, commitHead)...)
	j.next = &commit{done: make(chan struct{})}
}

func (j *journal) commit(full []byte) error {
	sealCommit(full, j.offset)
	if _, err := j.file.Write(full); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	// A sync that failed must not be tried again: the kernel may have dropped
	// what it could not write.
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync the journal: %w", err)
	}
	j.offset += int64(len(full))
	return nil
}
