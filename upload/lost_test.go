package upload

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/synctest"

	"export2batch/internal/durable/faultfs"
)

// The power fails at every operation on the disk: what was not synced is gone,
// names whose folder was not synced too. The upload, started again, ends as if
// nothing had happened, with at most the request in flight sent twice.
func TestPowerLossAtEveryOperation(t *testing.T) {
	parts := lines(6, 4)
	for op := 1; ; op++ {
		passed := false
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, picky)
			o := options(partitionFolder(t, parts), f)
			root := t.TempDir()
			o.State = filepath.Join(root, "state")
			disk, err := faultfs.New(root)
			if err != nil {
				t.Fatal(err)
			}
			disk.DieAt(op)
			o.FS, o.EventsPerRequest, o.Parallel = disk, 4, 1
			_, err = Run(t.Context(), o)
			if passed = !disk.Failed(); passed {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, faultfs.ErrDead) {
				t.Errorf("operation %d: %v", op, err)
			}
			if err := disk.Crash(); err != nil {
				t.Fatal(err)
			}
			if len(f.taken) > 0 {
				if _, err := os.Stat(filepath.Join(o.State, journalName)); err != nil {
					t.Fatalf("operation %d: something was sent and the journal is gone: %v", op, err)
				}
			}
			if o.FS, err = faultfs.New(root); err != nil {
				t.Fatal(err)
			}
			sum := mustRun(t, o)
			if sum.Accepted != 8 || sum.Rejected != 2 {
				t.Errorf("operation %d: %+v", op, sum)
			}
			if got := rejectedIDs(t, o); !reflect.DeepEqual(got, pickyAside) {
				t.Errorf("operation %d: set aside %v", op, got)
			}
			if f.repeated > 4 {
				t.Errorf("operation %d: %d events were sent twice, more than one request", op, f.repeated)
			}
			f.checkTaken(parts, asSet(pickyAside))
		})
		if passed {
			if op < 40 {
				t.Errorf("only %d operations", op)
			}
			return
		}
		if t.Failed() {
			return
		}
	}
}
