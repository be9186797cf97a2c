package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// of is event i of partition p for a user and a device; "" is none.
func of(p, i int, user, device string) string {
	l := fmt.Sprintf(`{"insert_id":"%d/%d"`, p, i)
	if user != "" {
		l += fmt.Sprintf(`,"user_id":%q`, user)
	}
	if device != "" {
		l += fmt.Sprintf(`,"device_id":%q`, device)
	}
	return l + "}"
}

type who struct {
	Insert string `json:"insert_id"`
	User   string `json:"user_id"`
	Device string `json:"device_id"`
}

func whoIs(event []byte) (w who) {
	json.Unmarshal(event, &w) // the tests' own lines
	return w
}

// quota refuses what is over so many events of an id in a rolling day, counted
// in hours, as Amplitude documents.
type quota struct {
	most  int
	hours map[string]map[int64]int
}

func newQuotaOf(most int) *quota { return &quota{most, map[string]map[int64]int{}} }

func (q *quota) script(f *fake) func(*received) reply {
	return func(r *received) reply {
		f.mu.Lock()
		defer f.mu.Unlock()
		hour := time.Now().Unix() / 3600
		add := map[string]int{}
		for _, e := range r.events {
			w := whoIs(e)
			if w.User != "" {
				add["user "+w.User]++
			}
			if w.Device != "" {
				add["device "+w.Device]++
			}
		}
		over := map[string]map[string]int{"user": {}, "device": {}}
		for id, n := range add {
			for h, had := range q.hours[id] {
				if h > hour-24 {
					n += had
				}
			}
			if kind, name, _ := strings.Cut(id, " "); n > q.most {
				over[kind][name] = n
			}
		}
		if len(over["user"])+len(over["device"]) > 0 {
			body, err := json.Marshal(map[string]any{"code": 429, "eps_threshold": 1000, "throttled_users": map[string]int{},
				"exceeded_daily_quota_users": over["user"], "exceeded_daily_quota_devices": over["device"]})
			if err != nil {
				f.t.Error(err)
			}
			return reply{status: 429, body: string(body)}
		}
		for id, n := range add {
			if q.hours[id] == nil {
				q.hours[id] = map[int64]int{}
			}
			q.hours[id][hour] += n
		}
		return reply{}
	}
}

// checkOrder sees that all of parts was taken once, and in their order for
// each id within a partition.
func checkOrder(t *testing.T, f *fake, parts [][]string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	at := map[string]int{}
	for i, id := range f.taken {
		at[id] = i
	}
	for p, list := range parts {
		last := map[string]int{}
		for _, l := range list {
			w := whoIs([]byte(l))
			i, ok := at[w.Insert]
			if !ok {
				t.Errorf("event %s was not taken", w.Insert)
				continue
			}
			for _, id := range []string{"user " + w.User, "device " + w.Device} {
				if !strings.HasSuffix(id, " ") {
					if i < last[id] {
						t.Errorf("partition %d: event %s came before an earlier one of %s", p, w.Insert, id)
					}
					last[id] = i
				}
			}
		}
	}
}

// Only the id waits, and who shares an id with what waits, on forward.
func TestQuotaParksOnlyWhoSharesIDs(t *testing.T) {
	parts := [][]string{{
		of(0, 0, "greedy", ""), of(0, 1, "other", "dev-o"), of(0, 2, "greedy", ""), of(0, 3, "greedy", "dev-g"),
		of(0, 4, "", "dev-g"), of(0, 5, "friend", "dev-g"), of(0, 6, "other", ""), of(0, 7, "friend", "dev-f"),
		of(0, 8, "", "dev-f"), of(0, 9, "", "dev-o"), of(0, 10, "greedy", ""), of(0, 11, "last", ""),
	}}
	waits := map[string]bool{"0/2": true, "0/3": true, "0/4": true, "0/5": true, "0/7": true, "0/8": true, "0/10": true}
	for _, size := range []int{1, 3, 12} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, nil)
			over := newQuotaOf(1000)
			for range 999 { // an hour ago
				over.hours["user greedy"] = map[int64]int{time.Now().Unix()/3600 - 1: 999}
			}
			f.script = over.script(f)
			start := time.Now()
			at := map[string]time.Duration{}
			inner := f.script
			f.script = func(r *received) reply {
				re := inner(r)
				if re.status == 0 {
					for _, e := range r.events {
						at[insertID(e)] = time.Since(start)
					}
				}
				return re
			}
			o := options(partitionFolder(t, parts), f)
			o.EventsPerRequest = size
			if size == 12 { // the whole request is over, then greedy's events all wait
				waits["0/0"] = true
			}
			sum := mustRun(t, o)
			checkOrder(t, f, parts)
			if sum.Accepted != 12 {
				t.Errorf("%+v", sum)
			}
			for id, took := range at {
				if wait := took > time.Hour/2; wait != waits[id] && !(size == 3 && id == "0/0") {
					t.Errorf("%d a request: event %s was taken after %v", size, id, took)
				}
			}
			if took := time.Since(start); took < 22*time.Hour || took > 25*time.Hour {
				t.Errorf("took %v", took)
			}
		})
	}
}

// What is parked stays so over a restart: nothing of it is tried before its
// time, also in other partitions and however the id is written.
func TestParkedIDsOutliveARestart(t *testing.T) {
	parts := [][]string{
		{of(0, 0, "", "shared"), of(0, 1, "a", ""), of(0, 2, "b", "shared")},
		{of(1, 0, "c", ""), strings.Replace(of(1, 1, "", "shared"), "shared", `sh\u0061red`, 1), of(1, 2, "c", "")},
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		q := newQuotaOf(5)
		q.hours["device shared"] = map[int64]int{time.Now().Unix()/3600 - 20: 5}
		f.script = q.script(f)
		o := options(partitionFolder(t, parts), f)
		o.Parallel, o.LeaveParked = 1, true
		sum, err := Run(t.Context(), o)
		if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "over their daily quota") || sum.Accepted != 3 || sum.Pending != 3 {
			t.Fatalf("%v %+v", err, sum)
		}
		n := f.count()
		if s, err := ReadStatus(o.Dir, ""); err != nil || s.ParkedIDs != 1 || s.Pending != 3 || s.InDoubt != 0 {
			t.Errorf("status %+v, %v", s, err)
		}
		time.Sleep(30 * time.Minute)
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrIncomplete) {
			t.Fatal(err)
		}
		if f.count() != n {
			t.Errorf("%d requests for a parked id", f.count()-n)
		}
		o.LeaveParked = false
		mustRun(t, o)
		checkOrder(t, f, parts)
		for _, r := range f.requests {
			if r.has("shared") && r.has(`"c"`) && r.number > 2 {
				t.Errorf("request %d has events of a parked id", r.number)
			}
		}
	})
}

// A request with gaps in it, where events were held back, is repeated exactly,
// and what was held back still comes in order.
func TestOpenIntentWithGapsIsRepeatedExactly(t *testing.T) {
	parts := [][]string{{of(0, 0, "g", ""), of(0, 1, "a", ""), of(0, 2, "g", ""), of(0, 3, "b", ""), of(0, 4, "g", ""), of(0, 5, "a", "")}}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		q := newQuotaOf(3)
		q.hours["user g"] = map[int64]int{time.Now().Unix() / 3600: 3}
		inner := q.script(f)
		f.script = func(r *received) reply {
			if re := inner(r); re.status != 0 {
				return re
			}
			return reply{hang: true, take: true}
		}
		o := options(partitionFolder(t, parts), f)
		o.Grace = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Run(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		f.script = inner
		q.hours = map[string]map[int64]int{} // the day is over
		time.Sleep(2 * time.Hour)
		o.EventsPerRequest = 2
		sum := mustRun(t, o)
		if string(f.requests[1].raw) != string(f.requests[2].raw) || len(f.requests[2].events) != 3 {
			t.Error("the open request was not repeated as it was")
		}
		if sum.Accepted != 6 || sum.Resent != 3 || sum.Duplicates != 3 {
			t.Errorf("%+v", sum)
		}
		checkOrder(t, f, parts)
	})
}

// Whoever shares ids with whom, and wherever the run is stopped: everything is
// taken once and in order.
func TestQuotaOverRandomIdentities(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 7))
		name := func(kind string) string {
			if random.IntN(3) == 0 {
				return ""
			}
			return fmt.Sprintf("%s-%d", kind, random.IntN(12))
		}
		parts := make([][]string, 3)
		for p := range parts {
			for i := range 120 {
				user, device := name("user"), name("device")
				if user+device == "" {
					user = "user-0"
				}
				parts[p] = append(parts[p], of(p, i, user, device))
			}
		}
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, nil)
			inner := newQuotaOf(25).script(f)
			f.script = func(r *received) reply {
				f.mu.Lock()
				chance := random.IntN(20)
				f.mu.Unlock()
				switch chance {
				case 0:
					return reply{status: 503}
				case 1:
					return reply{hang: true}
				}
				return inner(r)
			}
			o := options(partitionFolder(t, parts), f)
			o.EventsPerRequest, o.Parallel, o.Grace = 7, 2, time.Second
			for runs := 0; ; runs++ {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+random.IntN(12*3600))*time.Second)
				sum, err := Run(ctx, o)
				cancel()
				if sum.Read != sum.Accepted+sum.Rejected+sum.Pending || sum.Rejected > 0 {
					t.Fatalf("%+v", sum)
				}
				if err == nil {
					break
				}
				if !errors.Is(err, context.DeadlineExceeded) || runs > 100 {
					t.Fatal(err)
				}
			}
			checkOrder(t, f, parts)
		})
	}
}

// A clock that was set makes nobody wait for years.
func TestParkedIsCutToADay(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	p := newParked(map[uint64]int64{1: now.Add(1000 * time.Hour).UnixMilli(), 2: now.Add(-time.Hour).UnixMilli(), 3: now.Add(time.Minute).UnixMilli()}, now)
	if at, ok := p.until(1, now); !ok || at.Sub(now) != 24*time.Hour {
		t.Errorf("%v %v", at, ok)
	}
	if _, ok := p.until(2, now); ok {
		t.Error("a park in the past holds")
	}
	if n, first := p.count(now); n != 2 || first.Sub(now) != time.Minute {
		t.Errorf("%d until %v", n, first)
	}
}
