// Package source turns what users name on the command line — files, folders,
// patterns, archives, standard input, stage folders — into inputs, and inputs
// into lines.
//
// What a file is, is told by its first bytes, never by its name: a zip
// archive, gzip (also several members in a row), zstd, Parquet, or text. A row
// of a Parquet file is a line as well (see package parquet). Lines are
// numbered from 1 in the decompressed text. A line may be up to MaxLine bytes
// long; a longer one can be streamed aside. Damage ends an input, and what was
// readable before it is still delivered.
package source

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"export2batch/internal/finding"
	"export2batch/internal/stage"
)

// MaxLine is the longest line held in memory, in bytes without its newline.
// Amplitude takes requests of 20 MB, so no event can be longer.
const MaxLine = 32 << 20

// LongLine is from where on a line is long for Options.LongLines, in bytes.
const LongLine = 4 << 20

// Kind is what the first bytes of an input say it is.
type Kind uint8

// The kinds of input.
const (
	Unknown Kind = iota
	Empty
	Text
	GzipData
	ZstdData
	ZipArchive
	ParquetFile
)

func (k Kind) String() string {
	return [...]string{"unknown", "empty", "text", "gzip", "zstd", "zip", "parquet"}[k]
}

// sniffed is how many bytes KindOf looks at.
const sniffed = 512

// KindOf tells the kind of data from its beginning, up to 512 bytes.
func KindOf(head []byte) Kind {
	switch {
	case len(head) == 0:
		return Empty
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return GzipData
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return ZstdData
	case len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}):
		return ZstdData // a skippable frame, as pzstd writes them first
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return ZipArchive
	case bytes.HasPrefix(head, []byte("PAR1")), bytes.HasPrefix(head, []byte("PARE")):
		return ParquetFile
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, bom), " \t\r\n")
	if len(text) == 0 || text[0] == '{' || text[0] == '[' {
		return Text
	}
	return Unknown
}

var bom = []byte("\xef\xbb\xbf")

// Input is one stream of lines: a file, a member of an archive, or standard
// input. It can be opened any number of times but for standard input.
type Input struct {
	File    string // as the user named it, or below the folder the user named
	Member  string // in the archive File
	Name    string // unique in its set, safe as a relative path with slashes, no suffix
	Kind    Kind
	Size    int64     // bytes as stored (for a member, in its archive's terms, uncompressed); -1 unknown
	ModTime time.Time // of the file
	SHA256  string    // of the stored bytes, where a manifest names it
	Events  int64     // lines, where a manifest names them

	// InsertID tells whether a Parquet file has a column of insert ids.
	InsertID Presence

	turns   chan struct{} // filled by each reader with a line over LongLine; nil: none waits
	open    func() (io.ReadCloser, error)
	parquet *parquetFile // of a Parquet file; nil otherwise
}

// Place is where line n of the input stands.
func (in *Input) Place(n int64) finding.Place {
	return finding.Place{File: in.File, Member: in.Member, Line: n, Row: in.Kind == ParquetFile}
}

// Key names the input and its state: it changes when the file does.
func (in *Input) Key() string {
	return fmt.Sprintf("%s\x00%s\x00%s\x00%d\x00%d", in.Name, in.File, in.Member, in.Size, in.ModTime.UnixNano())
}

// Same tells whether inputs are those that a finished manifest names, as far as
// can be told without reading them.
func Same(was []stage.Input, inputs []Input) bool {
	if len(was) != len(inputs) {
		return false
	}
	for i := range was {
		w, in := &was[i], &inputs[i]
		if w.Name != in.File || w.Member != in.Member || in.Size >= 0 && w.Size != in.Size {
			return false
		}
	}
	return true
}

func fileInput(file string, info os.FileInfo, kind Kind) Input {
	return Input{File: file, Kind: kind, Size: info.Size(), ModTime: info.ModTime(),
		open: func() (io.ReadCloser, error) { return os.Open(file) }}
}

func stdinInput(stdin io.Reader) Input {
	return Input{File: "-", Name: "stdin", Kind: Text, Size: -1,
		open: func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }}
}

// sniff reads the kind of a file. With an error it is what the bytes before
// the error say.
func sniff(open func() (io.ReadCloser, error)) (Kind, error) {
	r, err := open()
	if err != nil {
		return Unknown, err
	}
	defer r.Close()
	head := make([]byte, sniffed)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return KindOf(head[:n]), err
	}
	return KindOf(head[:n]), nil
}

// dataSuffixes are the endings that a name loses before an output's is added.
var dataSuffixes = []string{".gz", ".zst", ".zstd", ".json", ".ndjson", ".jsonl", ".parquet"}

// looksLikeData tells from a name that its user means it as data, whatever
// stands inside.
func looksLikeData(name string) bool {
	for _, s := range []string{".json", ".json.gz", ".json.zst", ".ndjson", ".ndjson.gz", ".ndjson.zst", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".zip"} {
		if strings.HasSuffix(strings.ToLower(name), s) {
			return true
		}
	}
	return false
}

// compressed tells from a name that the file cannot be empty when it is whole.
func compressed(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".gz", ".zst", ".zstd", ".zip", ".parquet":
		return true
	}
	return false
}

const emptyMessage = "the file is empty, which no whole file of its kind is: was its download broken off?"

func trimSuffixes(name string) string {
	for {
		ext := path.Ext(name)
		known := false
		for _, s := range dataSuffixes {
			known = known || strings.EqualFold(ext, s)
		}
		if !known || len(ext) == len(name) {
			return name
		}
		name = name[:len(name)-len(ext)]
	}
}
