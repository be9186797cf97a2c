package monitor

import (
	"maps"
	"slices"
	"strconv"

	"export2batch/upload"
)

// metrics writes Prometheus' text format. Names and labels are the package's
// own, rules and statuses come from upload and hold nothing to be escaped.
type metrics []byte

func (m *metrics) head(name, kind, help string) {
	*m = append(*m, "# HELP export2batch_upload_"+name+" "+help+"\n# TYPE export2batch_upload_"+name+" "+kind+"\n"...)
}

func (m *metrics) value(name, labels string, v float64) {
	if labels != "" {
		labels = "{" + labels + "}"
	}
	*m = append(*m, "export2batch_upload_"+name+labels+" "...)
	*m = append(strconv.AppendFloat(*m, v, 'g', -1, 64), '\n')
}

func (m *metrics) one(name, kind, help string, v float64) {
	m.head(name, kind, help)
	m.value(name, "", v)
}

func appendMetrics(dst []byte, s upload.Status) []byte {
	m := metrics(dst)
	m.head("events", "gauge", "Events of the partitions by what became of them, over all runs.")
	for _, e := range []struct {
		state string
		n     int64
	}{{"accepted", s.Accepted}, {"rejected", s.Rejected}, {"pending", s.Pending}} {
		m.value("events", `state="`+e.state+`"`, float64(e.n))
	}
	m.head("rejected_events", "gauge", "Events set aside by rule.")
	for _, rule := range slices.Sorted(maps.Keys(s.RejectedBy)) {
		m.value("rejected_events", `rule="`+rule+`"`, float64(s.RejectedBy[rule]))
	}
	m.one("duplicate_events_total", "counter", "Accepted events that their answer did not count as ingested.", float64(s.Duplicates))
	m.one("resent_events_total", "counter", "Events sent again because an attempt may have been taken.", float64(s.Resent))
	m.one("requests_total", "counter", "Requests sent, over all runs.", float64(s.Requests))
	m.one("retries_total", "counter", "Requests that repeated another, over all runs.", float64(s.Retries))
	n := s.Running
	if n == nil {
		return m
	}
	m.head("answers_total", "counter", "Answers of this run by HTTP status; none: no answer.")
	for _, status := range slices.Sorted(maps.Keys(n.Answers)) {
		m.value("answers_total", `status="`+status+`"`, float64(n.Answers[status]))
	}
	m.one("events_per_second", "gauge", "Events accepted a second, over the last 20 s.", n.EventsPerSecond)
	m.one("requests_per_second", "gauge", "Requests answered a second, over the last 20 s.", n.RequestsPerSecond)
	m.one("in_flight", "gauge", "Requests in flight.", float64(n.InFlight))
	m.one("in_flight_limit", "gauge", "Requests that may be in flight.", float64(n.InFlightLimit))
	m.one("max_body_bytes", "gauge", "Bytes of JSON that a request may have.", float64(n.MaxBytes))
	m.one("throttled_ids", "gauge", "Users and devices slowed down to the server's threshold.", float64(n.ThrottledIDs))
	m.one("parked_ids", "gauge", "Users and devices over their daily quota.", float64(n.ParkedIDs))
	m.one("parked_events", "gauge", "Events that wait for them.", float64(n.ParkedEvents))
	m.head("partitions", "gauge", "Partitions by what they do.")
	for _, p := range []struct {
		state string
		n     int
	}{{"done", n.Partitions.Done}, {"sending", n.Partitions.Sending}, {"waiting", n.Partitions.Waiting}, {"parked", n.Partitions.Parked}, {"queued", n.Partitions.Queued}} {
		m.value("partitions", `state="`+p.state+`"`, float64(p.n))
	}
	return m
}
