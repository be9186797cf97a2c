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

	"export2batch/internal/jsonscan"
	"export2batch/internal/source"
)

// idMap gives old ids new ones. It is held in memory: about 100 bytes a pair
// beside the ids themselves.
type idMap map[string]string

// readIDMap reads a file of old and new ids: Parquet, told by its first bytes,
// or CSV. It returns the SHA-256 of the file too.
func readIDMap(path string) (m idMap, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close() // it is only read
	var head [4]byte
	if n, _ := f.ReadAt(head[:], 0); source.KindOf(head[:n]) == source.ParquetFile {
		m, sum, err = readParquetIDs(path)
	} else {
		m, sum, err = readCSVIDs(path, f)
	}
	if err == nil && len(m) == 0 {
		err = fmt.Errorf("%s: no pairs of ids", path)
	}
	return m, sum, err
}

// add notes a pair, or says what is wrong with it.
func (m idMap) add(old, id string) error {
	if old == "" || id == "" {
		return errors.New("an id is empty")
	}
	if was, ok := m[old]; ok && was != id {
		return errors.New("an id has two new ids")
	}
	m[old] = id
	return nil
}

// readCSVIDs reads RFC 4180, UTF-8, of old,new; a first line that says just
// that is skipped.
func readCSVIDs(path string, f io.Reader) (m idMap, sum string, err error) {
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
		if err := m.add(record[0], record[1]); err != nil {
			return nil, "", fmt.Errorf("%s:%d: %w", path, line, err)
		}
	}
	return m, hex.EncodeToString(hash.Sum(nil)), nil
}

// readParquetIDs reads the columns old and new, in any case, of text or whole
// numbers.
func readParquetIDs(path string) (m idMap, sum string, err error) {
	// What it says of columns that exports have does not matter here.
	set, err := source.Expand([]string{path}, source.Options{Parquet: &source.ParquetOptions{}})
	if err != nil {
		return nil, "", err
	}
	if len(set.Inputs) != 1 {
		return nil, "", errors.New(set.Findings[0].String())
	}
	lines, err := set.Inputs[0].Lines()
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	m = idMap{}
	var scanner jsonscan.Scanner
	for {
		row, err := lines.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = m.addRow(&scanner, row)
		}
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", set.Inputs[0].Place(lines.Number()), err)
		}
	}
	_, sum, err = lines.Sum()
	return m, sum, err
}

func (m idMap) addRow(scanner *jsonscan.Scanner, row []byte) error {
	fields, err := scanner.Fields(row)
	if err != nil {
		return err
	}
	var pair [2]*jsonscan.Field
	for i := range fields {
		for side, name := range []string{"old", "new"} {
			if !strings.EqualFold(string(fields[i].Key(row)), name) {
				continue
			}
			if pair[side] != nil {
				return fmt.Errorf("two columns %s", name)
			}
			pair[side] = &fields[i]
		}
	}
	var ids [2]string
	for side, f := range pair {
		switch {
		case f == nil || f.Kind == jsonscan.Null:
			return errors.New("an id is empty: each row must have text or a whole number in the columns old and new")
		case f.Kind == jsonscan.String:
			ids[side] = string(jsonscan.AppendUnquoted(nil, f.Value(row)))
		case f.Kind == jsonscan.Number && usableID(row, f):
			ids[side] = string(f.Value(row))
		default:
			return errors.New("an id is neither text nor a whole number")
		}
	}
	return m.add(ids[0], ids[1])
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
