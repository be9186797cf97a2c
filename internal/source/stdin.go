package source

import (
	"context"
	"io"
)

// Interruptible gives a reader that the end of ctx sets free, as a pipe that
// nobody writes to would hold it for ever. The read of r that was under way then
// goes on into a buffer that nobody else looks at. Nil gives nil.
func Interruptible(ctx context.Context, r io.Reader) io.Reader {
	if r == nil {
		return nil
	}
	return &interruptible{ctx: ctx, r: r}
}

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

// pump reads until the end or the cancellation. An answer is taken only when the
// one before is used up, so two buffers do.
func (i *interruptible) pump() {
	var bufs [2][readAhead]byte
	for turn := 0; ; turn ^= 1 {
		buf := bufs[turn][:]
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
