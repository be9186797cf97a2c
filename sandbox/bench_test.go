package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// template is an event of 1 KB with room for 16 digits in its insert_id and
// user_id.
func template() string {
	head := `{"insert_id":"00000000-0000-4000-8000-################","user_id":"user-################","device_id":"7d3f5c9e-0000-4000-8000-0123456789ab",` +
		`"event_type":"product viewed","time":1700000000000,"session_id":1700000000000,"event_id":17,"platform":"Web","os_name":"Chrome",` +
		`"os_version":"119","device_model":"Windows","language":"English","country":"Germany","region":"Berlin","city":"Berlin","ip":"203.0.113.7",` +
		`"app_version":"1.2.3","$skip_user_properties_sync":true,"event_properties":{`
	var props []string
	for i := 0; len(head)+len(strings.Join(props, ",")) < 980; i++ {
		props = append(props, fmt.Sprintf(`"property %d":"value %d"`, i, i*i))
	}
	return head + strings.Join(props, ",") + "}}"
}

// request is a body whose events can be given new ids in place.
type request struct {
	body []byte
	at   []int // of the digits
}

func newRequest(events int) *request {
	list := make([]string, events)
	for i := range list {
		list[i] = template()
	}
	r := &request{body: []byte(batch(list...))}
	hashes := []byte("################")
	for i := 0; ; {
		k := bytes.Index(r.body[i:], hashes)
		if k < 0 {
			return r
		}
		r.at = append(r.at, i+k)
		i += k + len(hashes)
	}
}

func (r *request) renew(counter *atomic.Int64) {
	for _, at := range r.at {
		n := counter.Add(1)
		for i := 15; i >= 0; i-- {
			r.body[at+i] = byte('0' + n%10)
			n /= 10
		}
	}
}

func bench(b *testing.B, o Options, events int, send func(s *Server, r *request) int) {
	s := newServer(b, o)
	var counter atomic.Int64
	b.SetBytes(int64(len(newRequest(events).body)))
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	b.SetParallelism(4)
	b.RunParallel(func(p *testing.PB) {
		r := newRequest(events)
		for p.Next() {
			r.renew(&counter)
			if code := send(s, r); code != http.StatusOK {
				b.Errorf("answer %d", code)
				return
			}
		}
	})
	b.StopTimer()
	took := time.Since(start)
	if n := s.Summary(); n.Accepted != int64(b.N*events) || n.Duplicates != 0 {
		b.Fatalf("summary %+v after %d requests", n, b.N)
	}
	b.ReportMetric(float64(b.N*events)/took.Seconds(), "events/s")
	b.ReportMetric(float64(b.N)/took.Seconds(), "requests/s")
}

// BenchmarkHandler is the server without the network.
func BenchmarkHandler(b *testing.B) {
	for _, events := range []int{1000, 10} {
		send := func(s *Server, r *request) int {
			q := httptest.NewRequest(http.MethodPost, "/batch", bytes.NewReader(r.body))
			q.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, q)
			return w.Code
		}
		b.Run(fmt.Sprintf("memory/%d", events), func(b *testing.B) { bench(b, Options{}, events, send) })
		b.Run(fmt.Sprintf("throttle/%d", events), func(b *testing.B) {
			bench(b, Options{Throttle: 1e9, DailyQuota: 1 << 40}, events, send)
		})
		b.Run(fmt.Sprintf("disk/%d", events), func(b *testing.B) { bench(b, Options{Data: b.TempDir()}, events, send) })
		b.Run(fmt.Sprintf("memory+events/%d", events), func(b *testing.B) { bench(b, Options{Events: true}, events, send) })
		b.Run(fmt.Sprintf("disk+events/%d", events), func(b *testing.B) { bench(b, Options{Data: b.TempDir(), Events: true}, events, send) })
	}
}

// BenchmarkLoopback is the server behind HTTP, with clients on the same cores.
func BenchmarkLoopback(b *testing.B) {
	for _, events := range []int{1000, 10} {
		for _, where := range []string{"memory", "disk", "memory+events", "disk+events"} {
			b.Run(fmt.Sprintf("%s/%d", where, events), func(b *testing.B) {
				o := Options{Events: strings.HasSuffix(where, "+events")}
				if strings.HasPrefix(where, "disk") {
					o.Data = b.TempDir()
				}
				var web *httptest.Server
				client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
				started := make(chan struct{}, 1)
				started <- struct{}{}
				bench(b, o, events, func(s *Server, r *request) int {
					<-started
					if web == nil {
						web = httptest.NewServer(s)
					}
					started <- struct{}{}
					a, err := client.Post(web.URL+"/batch", "application/json", bytes.NewReader(r.body))
					if err != nil {
						return 0
					}
					io.Copy(io.Discard, a.Body)
					a.Body.Close()
					return a.StatusCode
				})
				client.CloseIdleConnections()
				if web != nil {
					web.Close()
				}
			})
		}
	}
}
