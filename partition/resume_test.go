package partition

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/durable/faultfs"
	"export2batch/internal/testfile"
)

// countingFS counts what is opened for writing below a folder.
type countingFS struct {
	durable.FS
	mu     sync.Mutex
	opened map[string]int // by the first part of the name
	after  func(name string)
}

func (f *countingFS) OpenFile(path string, flag int, perm os.FileMode) (durable.Handle, error) {
	f.mu.Lock()
	if f.opened == nil {
		f.opened = map[string]int{}
	}
	if flag&os.O_CREATE != 0 {
		f.opened[filepath.Base(filepath.Dir(path))]++
	}
	f.mu.Unlock()
	return f.FS.OpenFile(path, flag, perm)
}

func (f *countingFS) Rename(from, to string) error {
	err := f.FS.Rename(from, to)
	if f.after != nil {
		f.after(filepath.Base(to))
	}
	return err
}

// TestFinishedSpillsAreNotSpilledAgain reads the inputs only once.
func TestFinishedSpillsAreNotSpilledAgain(t *testing.T) {
	ref, want := undisturbed(t)
	ref.limits.batch = 1 << 20 // no pieces
	o, _ := killedAfterSpilling(t, ref)
	fsys := &countingFS{FS: quickFS{durable.OS}}
	o.FS = fsys
	mustRun(t, o)
	sameTree(t, testfile.Tree(t, o.Out), want)
	if fsys.opened[".work"] != 0 || fsys.opened["partitions"] == 0 {
		t.Errorf("opened %v", fsys.opened)
	}

	// With other inputs they are of no use.
	o, _ = killedAfterSpilling(t, ref)
	other := testfile.Write(t, filepath.Join(t.TempDir(), "other.ndjson"), join([]sample{{user: "u", time: 1}}))
	o.Paths = []string{other}
	if s := mustRun(t, o); s.Read != 1 || s.Written != 1 || s.Rejected != 0 || s.SharedDevices != 0 {
		t.Errorf("%+v", s)
	}
	for name := range testfile.Tree(t, o.Out) {
		if strings.HasPrefix(name, "rejected/") || strings.HasPrefix(name, "identities/") {
			t.Errorf("%s is left of other inputs", name)
		}
	}
}

// TestFinishedPartitionsAreNotWrittenAgain stops after the fourth of sixteen.
func TestFinishedPartitionsAreNotWrittenAgain(t *testing.T) {
	samples := randomSamples(rand.New(rand.NewPCG(1, 9)), 800)
	paths := files(t, samples, 2)
	ref := options(t, paths...)
	ref.Rules.Partitions = 16
	mustRun(t, ref)
	want := testfile.Tree(t, ref.Out)
	for _, kill := range []bool{false, true} {
		for _, resident := range []int64{-1, 1 << 30} {
			root := t.TempDir()
			o := ref
			o.Out, o.limits.resident = filepath.Join(root, "out"), resident
			ctx, cancel := context.WithCancel(context.Background())
			fsys := &countingFS{FS: quickFS{durable.OS}}
			if kill {
				// The process ends when partition 5 gets its name.
				dry, err := faultfs.New(root)
				if err != nil {
					t.Fatal(err)
				}
				at := 0
				fsys.FS = dry
				o.FS = fsys
				if _, err := Run(ctx, o); err != nil {
					t.Fatal(err)
				}
				for i, operation := range dry.Operations() {
					if strings.HasPrefix(operation, "rename out/partitions/.part-0005") {
						at = i + 1
					}
				}
				root = t.TempDir()
				o.Out = filepath.Join(root, "out")
				dying, err := faultfs.New(root)
				if err != nil {
					t.Fatal(err)
				}
				dying.DieAt(at)
				o.FS = dying
				if _, err := Run(ctx, o); !errors.Is(err, faultfs.ErrDead) {
					t.Fatal(err)
				}
			} else {
				fsys.after = func(name string) {
					if strings.HasPrefix(name, "part-0005") {
						cancel()
					}
				}
				o.FS = fsys
				if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if _, err := os.Stat(filepath.Join(o.Out, ".work")); !errors.Is(err, os.ErrNotExist) {
					t.Errorf(".work is left after an interruption: %v", err)
				}
			}
			cancel()
			again := &countingFS{FS: quickFS{durable.OS}}
			o.FS = again
			mustRun(t, o)
			sameTree(t, testfile.Tree(t, o.Out), want)
			if n := again.opened["partitions"]; n == 0 || n > 12 {
				t.Errorf("kill %v, resident %d: %d of 16 partitions were written again", kill, resident, n)
			}
			if n := again.opened[".work"]; kill && resident < 0 && n != 0 {
				t.Errorf("%d spills were written again", n)
			}
		}
	}
}

// TestPartitionsOfOtherInputsAreWrittenAgain goes on in a folder in which some
// are finished, with an input that was changed meanwhile.
func TestPartitionsOfOtherInputsAreWrittenAgain(t *testing.T) {
	samples := randomSamples(rand.New(rand.NewPCG(1, 10)), 300)
	path := testfile.Write(t, filepath.Join(t.TempDir(), "in.ndjson"), join(samples))
	o := options(t, path)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.FS = &countingFS{FS: quickFS{durable.OS}, after: func(name string) {
		if strings.HasPrefix(name, "part-0005") {
			cancel()
		}
	}}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	samples[7].text = "changed"
	samples = samples[:250]
	testfile.Write(t, path, join(samples))
	o.FS = quickFS{durable.OS}
	mustRun(t, o)
	oracle(samples, Rules{By: ByIdentity, SharedDeviceUsers: DefaultSharedDeviceUsers, Collisions: Suffix}).holds(t, readPartitions(t, o.Out))
}

// TestFinishedPartitionThatIsGone is written again.
func TestFinishedPartitionThatIsGone(t *testing.T) {
	ref, want := undisturbed(t)
	root := t.TempDir()
	o := ref
	o.Out = filepath.Join(root, "out")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.FS = &countingFS{FS: quickFS{durable.OS}, after: func(name string) {
		if strings.HasPrefix(name, "part-0001.ndjson") {
			cancel()
		}
	}}
	if _, err := Run(ctx, o); err == nil {
		t.Fatal("not interrupted")
	}
	for name := range testfile.Tree(t, o.Out) {
		if strings.HasPrefix(name, "partitions/") || strings.HasPrefix(name, "rejected/part") {
			if err := os.Remove(filepath.Join(o.Out, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	o.FS = quickFS{durable.OS}
	mustRun(t, o)
	sameTree(t, testfile.Tree(t, o.Out), want)
}

// TestCancelledAtOnce leaves a folder that can be gone on with.
func TestCancelledAtOnce(t *testing.T) {
	ref, want := undisturbed(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o := ref
	o.Out = filepath.Join(t.TempDir(), "out")
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left := testfile.Tree(t, o.Out); len(left) != 1 {
		t.Errorf("left %v", left)
	}
	mustRun(t, o)
	sameTree(t, testfile.Tree(t, o.Out), want)
}
