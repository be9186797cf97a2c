package validate

import (
	"os"
	"runtime"
	"slices"
	"testing"
)

// TestSpillLeavesNothing sees that a kill would leave no file behind.
func TestSpillLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	s, err := newSpill()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 && runtime.GOOS != "windows" {
		t.Errorf("while it is written: %v, %v", files, err)
	}
	want := []sighting{{id: 1, content: 2, device: 3, input: 4, place: 5}, {id: 6}}
	if err := s.write(7, [][]sighting{want}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.read(7, nil); err != nil || !slices.Equal(got, want) {
		t.Errorf("read %v, %v", got, err)
	}
	s.close()
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("when it is closed: %v, %v", files, err)
	}
}
