package validate

import (
	"context"
	"io"
)

// interruptible is a reader that a cancelled context sets free, as a pipe that
// nobody writes to would hold it for ever. The read that was under way then
// goes on into a buffer that nobody else looks at.
type interruptible struct {
	ctx context.Context
	r   io.Reader

	answers chan answer
	rest    []byte
	err     error
}

type answer struct {
	text []byte
	err  error
}

const readAhead = 64 << 10 // bytes; a pipe gives no more at once

func (i *interruptible) Read(p []byte) (int, error) {
	if i.answers == nil {
		i.answers = make(chan answer)
		go i.pump()
	}
	for len(i.rest) == 0 {
		if i.err != nil {
			return 0, i.err
		}
		select {
		case a := <-i.answers:
			i.rest, i.err = a.text, a.err
		case <-i.ctx.Done():
			return 0, i.ctx.Err()
		}
	}
	n := copy(p, i.rest)
	i.rest = i.rest[n:]
	return n, nil
}

// pump reads until the end or the cancellation.
func (i *interruptible) pump() {
	for {
		buf := make([]byte, readAhead)
		n, err := i.r.Read(buf)
		select {
		case i.answers <- answer{buf[:n], err}:
			if err != nil {
				return
			}
		case <-i.ctx.Done():
			return
		}
	}
}
