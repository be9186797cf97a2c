package upload

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"export2batch/internal/durable"
)

// batchServer reads and counts, and answers as documented.
func batchServer(b *testing.B) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		zr, err := gzip.NewReader(r.Body)
		if err != nil {
			b.Error(err)
			return
		}
		body, err := io.ReadAll(zr)
		if err != nil {
			b.Error(err)
		}
		fmt.Fprintf(w, `{"code":200,"events_ingested":%d,"payload_size_bytes":%d}`, bytes.Count(body, []byte(`"insert_id"`)), len(body))
	}))
	b.Cleanup(s.Close)
	return s
}

// BenchmarkUpload sends 64 partitions of events of 1 KB, the journal synced to
// a real disk, the server in the same process.
func BenchmarkUpload(b *testing.B) {
	for _, test := range []struct{ events, perRequest, parallel int }{
		{64_000, 10, 16}, {64_000, 10, 32}, {64_000, 10, 64}, {256_000, 1000, 16},
	} {
		b.Run(fmt.Sprintf("%d-a-request/%d-parallel", test.perRequest, test.parallel), func(b *testing.B) {
			const partitions = 64
			parts := make([][]string, partitions)
			for p := range parts {
				for i := range test.events / partitions {
					parts[p] = append(parts[p], fmt.Sprintf(`{"device_id":"device-%d-%d","user_id":"user-%d","event_type":"open","insert_id":"%d/%d","event_properties":{"text":"%s"}}`,
						p, i/20, i/20, p, i, strings.Repeat(fmt.Sprintf("value %d ", i*7919), 80)))
				}
			}
			dir := partitionFolder(b, parts)
			server := batchServer(b)
			b.ReportAllocs()
			b.ResetTimer()
			var requests, events int64
			for range b.N {
				o := Options{Dir: dir, State: b.TempDir(), URL: server.URL, APIKey: testKey, Gzip: true,
					EventsPerRequest: test.perRequest, Parallel: test.parallel, Pace: Pace{IDEventsPerSecond: 1e6}, FS: durable.OS}
				sum, err := Run(b.Context(), o)
				if err != nil || sum.Accepted != int64(test.events) {
					b.Fatalf("%v %+v", err, sum)
				}
				requests, events = requests+sum.Requests, events+sum.Accepted
			}
			b.ReportMetric(float64(requests)/b.Elapsed().Seconds(), "requests/s")
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
