package convert

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	at := func(s string) int64 {
		tm, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return tm.UnixMilli()
	}
	second := at("2023-01-02T03:04:05Z")
	for _, tt := range []struct {
		text string
		want int64
	}{
		{"2023-01-02 03:04:05", second},
		{"2023-01-02 03:04:05.1", second + 100},
		{"2023-01-02 03:04:05.12", second + 120},
		{"2023-01-02 03:04:05.123", second + 123},
		{"2023-01-02 03:04:05.1239", second + 123},
		{"2023-01-02 03:04:05.12399", second + 123},
		{"2023-01-02 03:04:05.123999", second + 123},
		{"2023-01-02 03:04:05.1239999", second + 123},
		{"2023-01-02 03:04:05.12399999", second + 123},
		{"2023-01-02 03:04:05.123999999", second + 123},
		{"2023-01-02 03:04:05.000999", second},
		{"2023-01-02T03:04:05", second},
		{"2023-01-02T03:04:05.5Z", second + 500},
		{"2023-01-02 03:04:05z", second},
		{"2023-01-02 03:04:05 UTC", second},
		{"2023-01-02 03:04:05.5 UTC", second + 500},
		{"2023-01-02T03:04:05+02:00", second - 2*3600_000},
		{"2023-01-02T03:04:05.25-0530", second + (5*60+30)*60_000 + 250},
		{"2023-01-02 03:04:05 +00:00", second},
		{"2023-01-02 03:04:05+02", second - 2*3600_000},
		{"1970-01-01 00:00:00", 0},
		{"1969-12-31 23:59:59.999999", -1},
		{"1969-12-31 23:59:59.9990", -1},
		{"1969-12-31 23:59:59.0001", -1000},
		{"1969-12-31 23:59:58.5", -1500},
		{"1970-01-01 00:00:00.5+00:01", -59_500},
		{"2024-02-29 00:00:00", at("2024-02-29T00:00:00Z")},
		{"2000-02-29 00:00:00", at("2000-02-29T00:00:00Z")},
		{"2023-12-31 23:59:59.999", at("2023-12-31T23:59:59.999Z")},
		{"0001-01-01 00:00:00", at("0001-01-01T00:00:00Z")},
		{"9999-12-31 23:59:59", at("9999-12-31T23:59:59Z")},
	} {
		t.Run(tt.text, func(t *testing.T) {
			got := eventKeys(t, Rules{}, exportLine("event_time", `"`+tt.text+`"`))["time"]
			if want := fmt.Sprint(tt.want); got != want {
				t.Errorf("time %s, want %s", got, want)
			}
			if ms, ok := referenceTime(tt.text); !ok || ms != got {
				t.Errorf("the reference says %s, %v", ms, ok)
			}
		})
	}
}

func TestUnreadableTimes(t *testing.T) {
	for _, value := range []string{
		`"2023-02-29 00:00:00"`, `"1900-02-29 00:00:00"`, `"2023-04-31 00:00:00"`, `"2023-01-32 00:00:00"`, `"2023-01-00 00:00:00"`,
		`"2023-00-01 00:00:00"`, `"2023-13-01 00:00:00"`, `"2023-01-02 24:00:00"`, `"2023-01-02 00:60:00"`, `"2023-01-02 00:00:60"`,
		`"2023-01-02"`, `"2023-01-02 03:04"`, `"2023-1-2 03:04:05"`, `"2023-01-02 3:04:05"`, `"2023/01/02 03:04:05"`,
		`"2023-01-02 03:04:05."`, `"2023-01-02 03:04:05,5"`, `"2023-01-02 03:04:05 CET"`, `"2023-01-02 03:04:05+24:00"`,
		`"2023-01-02 03:04:05+01:60"`, `"2023-01-02 03:04:05+1"`, `"2023-01-02 03:04:05+01:0"`, `"2023-01-02 03:04:05+"`, `"2023-01-02 03:04:05ZZ"`,
		`" 2023-01-02 03:04:05"`, `"-023-01-02 03:04:05"`, `"2023-01-02 03:04:0\u0660"`, `"yesterday"`, `" "`,
		"1672628645", "1672628645.5", "true", `{"a":1}`, `["2023-01-02 03:04:05"]`,
	} {
		// Another time would be a guess: only an absent one is replaced.
		_, v, _ := mapLine(Rules{}, exportLine("event_time", value, "client_event_time", `"2023-01-02 03:04:05"`))
		if v.kind != refused || v.rule != ruleTime {
			t.Errorf("%s: verdict %d %s, want %s", value, v.kind, v.rule, ruleTime)
		}
	}
}

func TestTimeFallsBack(t *testing.T) {
	// Each of the four times in its second, 1 to 4; the first that is there counts.
	for _, absent := range []string{"", "null", `""`} {
		all := []string{
			"event_time", `"1970-01-01 00:00:01"`, "client_event_time", `"1970-01-01 00:00:02"`,
			"server_received_time", `"1970-01-01 00:00:03"`, "server_upload_time", `"1970-01-01 00:00:04"`,
		}
		for n := 1; n <= 4; n++ {
			line := exportLine(all...)
			if got, want := eventKeys(t, Rules{}, line)["time"], fmt.Sprint(n*1000); got != want {
				t.Errorf("%s: time %s, want %s", line, got, want)
			}
			all[2*n-1] = absent
		}
		line := exportLine(append(all, "client_upload_time", `"1970-01-01 00:00:05"`)...)
		if _, v, _ := mapLine(Rules{}, line); v.kind != refused || v.rule != ruleNoTime {
			t.Errorf("%s: verdict %d %s, want %s", line, v.kind, v.rule, ruleNoTime)
		}
	}
}

// Times as Amplitude writes them, at random, mean what the time package says.
func TestTimesLikeTimePackage(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		tm := time.UnixMicro(rng.Int64N(4e15) - 1e15).UTC()
		text := tm.Format("2006-01-02 15:04:05.000000")
		ms, ok := parseTime([]byte(text))
		if want := tm.UnixMilli(); !ok || ms != want {
			t.Fatalf("%s: %d, %v, want %d", text, ms, ok, want)
		}
	}
}
