package partition

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
)

// benchmarkLines are events of about 1 kB, as convert writes them.
func benchmarkLines(n int) string {
	rnd := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	for i := range n {
		person := rnd.IntN(n/20 + 1)
		if person%3 > 0 {
			fmt.Fprintf(&b, `{"user_id":"user-%08d",`, person)
		} else {
			b.WriteByte('{')
		}
		fmt.Fprintf(&b, `"device_id":"device-%08d","event_type":"screen viewed","time":%d,"insert_id":"%016x-%d","event_id":%d,"session_id":%d,`,
			person, 1_700_000_000_000+rnd.IntN(1e9), rnd.Uint64(), i, i, person)
		b.WriteString(`"event_properties":{`)
		for p := range 8 {
			fmt.Fprintf(&b, `"property %d":"%x",`, p, rnd.Uint64())
		}
		fmt.Fprintf(&b, `"list":[1,2.5,true,null]},"user_properties":{"plan":"free","text":"%x%x"},"groups":{},`, rnd.Uint64(), rnd.Uint64())
		b.WriteString(`"app_version":"4.7.0","platform":"iOS","os_name":"ios","os_version":"17.2.1","device_model":"iPhone 15","carrier":"NTT DOCOMO",` +
			`"country":"Japan","region":"Tokyo","city":"Shibuya","language":"Japanese","location_lat":35.404,"location_lng":139.9034,` +
			`"ip":"106.118.168.185","library":"amplitude-ios/8.14.0","$skip_user_properties_sync":true}` + "\n")
	}
	return b.String()
}

// BenchmarkRun partitions 50 000 events, in memory and spilled. The synced
// bytes of a small set are not what it measures: files are not synced.
func BenchmarkRun(b *testing.B) {
	text := benchmarkLines(50_000)
	for _, mode := range []struct {
		name     string
		resident int64
		compress eventfile.Compression
	}{{"resident", 0, eventfile.None}, {"spilled", -1, eventfile.None}, {"spilled to zst", -1, eventfile.Zstd}} {
		b.Run(mode.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "in.ndjson")
			if err := durable.WriteFile(durable.OS, path, []byte(text)); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				o := Options{Paths: []string{path}, Out: filepath.Join(b.TempDir(), fmt.Sprint(i)), FS: quickFS{durable.OS},
					Rules: Rules{Compress: mode.compress}, limits: limits{resident: mode.resident}}
				if _, err := Run(context.Background(), o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*50_000/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkScan reads what places an event, of a line that convert vouches for
// and of one that has to be validated.
func BenchmarkScan(b *testing.B) {
	lines := strings.SplitAfter(benchmarkLines(1000), "\n")
	for _, vouched := range []bool{true, false} {
		b.Run(fmt.Sprintf("vouched=%v", vouched), func(b *testing.B) {
			s := scanner{vouched: vouched}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				line := lines[i%1000]
				b.SetBytes(int64(len(line)))
				if _, f := s.event([]byte(line[:len(line)-1])); f != nil {
					b.Fatal(f)
				}
			}
		})
	}
}
