package source

import (
	"bytes"

	"export2batch/internal/inflate"
)

// Take gives the whole lines that come next, with their newlines, at most most
// of them and some 256 KiB. Ends, which must be empty, gets the offset in text of
// each line's newline. Text is the caller's to keep: spare, whose content is
// lost, is read into from now on. So lines get from the input to where they are
// worked on without being copied.
//
// Where Take gives no line, text is spare, and Next says what there is: a line
// that is long, or the last one without a newline, a row of a Parquet file,
// damage, or the end.
func (l *Lines) Take(spare []byte, ends []int, most int) (text []byte, _ []int) {
	if l.rows != nil || l.long {
		return spare[:0], ends
	}
	for l.err == nil && l.end-l.start < firstBuffer/2 {
		l.fill()
	}
	first, stop := l.start, l.start // of the lines that are given
	for len(ends) < most && stop-first < firstBuffer {
		i := bytes.IndexByte(l.buf[stop:l.end], '\n')
		if i < 0 || i > MaxLine {
			break
		}
		stop += i + 1
		ends = append(ends, stop-1-first)
	}
	if stop == first {
		return spare[:0], ends
	}
	l.number += int64(len(ends))
	kept := stop // where what the Lines keep begins
	if l.gzip != nil {
		kept = max(0, min(stop, l.end-inflate.Window))
	}
	if rest := l.end - kept; rest > stop-first || rest > firstBuffer/2 {
		l.start = stop // the rest is more to copy than the lines are
		return append(spare[:0], l.buf[first:stop]...), ends
	}
	if cap(spare) < firstBuffer {
		spare = make([]byte, firstBuffer)
	}
	text, spare = l.buf[first:stop], spare[:firstBuffer:firstBuffer]
	l.start, l.end = stop-kept, copy(spare, l.buf[kept:l.end])
	l.buf = spare
	return text, ends
}
