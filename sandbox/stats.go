package sandbox

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

const (
	chartSeconds = 120 // of the live plot
	chartTypes   = 7   // with a line of their own; the rest is one more
	chartDays    = 400 // of the plot by event time: the latest
)

// stats is what the page shows.
type stats struct {
	Now     int64            `json:"now"`     // the sandbox's time in ms
	Uptime  int64            `json:"uptime"`  // s on the wall
	Scale   float64          `json:"scale"`   // of time
	Rate    float64          `json:"rate"`    // events/s over the last 5 s
	Peak    float64          `json:"peak"`    // events in the best second of the live plot
	Totals  totals           `json:"totals"`  //
	Answers map[string]int64 `json:"answers"` // since the start
	Faults  string           `json:"faults"`
	Events  bool             `json:"events"` // people and events can be looked at
	Live    chart            `json:"live"`
	Days    chart            `json:"days"`
	Newest  []personLabel    `json:"newest"`
}

// chart is a stacked plot: values by series and place on the x axis.
type chart struct {
	X      []int64  `json:"x"` // Unix seconds
	Series []series `json:"series"`
}

type series struct {
	Name   string   `json:"name"`
	Total  int64    `json:"total"`
	Values []uint32 `json:"values"`
}

func (s *Server) serveStats(w http.ResponseWriter, r *http.Request) {
	wall := s.opts.Now()
	st := stats{
		Now: s.time.now().UnixMilli(), Uptime: int64(wall.Sub(s.meter.started) / time.Second), Scale: s.opts.TimeScale,
		Rate: s.meter.rate(wall, 5), Totals: s.totals(), Answers: s.Summary().ByAnswer, Faults: s.faults.current().String(),
		Events: s.content != nil, Newest: s.newest(),
	}
	st.Live, st.Peak = s.meter.live(wall.Unix())
	st.Days = s.meter.byDay()
	serveJSON(w, st)
}

func serveJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		refuse(http.StatusInternalServerError, "Internal server error").write(w)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	answer{code: http.StatusOK, contentType: "application/json", body: text}.write(w)
}

// live is the plot of the last seconds, the current one left out.
func (m *meter) live(now int64) (c chart, peak float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.X = make([]int64, chartSeconds)
	rows := make([][]uint32, chartSeconds)
	for i := range c.X {
		at := now - chartSeconds + int64(i)
		c.X[i] = at
		if s := &m.seconds[(at%meterSeconds+meterSeconds)%meterSeconds]; s.at == at {
			rows[i] = s.types
			peak = max(peak, float64(s.events))
		}
	}
	c.Series = m.series(rows)
	return c, peak
}

// byDay is the plot by the day on which events happened.
func (m *meter) byDay() (c chart) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.days) == 0 {
		return c
	}
	first, last := int64(1<<62), int64(0)
	for d := range m.days {
		first, last = min(first, d), max(last, d)
	}
	first = max(first, last-chartDays+1)
	var rows [][]uint32
	for d := first; d <= last; d++ {
		c.X = append(c.X, d*day)
		rows = append(rows, m.days[d])
	}
	c.Series = m.series(rows)
	return c
}

// series makes the series of a plot from rows of counts by type: those with
// the highest totals, and the rest together. The caller holds mu.
func (m *meter) series(rows [][]uint32) []series {
	order := make([]int, len(m.names))
	for k := range order {
		order[k] = k
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(m.totals[b], m.totals[a]), cmp.Compare(m.names[a], m.names[b]))
	})
	var all []series
	for place, k := range order {
		if place <= chartTypes {
			all = append(all, series{Name: m.names[k], Values: make([]uint32, len(rows))})
		}
		to := &all[min(place, chartTypes)]
		to.Total += m.totals[k]
		for x, row := range rows {
			if k < len(row) {
				to.Values[x] += row[k]
			}
		}
	}
	if len(order) > chartTypes+1 {
		all[chartTypes].Name = "all others"
	}
	return all
}
