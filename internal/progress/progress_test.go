package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1 000", 12345: "12 345", 1234567: "1 234 567", -1: "-1", -123: "-123", -1234: "-1 234",
		-1 << 63: "-9 223 372 036 854 775 808",
	} {
		if got := Thousands(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}

func TestPlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Meter
		var out bytes.Buffer
		stop := Start(&out, Plain, "convert", &m)
		time.Sleep(9 * time.Second) // of the test's own clock
		synctest.Wait()
		if out.Len() > 0 {
			t.Errorf("a short stage is not silent: %q", &out)
		}
		m.Add(1234, 50)
		time.Sleep(2 * time.Second)
		m.SetTotal(200)
		time.Sleep(10 * time.Second)
		m.Add(1, 1000) // more than was announced
		time.Sleep(10 * time.Second)
		stop()
		stop()
		time.Sleep(time.Minute)
		want := "export2batch: convert: 1 234 events\nexport2batch: convert: 1 234 events, 25 %\nexport2batch: convert: 1 235 events, 100 %\n"
		if out.String() != want {
			t.Errorf("got  %q\nwant %q", &out, want)
		}
	})
}

func TestBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Meter
		var out bytes.Buffer
		m.SetTotal(4)
		m.Add(1000, 1)
		stop := Start(&out, Bar, "upload", &m)
		time.Sleep(time.Second)
		stop()
		for _, want := range []string{"upload 1 000 events", "25%"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in %q", want, &out)
			}
		}
		if strings.Contains(out.String(), "\n") {
			t.Errorf("the bar leaves its line: %q", &out)
		}
		if last := out.String()[strings.LastIndexByte(strings.TrimSuffix(out.String(), "\r"), '\r')+1:]; strings.TrimSpace(last) != "" {
			t.Errorf("the bar is not cleared: %q", last)
		}
	})
}

func TestNoneAndNil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var none *Meter
		none.Add(1, 1)
		none.SetTotal(1)
		for _, stop := range []func(){Start(&out, None, "x", &Meter{}), Start(&out, Plain, "x", none), Start(&out, Bar, "x", none)} {
			time.Sleep(time.Minute)
			stop()
		}
		if out.Len() > 0 {
			t.Errorf("shown: %q", &out)
		}
	})
}

func TestMeterIsSafeForConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Meter
		var out bytes.Buffer
		stop := Start(&out, Plain, "x", &m)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 100 {
					m.Add(1, 2)
					m.SetTotal(1600)
					time.Sleep(time.Second)
				}
			})
		}
		wg.Wait()
		stop()
		if got := plainLine("x", &m); got != "export2batch: x: 800 events, 100 %" {
			t.Errorf("got %q", got)
		}
	})
}
