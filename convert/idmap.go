package convert

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// idMap gives old ids new ones. It is held in memory: about 100 bytes a pair
// beside the ids themselves.
type idMap map[string]string

// readIDMap reads a CSV file (RFC 4180, UTF-8) of old,new; a first line that
// says just that is skipped. It returns the SHA-256 of the file too.
func readIDMap(path string) (m idMap, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	hash := sha256.New()
	m = idMap{}
	r := csv.NewReader(skipMark(io.TeeReader(f, hash)))
	r.FieldsPerRecord, r.ReuseRecord = 2, true
	for n := 1; ; n++ {
		record, err := r.Read()
		if err == io.EOF {
			break
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) { // whose text may hold an id
			return nil, "", fmt.Errorf("%s:%d: %w, each line must be old,new", path, parse.Line, parse.Err)
		}
		if err != nil {
			return nil, "", err
		}
		if n == 1 && strings.EqualFold(record[0], "old") && strings.EqualFold(record[1], "new") {
			continue
		}
		line, _ := r.FieldPos(0)
		if record[0] == "" || record[1] == "" {
			return nil, "", fmt.Errorf("%s:%d: an id is empty", path, line)
		}
		if was, ok := m[record[0]]; ok && was != record[1] {
			return nil, "", fmt.Errorf("%s:%d: an id has two new ids", path, line)
		}
		m[record[0]] = record[1]
	}
	if len(m) == 0 {
		return nil, "", fmt.Errorf("%s: no pairs of ids", path)
	}
	return m, hex.EncodeToString(hash.Sum(nil)), nil
}

// skipMark leaves out the byte order mark that spreadsheets write.
func skipMark(r io.Reader) io.Reader {
	head := make([]byte, 3)
	n, err := io.ReadFull(r, head)
	if n == 3 && bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		n = 0
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return io.MultiReader(bytes.NewReader(head[:n]), failed{err})
	}
	return io.MultiReader(bytes.NewReader(head[:n]), r)
}

type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// minKey is the fewest bytes a key must have: with fewer, the ids behind
// pseudonyms can be found by trying keys.
const minKey = 16

// readKey reads the key of pseudonyms: the bytes of the file without white
// space at its ends. In place of a checksum it returns what the key makes of a
// text that is no id, so that manifests say which key it was, but not what.
func readKey(path string) (key []byte, mark string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	key = bytes.TrimSpace(data)
	if len(key) < minKey {
		return nil, "", fmt.Errorf("%s: the key has %d bytes, it must have at least %d", path, len(key), minKey)
	}
	return key, string(appendPseudonym(nil, key, []byte("export2batch\x00which key"))), nil
}
