package validate

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// goodEvent is an event of about 1 KB as convert writes them, with the keys in
// its order and nothing wrong with it.
const goodEvent = `{"user_id":"user-001734","device_id":"85afb99c-02c3-40eb-9936-e2dfe476f6baR","event_type":"Feed Viewed 47","time":1672638882729,"insert_id":"GBrCpQH1M5sI","event_id":193,"session_id":1672638840836,"app_version":"6.5.5","platform":"Web","os_name":"Chrome","os_version":"105","device_model":"Mac","country":"United States","region":"Florida","city":"Miami","dma":"Miami, Fl","language":"English","ip":"21.21.23.178","library":"amplitude-js/8.21.4","event_properties":{"load_ms":"","query_state":"https://www.harbor.example.com/harbor/41473?utm_source=partner&q=brave","source_type":"Feed","network_url":"noble meadow","experiment_url":"silent","[App] result.group":false,"item_index":-720.679812},"user_properties":{"battery_size":"meadow_51","price_ms":"golden","search_url":"falcon_51","price_type":"","content_count":"silent harbor","variant_value":27572612,"category_value":51,"button flag 22":39,"button_url":"Help/FAQ","[App] author.flag":false,"session_count":10},"groups":{"org id":["1514"],"company":["noble rocket GmbH & Co"]},"$skip_user_properties_sync":true}`

// benchEvents are n events with nothing wrong with them, some ten of a user in a
// row, as they stand in an export: the time, the ids and what is known of the
// event differ. BENCH_EVENTS names a file of events to take in their place.
func benchEvents(b *testing.B, n int) (lines [][]byte) {
	if path := os.Getenv("BENCH_EVENTS"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		return bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	}
	rng := rand.New(rand.NewPCG(9, 10))
	properties := regexp.MustCompile(`"event_properties":{.*?}`)
	for i := range n {
		var own []string
		for range rng.IntN(13) {
			own = append(own, fmt.Sprintf(`"property %d":%s`, 100*len(own)+rng.IntN(20), []string{`"` + strings.Repeat("x", rng.IntN(30)) + `"`, "true", strconv.Itoa(rng.IntN(1e6))}[rng.IntN(3)]))
		}
		line := properties.ReplaceAllString(goodEvent, `"event_properties":{`+strings.Join(own, ",")+`}`)
		line = strings.NewReplacer("user-001734", fmt.Sprintf("user-%06d", i/10), "85afb99c", fmt.Sprintf("%08x", i/10*7919), "1672638882729", strconv.Itoa(1672638882729+i*331),
			"GBrCpQH1M5sI", fmt.Sprintf("GBrC-%07d", i), `"event_id":193`, fmt.Sprintf(`"event_id":%d`, i), "Feed Viewed 47", fmt.Sprintf("Feed Viewed %d", rng.IntN(60)),
			`"meadow_51"`, fmt.Sprintf(`"meadow_%d"`, i/10)).Replace(line)
		lines = append(lines, []byte(line))
	}
	return lines
}

// BenchmarkFastPath is the whole check of an event that nothing is wrong with.
func BenchmarkFastPath(b *testing.B) {
	c := newTestChecker(b, Options{})
	benchLines(b, func(line []byte) error {
		_, err := c.check(line)
		return err
	})
}

// benchLines does something to one event after the other.
func benchLines(b *testing.B, do func(line []byte) error) {
	lines := benchEvents(b, 10_000)
	b.ReportAllocs()
	i, size := 0, 0
	for b.Loop() {
		line := lines[i%len(lines)]
		i++
		size += len(line)
		if err := do(line); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(size / i))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkLibrary is decoding and the schema library alone, which the fast
// path stands in for.
func BenchmarkLibrary(b *testing.B) {
	c := newTestChecker(b, Options{})
	benchLines(b, func(line []byte) error {
		value, err := decode(line)
		if err != nil {
			return err
		}
		return c.schema.Validate(value)
	})
}

// BenchmarkFindings is an event that the schema takes but that rules find
// something in, properties included.
func BenchmarkFindings(b *testing.B) {
	c := newTestChecker(b, Options{})
	line := bytes.Replace([]byte(goodEvent), []byte(`"variant_value":27572612`), []byte(`"variant_value":2757261269631344653`), 1)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if found, err := c.check(line); err != nil || len(found) != 1 {
			b.Fatal(found, err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkRun validates a plain file of 64 MB.
func BenchmarkRun(b *testing.B) {
	const events = 64_000
	b.Setenv("BENCH_EVENTS", "")
	path := filepath.Join(b.TempDir(), "events.ndjson")
	var text []byte
	for _, line := range benchEvents(b, events) { // no insert id occurs twice
		text = append(append(text, line...), '\n')
	}
	if err := os.WriteFile(path, text, 0o666); err != nil {
		b.Fatal(err)
	}
	for _, jobs := range []int{1, 2} {
		b.Run(fmt.Sprintf("jobs=%d", jobs), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s, err := Run(context.Background(), Options{Paths: []string{path}, Jobs: jobs})
				if err != nil || s.Valid != events {
					b.Fatal(s, err)
				}
			}
			b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
		})
	}
}
