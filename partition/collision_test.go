package partition

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/testfile"
)

func TestCollisionPolicies(t *testing.T) {
	first := sample{user: "u", device: "d", insert: "i", time: 1, text: "first"}
	second := sample{user: "u", device: "d", insert: "i", time: 2, text: "second"}
	last := sample{user: "u", device: "d", insert: "i", time: 3, text: "last"}
	elsewhere := sample{user: "u", device: "d2", insert: "i", time: 4}
	paths := files(t, []sample{last, first, elsewhere, second, first}, 1)
	for policy, want := range map[string][]string{
		KeepFirst: {"first", ""},
		KeepLast:  {"last", ""},
		Reject:    {"first", ""},
		Suffix:    {"first", "second", "last", ""},
	} {
		o := options(t, paths...)
		o.Rules.Collisions = policy
		s := mustRun(t, o)
		var got []string
		ids := map[any]bool{}
		for _, lines := range readPartitions(t, o.Out) {
			for _, line := range lines {
				got = append(got, field(t, line, "event_properties").(map[string]any)["text"].(string))
				ids[fmt.Sprint(field(t, line, "device_id"), field(t, line, "insert_id"))] = true
			}
		}
		if !slices.Equal(got, want) || len(ids) != len(want) || s.Collisions != 2 || s.DroppedBy["duplicate"] != 1 {
			t.Errorf("%s: %q, %d ids, %+v", policy, got, len(ids), s)
		}
		aside := ""
		for name, text := range testfile.Tree(t, o.Out) {
			if strings.HasSuffix(name, ".collisions.ndjson") {
				aside += text
			}
		}
		if strings.Count(aside, `"action":"`+policy+`"`) != 2 || policy == Suffix != strings.Contains(aside, `"new_insert_id":"i-`) {
			t.Errorf("%s: set aside %s", policy, aside)
		}
		switch policy {
		case KeepFirst, KeepLast:
			if s.DroppedBy["collision"] != 2 {
				t.Errorf("%s: %+v", policy, s)
			}
		case Reject:
			if s.RejectedBy["insert-id-collision"] != 2 {
				t.Errorf("%s: %+v", policy, s)
			}
		}
	}
	o := options(t, paths...)
	o.Rules.Collisions = Stop
	if _, err := Run(context.Background(), o); !errors.Is(err, ErrCollision) || !strings.Contains(err.Error(), "00.ndjson:4:") {
		t.Errorf("stop: %v", err)
	}
	o = options(t, files(t, []sample{first, elsewhere, first}, 1)...)
	o.Rules.Collisions = Stop
	if s := mustRun(t, o); s.Written != 2 {
		t.Errorf("stop, without a collision: %+v", s)
	}
}

// TestCollisionsAcrossPartitions has users of a kiosk, in partitions of their
// own, whose events have the same insert ids there: the server would take the
// first of each and ignore the others.
func TestCollisionsAcrossPartitions(t *testing.T) {
	t.Parallel()
	var samples []sample
	for user := range 40 {
		for i := range 10 {
			samples = append(samples,
				sample{user: fmt.Sprintf("user-%d", user), device: "kiosk", insert: fmt.Sprintf("i-%d", i), time: int64(1000 - user*i)},
				sample{user: fmt.Sprintf("user-%d", user), insert: fmt.Sprintf("i-%d", i), time: int64(user * i)})
		}
	}
	rand.New(rand.NewPCG(4, 4)).Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
	paths := files(t, samples, 3)
	for _, policy := range []string{Suffix, KeepFirst, KeepLast} {
		want := oracle(samples, Rules{By: ByIdentity, SharedDeviceUsers: 20, Collisions: policy})
		if want.collisions != 780 {
			t.Fatalf("%d collisions", want.collisions)
		}
		var first map[string]string
		for name, l := range memories {
			o := options(t, paths...)
			o.Rules.Collisions, o.Rules.Partitions, o.Jobs, o.limits = policy, 50, 2, l
			s := mustRun(t, o)
			parts := readPartitions(t, o.Out)
			want.holds(t, parts)
			if s.Collisions != 780 || policy == Suffix && len(parts) < 20 {
				t.Errorf("%s, %s: %d partitions, %+v", policy, name, len(parts), s)
			}
			if first == nil {
				first = testfile.Tree(t, o.Out)
			}
			sameTree(t, testfile.Tree(t, o.Out), first)
		}
	}
}

// TestLastOfEqualEventsCounts has two events with one insert id and one time:
// the one that occurs last, again, is the last.
func TestLastOfEqualEventsCounts(t *testing.T) {
	x := sample{user: "u", device: "d", insert: "i", time: 1, text: "x"}
	y := sample{user: "u", device: "d", insert: "i", time: 1, text: "y"}
	for policy, want := range map[string]string{KeepLast: "x", KeepFirst: "x"} {
		for name, l := range memories {
			o := options(t, files(t, []sample{x, y, x}, 3)...)
			o.Rules.Collisions, o.limits, o.Jobs = policy, l, 3
			mustRun(t, o)
			if got := allLines(readPartitions(t, o.Out)); len(got) != 1 || !strings.Contains(got[0], `"text":"`+want+`"`) {
				t.Errorf("%s, %s: %q", policy, name, got)
			}
		}
	}
}
