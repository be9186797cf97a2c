package partition

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/s2"

	"export2batch/internal/durable"
	"export2batch/internal/durable/faultfs"
	"export2batch/internal/testfile"
)

// scenario is small, and yet has every kind of file: spills that are split,
// hot partitions, lines set aside, collisions, shared devices.
func scenario(t *testing.T, root string) Options {
	t.Helper()
	rnd := rand.New(rand.NewPCG(11, 12))
	samples := randomSamples(rnd, 60)
	for i := range 4 {
		samples = append(samples, sample{user: fmt.Sprint("user-", i), device: "kiosk-0", insert: "same", time: 3})
	}
	o := options(t)
	o.Paths = []string{testfile.Write(t, filepath.Join(t.TempDir(), "in.ndjson"), join(samples)+"{}\n")}
	o.Out = filepath.Join(root, "out")
	o.Rules = Rules{Partitions: 2, SharedDeviceUsers: 2, Hot: 12, Compress: "none"}
	o.limits = limits{resident: -1, batch: 8_000, fan: 3}
	return o
}

// undisturbed is what the scenario gives when nothing fails.
func undisturbed(t *testing.T) (Options, map[string]string) {
	t.Helper()
	o := scenario(t, t.TempDir())
	s := mustRun(t, o)
	if s.Collisions == 0 || s.Rejected == 0 || s.HotIdentities == 0 || s.SharedDevices == 0 || s.DroppedBy["duplicate"] == 0 {
		t.Fatalf("the scenario does not have everything: %+v", s)
	}
	return o, testfile.Tree(t, o.Out)
}

// nothingHalfWritten holds that every file under a final name is as in want.
func nothingHalfWritten(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	for name, text := range testfile.Tree(t, dir) {
		base := filepath.Base(name)
		if durable.IsTemp(base) || base == ".unfinished" || strings.HasPrefix(name, ".work/") {
			continue
		}
		if text != want[name] {
			t.Errorf("%s is half written: %d bytes of %d", name, len(text), len(want[name]))
		}
	}
}

// TestEveryFault fails one operation after the other; the next command, with
// nothing in its way, comes to the same end.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	ref, want := undisturbed(t)
	for n := 1; ; n++ {
		root := t.TempDir()
		fsys, err := faultfs.New(root)
		if err != nil {
			t.Fatal(err)
		}
		o := ref
		o.Out, o.FS = filepath.Join(root, "out"), fsys
		fsys.FailAt(n, syscall.ENOSPC)
		_, err = Run(context.Background(), o)
		if !fsys.Failed() {
			if err != nil || n < 100 {
				t.Errorf("without a fault: %v after %d operations", err, n)
			}
			sameTree(t, testfile.Tree(t, o.Out), want)
			break
		}
		operation := fsys.Operations()[n-1]
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("fault %d (%s): error %v", n, operation, err)
		}
		if err == nil && !strings.HasPrefix(operation, "close .work") && !strings.HasPrefix(operation, "close out/.work") {
			t.Errorf("fault %d (%s): no error", n, operation)
		}
		nothingHalfWritten(t, o.Out, want)
		o.FS = quickFS{durable.OS}
		if _, err := Run(context.Background(), o); err != nil {
			t.Errorf("after fault %d (%s): %v", n, operation, err)
		}
		sameTree(t, testfile.Tree(t, o.Out), want)
		if t.Failed() {
			t.Fatalf("fault %d (%s)", n, operation)
		}
	}
}

// TestEveryDeath ends the process at one operation after the other: with the
// files as the system has them after a kill, and as the disk has them after a
// loss of power.
func TestEveryDeath(t *testing.T) {
	t.Parallel()
	ref, want := undisturbed(t)
	for _, power := range []bool{false, true} {
		for n := 1; ; n += 1 + n/40 {
			root := t.TempDir()
			fsys, err := faultfs.New(root)
			if err != nil {
				t.Fatal(err)
			}
			o := ref
			o.Out, o.FS = filepath.Join(root, "out"), fsys
			fsys.DieAt(n)
			if _, err := Run(context.Background(), o); err == nil && fsys.Failed() {
				ops := fsys.Operations()
				t.Errorf("death %d (%s): no error", n, ops[len(ops)-1])
			}
			if !fsys.Failed() {
				break
			}
			if power {
				if err := fsys.Crash(); err != nil {
					t.Fatal(err)
				}
			}
			nothingHalfWritten(t, o.Out, want)
			o.FS = quickFS{durable.OS}
			if _, err := Run(context.Background(), o); err != nil {
				t.Fatalf("after death %d, power %v: %v", n, power, err)
			}
			sameTree(t, testfile.Tree(t, o.Out), want)
			if t.Failed() {
				t.Fatalf("death %d, power %v", n, power)
			}
		}
	}
}

// TestDamagedSpills goes on with spills that were changed while no process ran:
// one that is shorter, one that lacks a byte inside, one that is other text.
func TestDamagedSpills(t *testing.T) {
	ref, want := undisturbed(t)
	for name, damage := range map[string]func([]byte) []byte{
		"cut":    func(b []byte) []byte { return b[:len(b)/2] },
		"zeros":  func(b []byte) []byte { return make([]byte, len(b)) },
		"a byte": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
		"header": func(b []byte) []byte { b[2] = 0xff; return b },
		"text":   otherText,
		"gone":   nil,
	} {
		o, fsys := killedAfterSpilling(t, ref)
		if damage == nil {
			if err := fsys.Remove(filepath.Join(o.Out, ".work", "part-0001")); err != nil {
				t.Fatal(err)
			}
		} else {
			path := filepath.Join(o.Out, ".work", "part-0001")
			testfile.Write(t, path, string(damage([]byte(testfile.Tree(t, filepath.Dir(path))["part-0001"]))))
		}
		if _, err := Run(context.Background(), o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		sameTree(t, testfile.Tree(t, o.Out), want)
	}
}

// otherText changes the lines in the first block of a spill, whose form and
// size stay right: only the hashes of the lines tell.
func otherText(spill []byte) []byte {
	n := binary.LittleEndian.Uint32(spill)
	block, err := s2.Decode(nil, spill[8:8+n])
	if err != nil {
		panic(err)
	}
	block = bytes.ReplaceAll(block, []byte(`"event_type":"e"`), []byte(`"event_type":"f"`))
	packed := s2.Encode(nil, block)
	if len(packed) != int(n) {
		panic("the block packs to another size: change something else")
	}
	return append(append(spill[:8:8], packed...), spill[8+n:]...)
}

// killedAfterSpilling leaves a folder in which no partition is finished but all
// events are spilled.
func killedAfterSpilling(t *testing.T, o Options) (Options, durable.FS) {
	t.Helper()
	root := t.TempDir()
	o.Out = filepath.Join(root, "out")
	fsys, err := faultfs.New(root)
	if err != nil {
		t.Fatal(err)
	}
	o.FS = fsys
	if _, err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	first := 0
	for i, operation := range fsys.Operations() {
		if strings.Contains(operation, "out/partitions") {
			first = i + 1
			break
		}
	}
	root = t.TempDir()
	o.Out = filepath.Join(root, "out")
	if fsys, err = faultfs.New(root); err != nil {
		t.Fatal(err)
	}
	o.FS = fsys
	fsys.DieAt(first)
	if _, err := Run(context.Background(), o); !errors.Is(err, faultfs.ErrDead) {
		t.Fatal(err)
	}
	o.FS = quickFS{durable.OS}
	return o, durable.OS
}
