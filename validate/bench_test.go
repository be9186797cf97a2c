package validate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goodEvent is an event of about 1 KB as convert writes them, with the keys in
// its order and nothing wrong with it.
const goodEvent = `{"user_id":"user-001734","device_id":"85afb99c-02c3-40eb-9936-e2dfe476f6baR","event_type":"Feed Viewed 47","time":1672638882729,"insert_id":"GBrCpQH1M5sI","event_id":193,"session_id":1672638840836,"app_version":"6.5.5","platform":"Web","os_name":"Chrome","os_version":"105","device_model":"Mac","country":"United States","region":"Florida","city":"Miami","dma":"Miami, Fl","language":"English","ip":"21.21.23.178","library":"amplitude-js/8.21.4","event_properties":{"load_ms":"","query_state":"https://www.harbor.example.com/harbor/41473?utm_source=partner&q=brave","source_type":"Feed","network_url":"noble meadow","experiment_url":"silent","[App] result.group":false,"item_index":-720.679812},"user_properties":{"battery_size":"meadow_51","price_ms":"golden","search_url":"falcon_51","price_type":"","content_count":"silent harbor","variant_value":27572612,"category_value":51,"button flag 22":39,"button_url":"Help/FAQ","[App] author.flag":false,"session_count":10},"groups":{"org id":["1514"],"company":["noble rocket GmbH & Co"]},"$skip_user_properties_sync":true}`

// BenchmarkFastPath is the whole check of an event that nothing is wrong with.
func BenchmarkFastPath(b *testing.B) {
	c := newTestChecker(b, Options{})
	line := []byte(goodEvent)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		found, err := c.check(line)
		if err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkLibrary is decoding and the schema library alone, which the fast
// path stands in for. BENCH_EVENTS names a file of events to take instead of
// one, for bench/run.sh.
func BenchmarkLibrary(b *testing.B) {
	c := newTestChecker(b, Options{})
	lines := [][]byte{[]byte(goodEvent)}
	if path := os.Getenv("BENCH_EVENTS"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		lines = bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	}
	b.ReportAllocs()
	i, size := 0, 0
	for b.Loop() {
		line := lines[i%len(lines)]
		i++
		size += len(line)
		value, err := decode(line)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.schema.Validate(value); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(size / i))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
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
	path := filepath.Join(b.TempDir(), "events.ndjson")
	var text []byte
	for i := range events { // no insert id occurs twice
		text = append(text, strings.Replace(goodEvent, "GBrCpQH1M5sI", fmt.Sprintf("GBrC-%07d", i), 1)...)
		text = append(text, '\n')
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
