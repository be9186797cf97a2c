package source

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"runtime"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"export2batch/internal/inflate"
)

// ErrTooLong is returned by Next for a line of more than MaxLine bytes, which
// CopyLong must take before the next line is asked for.
var ErrTooLong = errors.New("line longer than 32 MiB")

// DamageError says that an input cannot be read to its end.
type DamageError struct {
	Reason string
	Err    error
}

func (e *DamageError) Error() string { return e.Reason }
func (e *DamageError) Unwrap() error { return e.Err }

// Lines reads the lines of an input. It is not safe for concurrent use.
type Lines struct {
	raw    *countedReader // the stored bytes
	closer io.Closer
	text   text // decompressed
	zst    *zstd.Decoder
	gzip   *gzipText                     // text, where it is that
	reopen func() (io.ReadCloser, error) // opens the stored bytes once more; nil where that cannot be
	again  io.Closer                     // what reopen gave
	rows   *parquetReader                // instead of text

	turns   chan struct{} // see Input
	hasTurn bool

	buf        []byte
	start, end int // what of buf is not yet delivered; before it stands inflate.Window of text that was
	number     int64
	long       bool  // the line at start goes on past buf
	err        error // what reading ended with
}

const (
	firstBuffer = 256 << 10
	maxBuffer   = MaxLine + firstBuffer
	maxWindow   = 128 << 20 // bytes of history zstd may ask for, as the zstd command allows
)

// text is where lines come from. Append adds to buf, into its free capacity; an
// error comes with what stands before it. What was added before is still there,
// as far back as inflate.Window.
type text interface {
	Append(buf []byte) ([]byte, error)
}

// readText takes text from a Reader.
type readText struct{ io.Reader }

func (r readText) Append(buf []byte) ([]byte, error) {
	n, err := r.Read(buf[len(buf):cap(buf)])
	return buf[:len(buf)+n], err
}

// Lines opens the input. Damage at its very start is reported by Next.
func (in *Input) Lines() (*Lines, error) { return in.lines(sha256.New()) }

// LinesOnly opens the input without reckoning its SHA-256, which takes longer
// than reading plain text: Sum then gives the size and no sum.
func (in *Input) LinesOnly() (*Lines, error) { return in.lines(nil) }

func (in *Input) lines(sum hash.Hash) (*Lines, error) {
	r, err := in.open()
	if err != nil {
		d := damage(err)
		if !errors.As(d, new(*DamageError)) {
			return nil, err
		}
		nothing := io.NopCloser(bytes.NewReader(nil))
		return &Lines{raw: &countedReader{r: nothing, sum: sum}, closer: nothing, err: d}, nil
	}
	if in.parquet != nil {
		return in.parquetLines(&countedReader{r: r, sum: sum}, r)
	}
	l := &Lines{raw: &countedReader{r: r, sum: sum}, closer: r, turns: in.turns, buf: make([]byte, firstBuffer)}
	if in.Size >= 0 || in.Member != "" {
		l.reopen = in.open
	}
	if in.Size < 0 && in.Kind == Text { // standard input, or a member without a known size: look only now
		head := make([]byte, sniffed)
		n, err := io.ReadFull(l.raw, head)
		text := io.MultiReader(bytes.NewReader(head[:n]), l.raw)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			text = io.MultiReader(bytes.NewReader(head[:n]), failedReader{err}) // Next reports it
		}
		l.decode(KindOf(head[:n]), text)
	} else {
		l.decode(in.Kind, l.raw)
	}
	return l, nil
}

func (l *Lines) decode(kind Kind, r io.Reader) {
	switch kind {
	case GzipData:
		stored, ok := r.(*countedReader)
		if !ok {
			stored = &countedReader{r: r}
		}
		gz, err := newGzipText(stored, 0)
		l.gzip = gz
		switch {
		case errors.Is(err, errNotGzip):
			l.err = &DamageError{Reason: "the gzip data is damaged at its start", Err: err}
			return
		case err != nil:
			l.err = damage(err)
			return
		}
		l.text = gz
	case ZstdData:
		dec, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			l.err = damage(err)
			return
		}
		l.text, l.zst = readText{dec}, dec
	case ZipArchive:
		l.err = &DamageError{Reason: "a zip archive cannot be read from here: give the file itself"}
	case ParquetFile:
		l.err = &DamageError{Reason: "Parquet cannot be read from here, only from a file: give the file itself"}
	default:
		l.text = readText{r}
	}
	if l.err == nil {
		for l.err == nil && l.end < len(bom) {
			l.fill()
		}
		if l.end >= len(bom) && bytes.Equal(l.buf[:len(bom)], bom) {
			l.start = len(bom)
		}
	}
}

// Next returns the next line without its newline; it is valid until the next
// call. Behind the last line it returns io.EOF. For an input that cannot be
// read to its end it returns a *DamageError, with the beginning of the line
// that was cut off, if there is one: Number counts that line too. With a
// *RowError, which only rows of Parquet files have, it returns what can be given
// of the row, and there may be more.
func (l *Lines) Next() ([]byte, error) {
	if l.rows != nil {
		return l.rows.next()
	}
	searched := l.start
	for {
		if i := bytes.IndexByte(l.buf[searched:l.end], '\n'); i >= 0 {
			if searched+i-l.start > MaxLine {
				l.number++
				l.long = true
				return nil, ErrTooLong
			}
			line := l.buf[l.start : searched+i]
			l.start = searched + i + 1
			l.number++
			return line, nil
		}
		searched = l.end
		if l.end-l.start > MaxLine {
			l.number++
			l.long = true
			return nil, ErrTooLong
		}
		if l.err != nil {
			rest := l.buf[l.start:l.end]
			l.start = l.end
			if len(rest) > 0 {
				l.number++
				if l.err == io.EOF {
					return rest, nil
				}
			}
			return rest, l.err
		}
		moved := l.start
		l.fill()
		searched -= moved - l.start
	}
}

// fill reads more text behind what is not yet delivered.
func (l *Lines) fill() {
	if l.end == len(l.buf) {
		kept := max(0, min(l.start, l.end-inflate.Window))
		text := l.buf[kept:l.end]
		if len(text) > len(l.buf)/2 && len(l.buf) < maxBuffer {
			l.grow()
		} else if len(text) <= firstBuffer/2 && len(l.buf) > LongLine {
			l.buf = make([]byte, firstBuffer)
			l.endTurn()
		}
		l.end = copy(l.buf, text)
		l.start -= kept
	}
	for l.err == nil {
		was := l.end
		buf, err := l.text.Append(l.buf[:l.end:len(l.buf)])
		l.end = len(buf)
		if err != nil {
			l.err = damage(err)
		}
		if l.end > was {
			return
		}
	}
}

// grow makes room for a longer line. Beyond LongLine it makes all the room
// there may be, so that no smaller ones lie about beside it.
func (l *Lines) grow() {
	size := min(2*len(l.buf), maxBuffer)
	if size > LongLine {
		size = maxBuffer
		if l.turns != nil && !l.hasTurn {
			l.turns <- struct{}{}
			l.hasTurn = true
		}
	}
	if size > LongLine {
		l.buf = nil
		runtime.GC() // what other long lines have left
	}
	l.buf = make([]byte, size)
}

func (l *Lines) endTurn() {
	if l.hasTurn {
		<-l.turns
		l.hasTurn = false
	}
}

// CopyLong writes the line that was too long to w, without its newline, and
// returns its length in bytes. A *DamageError means that it was cut off.
func (l *Lines) CopyLong(w io.Writer) (n int64, err error) {
	for l.long {
		chunk := l.buf[l.start:l.end]
		i := bytes.IndexByte(chunk, '\n')
		if i >= 0 {
			chunk = chunk[:i]
			l.long = false
		}
		m, err := w.Write(chunk)
		n += int64(m)
		if err != nil {
			return n, err
		}
		l.start += len(chunk)
		if i >= 0 {
			l.start++
			break
		}
		if l.err != nil {
			l.long = false
			if l.err == io.EOF {
				return n, nil
			}
			return n, l.err
		}
		l.fill()
	}
	return n, nil
}

// Peek returns the text that comes next, at least n bytes of it unless it ends
// before; it is valid until the next call.
func (l *Lines) Peek(n int) []byte {
	for l.end-l.start < n && l.err == nil {
		l.fill()
	}
	return l.buf[l.start:l.end]
}

// Read reads the text itself, from where Next has come to, for inputs that are
// no lines. Its errors are those of Next.
func (l *Lines) Read(p []byte) (int, error) {
	if l.start == l.end {
		if l.err != nil {
			return 0, l.err
		}
		if l.fill(); l.start == l.end {
			return 0, l.err
		}
	}
	n := copy(p, l.buf[l.start:l.end])
	l.start += n
	return n, nil
}

// Blank tells whether a line holds nothing but white space.
func Blank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// Number is the number of the line that Next returned last, from 1.
func (l *Lines) Number() int64 {
	if l.rows != nil {
		return l.rows.number()
	}
	return l.number
}

// Stored is how many bytes were read so far, as stored.
func (l *Lines) Stored() int64 {
	if l.rows != nil {
		return l.rows.stored()
	}
	return l.raw.n
}

// Sum reads what is left of the stored bytes and returns how many there are
// and their SHA-256, so that also a damaged input is named by its content.
func (l *Lines) Sum() (size int64, sum string, err error) {
	if _, err := io.Copy(io.Discard, l.raw); err != nil && !errors.As(damage(err), new(*DamageError)) {
		return 0, "", err
	}
	if l.raw.sum == nil {
		return l.raw.n, "", nil
	}
	return l.raw.n, hex.EncodeToString(l.raw.sum.Sum(nil)), nil
}

// Close releases the input.
func (l *Lines) Close() error {
	l.endTurn()
	if l.zst != nil {
		l.zst.Close()
	}
	if l.again != nil {
		l.again.Close() // it was only read
	}
	if l.rows != nil {
		return errors.Join(l.rows.Close(), l.closer.Close())
	}
	return l.closer.Close()
}

// damage tells damaged data from a device or file system that fails: those
// errors carry a path.
func damage(err error) error {
	var device *fs.PathError
	if err == io.EOF || errors.As(err, &device) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var corrupt flate.CorruptInputError
	reason := "the compressed data is damaged (" + err.Error() + ")"
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		reason = "the data is cut short"
	case errors.Is(err, errNotGzip):
		reason = "bytes that are not gzip stand behind the gzip data"
	case errors.Is(err, errGzipChecksum), errors.Is(err, zip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		reason = "the checksum does not match: events of this input may be damaged"
	case errors.As(err, &corrupt), errors.Is(err, inflate.ErrCorrupt):
		reason = "the compressed data is damaged"
	case errors.Is(err, zip.ErrAlgorithm):
		reason = "the archive packs this member in an unknown way"
	}
	return &DamageError{Reason: reason, Err: err}
}

type countedReader struct {
	r   io.Reader
	n   int64
	sum hash.Hash
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	return n, err
}

// failedReader stands for a reader whose error was met before its time.
type failedReader struct{ err error }

func (f failedReader) Read([]byte) (int, error) { return 0, f.err }
