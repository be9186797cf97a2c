package upload

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// The moments a pacer gives are a function of what it is asked, without a
// clock.
func TestPacerSlots(t *testing.T) {
	start := time.Now()
	ms := time.Millisecond
	type ask struct {
		at     time.Duration
		events int
		want   time.Duration
	}
	for _, test := range []struct {
		name string
		pace Pace
		asks []ask
	}{
		{"no limit", Pace{}, []ask{{0, 2000, 0}, {0, 2000, 0}}},
		{"requests are spaced", Pace{RequestsPerSecond: 100}, []ask{{0, 10, 0}, {0, 10, 10 * ms}, {0, 10, 20 * ms}, {5 * ms, 10, 30 * ms}}},
		{"and do not catch up", Pace{RequestsPerSecond: 100}, []ask{{0, 10, 0}, {time.Hour, 10, time.Hour}, {time.Hour, 10, time.Hour + 10*ms}}},
		{"events", Pace{EventsPerSecond: 1000}, []ask{{0, 10, 0}, {0, 10, 10 * ms}, {0, 1, 11 * ms}, {0, 500, 511 * ms}}},
		{"more events than the burst", Pace{EventsPerSecond: 1000}, []ask{{0, 1000, 990 * ms}, {0, 1000, 1990 * ms}, {time.Minute, 1000, time.Minute + 990*ms}}},
		{"less than one a second", Pace{RequestsPerSecond: 0.5, EventsPerSecond: 0.1}, []ask{{0, 1, 0}, {0, 1, 10 * time.Second}}},
		{"a large request holds up those behind", Pace{RequestsPerSecond: 100, EventsPerSecond: 1000},
			[]ask{{0, 1000, 990 * ms}, {0, 1, 1000 * ms}, {0, 1, 1010 * ms}, {0, 1, 1020 * ms}}},
	} {
		p := newPacer(test.pace)
		for i, a := range test.asks {
			got := p.slot(start.Add(a.at), a.events).Sub(start)
			if (got - a.want).Abs() > time.Microsecond {
				t.Errorf("%s: request %d at %v, want %v", test.name, i, got, a.want)
			}
		}
	}
}

func TestIDPacer(t *testing.T) {
	p := newIDPacer(10)
	start := p.epoch
	batch := func(n int, device, user uint64) []event {
		return slices.Repeat([]event{{device: device, user: user}}, n)
	}
	for i, test := range []struct {
		batch []event
		want  time.Duration
	}{
		{batch(10, 1, 0), 0},
		{batch(5, 2, 0), 0},
		{batch(10, 1, 0), time.Second},
		{batch(10, 1, 7), 2 * time.Second},
		{batch(1, 3, 7), 3 * time.Second}, // the same user on another device
		{batch(1, 0, 0), 0},
		{append(batch(1, 2, 0), batch(1, 9, 0)...), 500 * time.Millisecond},
	} {
		if got := p.slot(start, test.batch).Sub(start); got != test.want {
			t.Errorf("batch %d: %v, want %v", i, got, test.want)
		}
	}
}

func TestIDPacerForgetsThePast(t *testing.T) {
	p := newIDPacer(300)
	now := p.epoch
	for i := range uint64(200_000) {
		now = now.Add(40 * time.Microsecond) // 25 000 events a second
		p.slot(now, []event{{device: 2*i + 1, user: 2*i + 2}})
		if len(p.free) > 2*minSweep {
			t.Fatalf("%d ids after %d events", len(p.free), i)
		}
	}
}

func TestPaceOverMinutes(t *testing.T) {
	const perPartition, partitions = 400, 8
	sizes := slices.Repeat([]int{perPartition}, partitions)
	for _, test := range []struct {
		name      string
		pace      Pace
		perSecond float64 // events
		requests  float64
	}{
		{"requests", Pace{RequestsPerSecond: 20}, 200, 20},
		{"events", Pace{EventsPerSecond: 100}, 100, 10},
		{"ids", Pace{IDEventsPerSecond: 15}, 15 * partitions, 1e9},
		{"shared user", Pace{IDEventsPerSecond: 150}, 150, 1e9},
	} {
		parts := lines(sizes...)
		if test.name == "shared user" {
			for p := range parts {
				for i := range parts[p] {
					parts[p][i] = fmt.Sprintf(`{"user_id":"shared-user","insert_id":"%d/%d"}`, p, i)
				}
			}
		}
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(*received) reply { return reply{delay: 50 * time.Millisecond} })
				o := options(partitionFolder(t, parts), f)
				o.Pace, o.Gzip = test.pace, false
				start := time.Now()
				mustRun(t, o)
				took := time.Since(start).Seconds()
				want := perPartition * partitions / test.perSecond
				if took < 0.97*want || took > 1.03*want+1 {
					t.Errorf("%d events took %.1f s, want %.1f", perPartition*partitions, took, want)
				}
				f.checkTaken(parts, nil)
				n := 0
				for i, r := range f.requests { // requests in each window of a second
					for f.requests[n].at.Add(time.Second).Before(r.at) {
						n++
					}
					if count := float64(i - n + 1); count > test.requests+2 {
						t.Fatalf("%v requests in a second", count)
					}
				}
			})
		})
	}
}

// After a stall of the destination the run goes on at its pace.
func TestNoBurstAfterAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := newFake(t, func(r *received) reply {
			if since := time.Since(start); since > 5*time.Second && since < 50*time.Second {
				return reply{delay: 50*time.Second - since}
			}
			return reply{}
		})
		o := options(partitionFolder(t, lines(slices.Repeat([]int{400}, 8)...)), f)
		o.Pace = Pace{RequestsPerSecond: 10}
		mustRun(t, o)
		for i := 1; i < len(f.requests); i++ {
			if gap := f.requests[i].at.Sub(f.requests[i-1].at); gap < 99*time.Millisecond {
				t.Fatalf("request %d came %v behind the one before", i, gap)
			}
		}
	})
}

// A process that was stopped must not use the moments it missed: here it is
// stopped for an hour while it waits for the first one.
func TestPacerGivesALateRequestANewMoment(t *testing.T) {
	p := newPacer(Pace{RequestsPerSecond: 10})
	start := time.Now()
	calls := 0
	p.now = func() time.Time {
		if calls++; calls == 1 {
			return start
		}
		return start.Add(time.Hour)
	}
	if err := p.wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if got := p.last.Sub(start); got != time.Hour {
		t.Errorf("the request took the moment at %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.wait(ctx, 1); err == nil {
		t.Error("a pacer did not see that its context ended")
	}
}
