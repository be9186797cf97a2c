package partition

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/testfile"
)

// TestIdentitiesThatDoNotFitAreRefused wants the memory named, and nothing
// written; with that memory it must go.
func TestIdentitiesThatDoNotFitAreRefused(t *testing.T) {
	var samples []sample
	for i := range 30_000 {
		samples = append(samples, sample{user: fmt.Sprint("user-", i), device: fmt.Sprint("device-", i), time: 1})
	}
	for _, jobs := range []int{1, 3} {
		o := options(t, files(t, samples, 3)...)
		o.Jobs, o.limits.ids = jobs, 200_000
		_, err := Run(context.Background(), o)
		if !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "--memory 64MiB is needed") {
			t.Errorf("%v", err)
		}
		var thousands int
		if _, err := fmt.Sscanf(strings.TrimPrefix(err.Error(), ErrMemory.Error()+": "), "for about %d thousand ids", &thousands); err != nil || thousands < 58 || thousands > 62 {
			t.Errorf("%d thousand ids: %v", thousands, err)
		}
		if _, err := os.Stat(o.Out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the output folder is there: %v", err)
		}
		if err := os.Mkdir(o.Out, 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(context.Background(), o); !errors.Is(err, ErrMemory) {
			t.Errorf("%v", err)
		}
		if left := testfile.Tree(t, o.Out); len(left) > 0 {
			t.Errorf("left in an empty folder: %v", left)
		}
		o.limits.ids = 3_000_000
		mustRun(t, o)
	}
}

func TestMemoryFor(t *testing.T) {
	for _, ids := range []int64{0, 30 << 20, 1 << 30, 100 << 30} {
		for _, jobs := range []int{1, 2, 64} {
			m := memoryFor(ids, jobs, 64)
			if got := newBudget(m, jobs, 64).ids(); got < ids {
				t.Errorf("%d bytes and %d jobs: %d have room for %d", ids, jobs, m, got)
			}
			if m > MinMemory && newBudget(m*7/10, jobs, 64).ids() >= ids {
				t.Errorf("%d bytes and %d jobs: %d is too much", ids, jobs, m)
			}
		}
	}
}

// TestBudgets holds that the parts together are the whole, at any size.
func TestBudgets(t *testing.T) {
	for _, memory := range []int64{64 << 20, 100 << 20, 256 << 20, 1 << 30, 64 << 30} {
		for _, jobs := range []int{1, 2, 16} {
			for _, parts := range []int{1, 64, maxPartitions} {
				b := newBudget(memory, jobs, parts)
				if b.jobs < 1 || b.jobs > jobs || b.ids() <= 0 {
					t.Fatalf("%d, %d jobs, %d partitions: %+v", memory, jobs, parts, b)
				}
				for _, ids := range []int64{0, b.ids() / 2, b.ids()} {
					buffers := int64(b.jobs*parts) * int64(b.block(ids))
					if all := ids + buffers + b.resident(ids); all > b.data || b.resident(ids) < 0 {
						t.Errorf("%d, %d jobs, %d partitions, %d for ids: %d of %d", memory, jobs, parts, ids, all, b.data)
					}
				}
				if total := b.data + int64(b.jobs)*jobMemory + runtimeMemory; total > RuntimeMemory(memory) {
					t.Errorf("%d, %d jobs: %d are planned, %d allowed", memory, jobs, total, RuntimeMemory(memory))
				}
			}
		}
	}
}

func TestDiskIsCheckedBefore(t *testing.T) {
	samples := randomSamples(rand.New(rand.NewPCG(3, 1)), 2000)
	for _, tt := range []struct {
		resident int64
		free     int64
		refused  bool
	}{{0, 1000, true}, {-1, 1000, true}, {0, 1 << 30, false}, {-1, -1, false}} {
		o := options(t, files(t, samples, 1)...)
		var told []Estimate
		o.Estimate = func(e Estimate) { told = append(told, e) }
		o.limits = limits{resident: tt.resident, free: func(dir string) (int64, error) {
			if dir != o.Out {
				t.Errorf("asked for %s", dir)
			}
			return tt.free, nil
		}}
		_, err := Run(context.Background(), o)
		if errors.Is(err, ErrDisk) != tt.refused || !tt.refused && err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
		size := int64(len(join(samples)))
		if len(told) != 1 || told[0].Free != tt.free || told[0].Output != size || told[0].Spill > 0 != (tt.resident < 0) {
			t.Errorf("%+v: told %+v of %d", tt, told, size)
		}
		if _, err := os.Stat(o.Out); tt.refused && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%+v: the output folder is there: %v", tt, err)
		}
	}
	if free, err := freeDisk(t.TempDir()); err != nil || free == 0 {
		t.Errorf("%d bytes free, %v", free, err)
	}
}

// TestEventsStayInMemoryWhereTheyFit spills nothing unless it has to.
func TestEventsStayInMemoryWhereTheyFit(t *testing.T) {
	paths := files(t, randomSamples(rand.New(rand.NewPCG(6, 1)), 1000), 2)
	for limit, wantFiles := range map[int64]bool{-1: true, 100_000: true, 1 << 30: false} {
		fsys := &countingFS{FS: quickFS{durable.OS}}
		o := options(t, paths...)
		o.FS, o.limits.resident, o.Jobs = fsys, limit, 2
		mustRun(t, o)
		if spilled := fsys.opened[".work"] > 0; spilled != wantFiles {
			t.Errorf("with %d bytes for events: %d spill files", limit, fsys.opened[".work"])
		}
	}
}

// TestKeysThatFillTheMemory are split from memory, and drive themselves to disk.
func TestKeysThatFillTheMemory(t *testing.T) {
	t.Parallel()
	var samples []sample
	for i := range 3000 {
		samples = append(samples, sample{user: fmt.Sprint("u", i%100), device: "kiosk", insert: fmt.Sprint("i", i/2), time: 5})
	}
	paths := files(t, samples, 2)
	want := oracle(samples, Rules{By: ByIdentity, Collisions: Suffix, SharedDeviceUsers: DefaultSharedDeviceUsers})
	for resident := int64(400 << 10); resident < 1600<<10; resident += 64 << 10 {
		o := options(t, paths...)
		o.limits.resident, o.limits.batch = resident, 100_000
		mustRun(t, o)
		want.holds(t, readPartitions(t, o.Out))
	}
}
