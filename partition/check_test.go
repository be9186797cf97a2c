package partition

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"export2batch/internal/finding"
	"export2batch/internal/stage"
	"export2batch/internal/testfile"
)

func check(t *testing.T, dir string) (CheckSummary, []string) {
	t.Helper()
	var found []finding.Finding
	s, err := Check(context.Background(), CheckOptions{Dir: dir, Jobs: 2, Sink: collect(&found)})
	if err != nil {
		t.Fatal(err)
	}
	if int(s.Findings) != len(found) {
		t.Errorf("%d findings, %d counted", len(found), s.Findings)
	}
	return s, rules(found)
}

func TestCheckFindsNothingInWhatRunWrites(t *testing.T) {
	samples := randomSamples(rand.New(rand.NewPCG(8, 8)), 500)
	for _, by := range []string{ByIdentity, ByUser, ByDevice} {
		for _, policy := range []string{Suffix, KeepLast, Reject} {
			o := options(t, files(t, samples, 2)...)
			o.Rules.By, o.Rules.Collisions, o.Rules.SharedDeviceUsers, o.Rules.Hot, o.Rules.Compress = by, policy, 3, 30, "zst"
			sum := mustRun(t, o)
			s, found := check(t, o.Out)
			if len(found) > 0 || s.Events != sum.Written || s.Files != sum.Partitions || s.Identities != sum.Identities {
				t.Errorf("%s, %s: %v, %+v of %+v", by, policy, found, s, sum)
			}
		}
	}
}

// TestCheckFinds changes a finished folder, with a manifest made to fit where
// the change would show in a checksum alone.
func TestCheckFinds(t *testing.T) {
	var samples []sample
	for i := range 60 {
		samples = append(samples, sample{user: fmt.Sprint("user-", i%10), device: fmt.Sprint("device-", i%10), insert: fmt.Sprint(i), time: int64(i)})
		if i%10 == 3 {
			samples = append(samples, sample{device: "device-3", time: int64(i)})
		}
	}
	o := options(t, files(t, samples, 1)...)
	o.Rules.Partitions = 3
	mustRun(t, o)
	whole := testfile.Tree(t, o.Out)
	parts := []string{"partitions/part-0000.ndjson", "partitions/part-0001.ndjson", "partitions/part-0002.ndjson"}
	lines := func(text string) []string { return strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n") }
	anonymous := ""
	for _, p := range parts {
		for _, line := range lines(whole[p]) {
			if !strings.Contains(line, "user_id") {
				anonymous = p
			}
		}
	}
	for name, tt := range map[string]struct {
		change func(files map[string]string)
		repair bool // the sizes and checksums of the manifest
		want   []string
	}{
		"a byte": {func(f map[string]string) {
			f[parts[0]] = strings.Replace(f[parts[0]], `"event_type":"e"`, `"event_type":"f"`, 1)
		}, false, []string{"checksum", "permutation"}},
		"a byte, repaired": {func(f map[string]string) {
			f[parts[0]] = strings.Replace(f[parts[0]], `"event_type":"e"`, `"event_type":"f"`, 1)
		}, true, []string{"permutation"}},
		"an event less": {func(f map[string]string) { f[parts[1]] = strings.Join(lines(f[parts[1]])[1:], "") }, false,
			[]string{"account", "checksum", "event-count", "permutation"}},
		"an event twice for another": {func(f map[string]string) {
			l := lines(f[parts[1]])
			l[1] = l[0]
			f[parts[1]] = strings.Join(l, "")
		}, true, []string{"permutation"}},
		"out of order": {func(f map[string]string) {
			l := lines(f[parts[2]])
			l[0], l[1], l[4], l[5] = l[1], l[0], l[5], l[4]
			f[parts[2]] = strings.Join(l, "")
		}, true, []string{"order"}},
		"divided": {func(f map[string]string) {
			a, b := lines(f[parts[0]]), lines(f[parts[1]])
			f[parts[0]], f[parts[1]] = strings.Join(a[:len(a)-1], ""), strings.Join(append(b, a[len(a)-1]+"\n"), "\n")
			f[parts[1]] = strings.ReplaceAll(f[parts[1]], "\n\n", "\n")
		}, true, []string{"identity-split", "order"}},
		"an anonymous event elsewhere": {func(f map[string]string) {
			to := parts[0]
			if anonymous == to {
				to = parts[1]
			}
			var left []string
			for _, line := range lines(f[anonymous]) {
				if line = strings.TrimSuffix(line, "\n"); strings.Contains(line, "user_id") || !strings.Contains(line, `"time":53`) {
					left = append(left, line+"\n")
				} else {
					at := slices.IndexFunc(lines(f[to]), func(l string) bool { return number(t, l, "time") > 53 })
					l := strings.SplitAfter(f[to], "\n")
					if at < 0 {
						at = len(l) - 1
					}
					f[to] = strings.Join(slices.Insert(l, at, line+"\n"), "")
				}
			}
			f[anonymous] = strings.Join(left, "")
		}, true, []string{"identity-split"}},
		"a file less":     {func(f map[string]string) { delete(f, parts[2]) }, false, []string{"account", "missing-file", "permutation"}},
		"a file more":     {func(f map[string]string) { f["partitions/part-0009.ndjson"] = "x" }, false, []string{"unknown-file"}},
		"not an event":    {func(f map[string]string) { f[parts[0]] += "{\n" }, true, []string{"invalid-json"}},
		"nothing changed": {func(map[string]string) {}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			changed := map[string]string{}
			for n, text := range whole {
				changed[n] = text
			}
			tt.change(changed)
			for n, text := range changed {
				testfile.Write(t, filepath.Join(dir, n), text)
			}
			if tt.repair {
				repair(t, dir)
			}
			if _, found := check(t, dir); !slices.Equal(slices.Compact(found), tt.want) {
				t.Errorf("found %v, want %v", found, tt.want)
			}
		})
	}
}

// repair makes the manifest describe the files as they are.
func repair(t *testing.T, dir string) {
	t.Helper()
	m, err := stage.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Files {
		f := &m.Files[i]
		in, err := openOne(filepath.Join(dir, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		lines, err := in.Lines()
		if err != nil {
			t.Fatal(err)
		}
		f.Events = 0
		for {
			line, err := lines.Next()
			if err != nil {
				break
			}
			if json.Valid(line) {
				f.Events++
			}
		}
		f.Bytes, f.SHA256, _ = lines.Sum()
		lines.Close()
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	testfile.Write(t, filepath.Join(dir, "manifest.json"), string(data))
}

func TestCheckRefusesOtherFolders(t *testing.T) {
	unfinished, _ := killedAfterSpilling(t, scenario(t, t.TempDir()))
	for _, dir := range []string{t.TempDir(), converted(t, nil, nil), unfinished.Out, filepath.Join(t.TempDir(), "absent")} {
		if s, err := Check(context.Background(), CheckOptions{Dir: dir}); err == nil {
			t.Errorf("%s: %+v", dir, s)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o, _ := undisturbed(t)
	if err := os.WriteFile(filepath.Join(o.Out, "partitions", "part-0000.ndjson"), []byte(strings.Repeat("x\n", 3000)), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(ctx, CheckOptions{Dir: o.Out}); err == nil {
		t.Error("a cancelled check ends well")
	}
}
