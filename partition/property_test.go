package partition

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/eventfile"
	"export2batch/internal/testfile"
)

// memories are bounds that lead through every way of sorting: all in memory,
// spilled and loaded whole, split, split again, merged in several levels.
var memories = map[string]limits{
	"resident":       {},
	"spilled":        {resident: -1},
	"overflowing":    {resident: 40_000},
	"split":          {resident: -1, batch: 20_000},
	"split far":      {resident: -1, batch: 5_000},
	"split in fours": {resident: -1, batch: 4_000, fan: 4},
	"nearly nothing": {resident: -1, batch: 2_000, fan: 3},
}

// files divides text between files at ends of lines.
func files(t *testing.T, samples []sample, n int) []string {
	t.Helper()
	var paths []string
	dir := t.TempDir()
	for i := range n {
		part := samples[len(samples)*i/n : len(samples)*(i+1)/n]
		paths = append(paths, testfile.Write(t, fmt.Sprintf("%s/%02d.ndjson", dir, i), join(part)))
	}
	return paths
}

// TestPartitionsAgreeWithTheOracle holds permutation, order and identity for
// every policy, every way of belonging together, and every bound on memory.
func TestPartitionsAgreeWithTheOracle(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		samples := randomSamples(rand.New(rand.NewPCG(seed, 1)), 300)
		paths := files(t, samples, 3)
		for _, by := range []string{ByIdentity, ByUser, ByDevice}[:3-2*seed] {
			for _, policy := range []string{Suffix, KeepFirst, KeepLast, Reject} {
				rules := Rules{Partitions: 5, By: by, SharedDeviceUsers: 3, Hot: 40, Collisions: policy, Compress: "none"}
				want := oracle(samples, rules)
				if want.duplicates < 15 || want.collisions < 15 {
					t.Fatalf("seed %d tests little: %d duplicates, %d collisions", seed, want.duplicates, want.collisions)
				}
				var first map[string]string
				for name, limits := range memories {
					if by != ByIdentity && limits.resident == -1 && limits.fan == 0 {
						continue // the ways are the same
					}
					o := options(t, paths...)
					o.Rules, o.limits, o.Jobs = rules, limits, 1+2*int(seed)
					t.Run(fmt.Sprintf("%d/%s/%s/%s", seed, by, policy, name), func(t *testing.T) {
						s := mustRun(t, o)
						want.holds(t, readPartitions(t, o.Out))
						if s.Read != int64(len(samples)) || s.DroppedBy["duplicate"] != int64(want.duplicates) || s.Collisions != int64(want.collisions) {
							t.Errorf("account %+v, want %d duplicates and %d collisions", s, want.duplicates, want.collisions)
						}
						if first == nil {
							first = testfile.Tree(t, o.Out)
						}
						sameTree(t, testfile.Tree(t, o.Out), first)
					})
				}
			}
		}
	}
}

// TestSameBytesForAnyJobs compares whole folders.
func TestSameBytesForAnyJobs(t *testing.T) {
	t.Parallel()
	samples := randomSamples(rand.New(rand.NewPCG(7, 7)), 600)
	paths := files(t, samples, 7)
	for _, compress := range []eventfile.Compression{eventfile.Zstd, eventfile.None} {
		var first map[string]string
		for jobs := 1; jobs <= 4; jobs++ {
			for memory, l := range map[int64]limits{64 << 20: {}, 256 << 20: {resident: -1, batch: 9_000, fan: 5}, 1 << 30: {}} {
				o := options(t, paths...)
				o.Jobs, o.Memory, o.limits = jobs, memory, l
				o.Rules.Compress, o.Rules.Hot = compress, 25
				mustRun(t, o)
				if first == nil {
					first = testfile.Tree(t, o.Out)
				}
				sameTree(t, testfile.Tree(t, o.Out), first)
			}
		}
	}
}

// TestOnlyEqualEvents loads what no split makes smaller, in little memory.
func TestOnlyEqualEvents(t *testing.T) {
	s := sample{user: "u", device: "d", insert: "i", time: 1, text: strings.Repeat("y", 300)}
	other := s
	other.text = "another one"
	samples := append(slices.Repeat([]sample{s}, 1500), other)
	for name, l := range memories {
		o := options(t, files(t, samples, 2)...)
		o.limits = l
		t.Run(name, func(t *testing.T) {
			sum := mustRun(t, o)
			if sum.Written != 2 || sum.DroppedBy["duplicate"] != 1499 || sum.Collisions != 1 {
				t.Errorf("account %+v", sum)
			}
		})
	}
}

// TestOneInsertIDOnAllEvents gives every event but one an id of its own.
func TestOneInsertIDOnAllEvents(t *testing.T) {
	var samples []sample
	for i := range 600 {
		samples = append(samples, sample{user: "u", device: "d", insert: "i", time: int64(i % 100), text: fmt.Sprint(i)})
	}
	want := oracle(samples, Rules{Partitions: 8, By: ByIdentity, SharedDeviceUsers: 20, Collisions: Suffix})
	for name, l := range memories {
		o := options(t, files(t, samples, 2)...)
		o.limits = l
		t.Run(name, func(t *testing.T) {
			mustRun(t, o)
			parts := readPartitions(t, o.Out)
			want.holds(t, parts)
			ids := map[any]bool{}
			for _, line := range allLines(parts) {
				ids[field(t, line, "insert_id")] = true
			}
			if len(ids) != len(samples) {
				t.Errorf("%d insert ids for %d events", len(ids), len(samples))
			}
		})
	}
}

func TestOneEventAndNone(t *testing.T) {
	one := []sample{{device: "d", time: -5}}
	for n, samples := range [][]sample{nil, one} {
		o := options(t, files(t, samples, 1)...)
		s := mustRun(t, o)
		if got := allLines(readPartitions(t, o.Out)); len(got) != n || s.Partitions != int64(n) || s.Identities != int64(n) {
			t.Errorf("%d events: %v, %+v", n, got, s)
		}
	}
}
