package convert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xitongsys/parquet-go/writer"

	"export2batch/internal/testfile"
)

func writeParquet(t *testing.T, row any, rows ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ids.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := writer.NewParquetWriterFromWriter(f, row, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteStop(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

type (
	textIDs struct {
		Old *string `parquet:"name=OLD, type=BYTE_ARRAY, convertedtype=UTF8, repetitiontype=OPTIONAL"`
		New *string `parquet:"name=NEW, type=BYTE_ARRAY, convertedtype=UTF8, repetitiontype=OPTIONAL"`
	}
	numberedIDs struct {
		When int64  `parquet:"name=when, type=INT64"`
		New  string `parquet:"name=new, type=BYTE_ARRAY, convertedtype=UTF8"`
		Old  int64  `parquet:"name=old, type=INT64"`
	}
	halfIDs struct {
		Old string `parquet:"name=old, type=BYTE_ARRAY, convertedtype=UTF8"`
	}
	fractionIDs struct {
		Old float64 `parquet:"name=old, type=DOUBLE"`
		New string  `parquet:"name=new, type=BYTE_ARRAY, convertedtype=UTF8"`
	}
)

func TestIDMapFromParquet(t *testing.T) {
	u1, u2, quoted, empty := "u1", "u2", `U "2"`, ""
	text := writeParquet(t, new(textIDs), textIDs{&u1, &quoted}, textIDs{&u2, &u1}, textIDs{&u1, &quoted})
	m, sum, err := readIDMap(text)
	if err != nil || len(m) != 2 || m["u1"] != quoted || m["u2"] != u1 {
		t.Errorf("%v, %v", m, err)
	}
	if _, other, err := readIDMap(writeParquet(t, new(textIDs), textIDs{&u1, &u2})); err != nil || len(sum) != 64 || sum == other {
		t.Errorf("checksums %s and %s, %v", sum, other, err)
	}
	if m, _, err = readIDMap(writeParquet(t, new(numberedIDs), numberedIDs{1, "n", 9007199254740993})); err != nil || len(m) != 1 || m["9007199254740993"] != "n" {
		t.Errorf("%v, %v", m, err)
	}
	for want, path := range map[string]string{
		"no pairs":                                  writeParquet(t, new(textIDs)),
		"row 2: an id is emp":                       writeParquet(t, new(textIDs), textIDs{&u1, &u2}, textIDs{&u2, nil}),
		"row 1: an id is emp":                       writeParquet(t, new(textIDs), textIDs{&empty, &u2}),
		"row 2: an id has tw":                       writeParquet(t, new(textIDs), textIDs{&u1, &u2}, textIDs{&u1, &u1}),
		"row 1: an id is empty: each row must have": writeParquet(t, new(halfIDs), halfIDs{"u1"}),
		"neither text nor a":                        writeParquet(t, new(fractionIDs), fractionIDs{1.5, "n"}),
		"not read":                                  testfile.Write(t, filepath.Join(t.TempDir(), "bad.parquet"), []byte("PAR1 and no more")),
	} {
		if m, _, err := readIDMap(path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "u1") {
			t.Errorf("%v, %v, want %q", m, err, want)
		}
	}
}
