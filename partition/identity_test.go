package partition

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"export2batch/internal/source"
	"export2batch/internal/testfile"
)

// partOf says in which partition each user and each anonymous device is; an id
// in two partitions fails the test.
func partOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	where := map[string]string{}
	for name, lines := range readPartitions(t, dir) {
		for _, line := range lines {
			id, ok := field(t, line, "user_id").(string)
			if !ok {
				id, _ = field(t, line, "device_id").(string)
			}
			if where[id] != "" && where[id] != name {
				t.Errorf("%s is in %s and in %s", id, where[id], name)
			}
			where[id] = name
		}
	}
	return where
}

// apart tells how many partitions the ids are in.
func apart(where map[string]string, ids ...string) int {
	parts := map[string]bool{}
	for _, id := range ids {
		parts[where[id]] = true
	}
	return len(parts)
}

func TestSharedDeviceEdge(t *testing.T) {
	for users, wantShared := range map[int]int64{20: 0, 21: 1} {
		var samples []sample
		var ids []string
		for i := range users {
			ids = append(ids, fmt.Sprintf("user-%d", i))
			samples = append(samples, sample{user: ids[i], device: "tablet", time: int64(i)}, sample{user: ids[i], device: fmt.Sprintf("phone-%d", i), time: 1})
		}
		samples = append(samples, sample{device: "tablet", time: 3})
		o := options(t, files(t, samples, 2)...)
		o.Rules.Partitions = 4096
		s := mustRun(t, o)
		where := partOf(t, o.Out)
		list := testfile.Tree(t, o.Out)["identities/shared-devices.ndjson"]
		if s.SharedDevices != wantShared {
			t.Errorf("%d users: %d shared devices", users, s.SharedDevices)
		}
		if wantShared == 0 {
			if n := apart(where, append(ids, "tablet")...); n != 1 || s.Identities != 1 || s.Joined != int64(users)+1 || list != "" {
				t.Errorf("a device of %d users: in %d partitions, %+v, list %q", users, n, s, list)
			}
			continue
		}
		// By chance some of the 22 identities share one of 4096 partitions.
		if n := apart(where, append(ids, "tablet")...); n < users-2 || s.Identities != int64(users)+1 || s.Joined != int64(users) {
			t.Errorf("a device of %d users: in %d partitions, %+v", users, n, s)
		}
		if list != `{"device_id":"tablet","users":21}`+"\n" {
			t.Errorf("list of shared devices: %q", list)
		}
	}
}

func TestJoiningIsTransitive(t *testing.T) {
	var samples []sample
	var ids []string
	for i := range 200 { // a chain: user i has devices i and i+1
		ids = append(ids, fmt.Sprintf("user-%d", i))
		samples = append(samples,
			sample{user: ids[i], device: fmt.Sprintf("device-%d", i), time: 1},
			sample{user: ids[i], device: fmt.Sprintf("device-%d", i+1), time: 1})
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
	samples = append(samples, sample{device: "device-77", time: 2})
	o := options(t, files(t, samples, 3)...)
	o.Jobs = 3
	s := mustRun(t, o)
	if n := apart(partOf(t, o.Out), append(ids, "device-77")...); n != 1 || s.Identities != 1 || s.LargestIdentity != 401 {
		t.Errorf("%d partitions, %+v", n, s)
	}
}

// TestAmplitudeIDs joins what no event joins: two anonymous devices, through
// the Amplitude ID they have in common.
func TestAmplitudeIDs(t *testing.T) {
	events := []sample{{device: "phone", time: 1}, {device: "laptop", time: 2}, {user: "anna", time: 3}, {device: "other", time: 4}}
	identities := `{"device_id":"phone","amplitude_id":77}
{"device_id":"laptop","amplitude_id":"77"}
{"user_id":"anna","amplitude_id":77}
{"device_id":"other","amplitude_id":0}
{"user_id":"bob","amplitude_id":0}
`
	o := options(t, converted(t, []string{join(events)}, []string{identities}))
	o.Rules.Partitions = 4096
	s := mustRun(t, o)
	where := partOf(t, o.Out)
	if n := apart(where, "phone", "laptop", "anna"); n != 1 {
		t.Errorf("with one Amplitude ID in %d partitions: %v", n, where)
	}
	if s.Identities != 2 || where["other"] == where["anna"] {
		t.Errorf("an Amplitude ID of 0 joins: %v, %+v", where, s)
	}

	// Without the identity files nothing joins them.
	o = options(t, files(t, events, 1)...)
	if s := mustRun(t, o); s.Identities != 4 {
		t.Errorf("without identity files: %+v", s)
	}
}

// TestAmplitudeIDsDoNotJoinThroughSharedDevices has two users who both used a
// kiosk, each with an Amplitude ID there.
func TestAmplitudeIDsDoNotJoinThroughSharedDevices(t *testing.T) {
	var events []sample
	var ids strings.Builder
	for i := range 30 {
		user := fmt.Sprintf("user-%d", i)
		events = append(events, sample{user: user, device: "kiosk", time: int64(i)})
		fmt.Fprintf(&ids, `{"user_id":%q,"device_id":"kiosk","amplitude_id":%d}`+"\n", user, 100+i)
		fmt.Fprintf(&ids, `{"device_id":"kiosk","amplitude_id":%d}`+"\n", 100+i)
	}
	events = append(events, sample{device: "kiosk", time: 9})
	o := options(t, converted(t, []string{join(events)}, []string{ids.String()}))
	if s := mustRun(t, o); s.Identities != 31 || s.SharedDevices != 1 || s.Joined != 0 {
		t.Errorf("%+v", s)
	}
}

func TestUnknownIDsAreRefused(t *testing.T) {
	for _, e := range []sample{{user: "known", device: "unknown", time: 1}, {user: "unknown", time: 1}, {user: "known", device: "apart", time: 1}} {
		o := options(t, converted(t, []string{join([]sample{{user: "known", time: 1}, e})}, []string{`{"user_id":"known"}` + "\n" + `{"device_id":"apart"}` + "\n"}))
		if err := runError(t, o); !strings.Contains(err, "00.ndjson:2: the ids of this event are not in the identities/ files") {
			t.Errorf("%+v: %s", e, err)
		}
	}
}

func TestChangedIdentityFileIsRefused(t *testing.T) {
	good := `{"user_id":"anna","device_id":"phone"}` + "\n"
	for name, text := range map[string]string{
		"other content": strings.Replace(good, "anna", "anne", 1),
		"not JSON":      strings.Replace(good, "{", "[", 1),
		"shorter":       good[1:],
	} {
		dir := converted(t, []string{join([]sample{{user: "anna", time: 1}})}, []string{good})
		if err := os.WriteFile(filepath.Join(dir, "identities", "00.ndjson"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		o := options(t, dir)
		if err := runError(t, o); !strings.Contains(err, "identities/00.ndjson") {
			t.Errorf("%s: %s", name, err)
		}
	}
}

// TestHotIdentities gives those with more events than the limit their own
// partitions, in the order of their keys, however many jobs there are.
func TestHotIdentities(t *testing.T) {
	var samples []sample
	for user, n := range map[string]int{"cold": 10, "hot": 11, "hotter": 300, "hottest": 500} {
		for i := range n {
			samples = append(samples, sample{user: user, time: int64(i), text: user})
		}
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
	o := options(t, files(t, samples, 3)...)
	o.Rules.Partitions, o.Rules.Hot = 1, 10
	o.limits = limits{resident: -1, batch: 9_000, fan: 3}
	s := mustRun(t, o)
	parts := readPartitions(t, o.Out)
	sizes := map[int]bool{}
	for _, name := range []string{"part-0001", "part-0002", "part-0003"} {
		users := map[any]bool{}
		for _, line := range parts[name] {
			users[field(t, line, "user_id")] = true
		}
		if len(users) != 1 {
			t.Errorf("%s has events of %v", name, users)
		}
		sizes[len(parts[name])] = true
	}
	if len(parts) != 4 || len(parts["part-0000"]) != 10 || !sizes[11] || !sizes[300] || !sizes[500] || s.HotIdentities != 3 || s.LargestIdentity != 500 {
		t.Errorf("%d partitions, %v, %+v", len(parts), sizes, s)
	}
}

func TestTooManyHotIdentities(t *testing.T) {
	m := &identityMap{}
	for i := range maxHot + 1 {
		n := m.add(keyOf(userKind, fmt.Append(nil, i)))
		*m.side.at(int(n)) = 2
	}
	r := &run{ids: m, o: Options{Rules: Rules{Hot: 1, Partitions: 1}}}
	if err := r.hotIdentities(); err == nil || !strings.Contains(err.Error(), "--hot") {
		t.Error(err)
	}
	r.o.Rules.Hot = 2
	if err := r.hotIdentities(); err != nil || len(r.hot) != 0 {
		t.Error(err, len(r.hot))
	}
}

// TestIdentityFileThatIsNotWhole is refused: what it lacks would divide an
// identity.
func TestIdentityFileThatIsNotWhole(t *testing.T) {
	event := sample{user: "u", time: 1}.line() + "\n"
	good := `{"user_id":"u","device_id":"d"}` + "\n"
	for name, tt := range map[string]struct{ was, now, want string }{
		"no JSON":      {good + "{\n", "", "00.ndjson:2: not a line of an identity file"},
		"line of 32 M": {good + `{"user_id":"` + strings.Repeat("x", source.MaxLine) + "\"}\n", "", "00.ndjson:2: not a line of an identity file"},
		"other bytes":  {good, strings.Replace(good, `"d"`, `"e"`, 1), "the checksums differ"},
		"other size":   {good, good + good, "the folder was changed"},
		"cut gzip":     {good, string(testfile.Gzip(t, good)[:len(good)]), "convert anew"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := converted(t, []string{event}, []string{tt.was})
			if tt.now != "" {
				testfile.Write(t, filepath.Join(dir, "identities", "00.ndjson"), tt.now)
			}
			if err := runError(t, options(t, dir)); !strings.Contains(err, tt.want) {
				t.Error(err)
			}
		})
	}
}
