// Package progress shows on standard error how far a stage is: a bar on a
// terminal, a plain line now and then elsewhere.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Meter is what a stage adds to while it works. A nil Meter takes everything
// and shows nothing. It is safe for concurrent use.
type Meter struct {
	events, done, total atomic.Int64
	note                atomic.Pointer[func() string]
}

// SetNote gives what stands behind the count of events, asked for at each
// update; it may be empty.
func (m *Meter) SetNote(note func() string) {
	if m != nil {
		m.note.Store(&note)
	}
}

func (m *Meter) noteText() string {
	if note := m.note.Load(); note != nil {
		if text := (*note)(); text != "" {
			return ", " + text
		}
	}
	return ""
}

// Add notes finished events and work; work is in the unit of SetTotal.
func (m *Meter) Add(events, work int64) {
	if m != nil {
		m.events.Add(events)
		m.done.Add(work)
	}
}

// Events is how many events were added.
func (m *Meter) Events() int64 {
	if m == nil {
		return 0
	}
	return m.events.Load()
}

// SetTotal says how much work there is, most often stored bytes; 0 or less
// means unknown.
func (m *Meter) SetTotal(work int64) {
	if m != nil {
		m.total.Store(work)
	}
}

// Mode is how progress is shown.
type Mode string

// The modes, named as the --progress option names them. Auto is Bar on a
// terminal and Plain elsewhere; the caller decides which.
const (
	Auto  Mode = "auto"
	Bar   Mode = "bar"
	Plain Mode = "plain"
	None  Mode = "none"
)

// Intervals between two updates.
const (
	barInterval   = 200 * time.Millisecond
	plainInterval = 10 * time.Second
)

// Start shows the progress of a stage on w until stop is called, which waits
// for the last update. A plain line appears only after plainInterval, so that
// short stages stay silent.
func Start(w io.Writer, mode Mode, stage string, m *Meter) (stop func()) {
	if mode == None || m == nil {
		return func() {}
	}
	interval := plainInterval
	show := func() { fmt.Fprintln(w, plainLine(stage, m)) }
	finish := func() {}
	if mode == Bar {
		interval = barInterval
		bar := newBar(w, stage)
		show = func() { updateBar(bar, stage, m) }
		finish = func() { bar.Clear() } // the stage's own line replaces it
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				show()
			case <-quit:
				finish()
				return
			}
		}
	})
	var once sync.Once
	return func() { once.Do(func() { close(quit); wg.Wait() }) }
}

func newBar(w io.Writer, stage string) *progressbar.ProgressBar {
	return progressbar.NewOptions64(1000,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(stage),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionClearOnFinish(),
	)
}

func updateBar(bar *progressbar.ProgressBar, stage string, m *Meter) {
	bar.Describe(fmt.Sprintf("%s %s events%s", stage, Thousands(m.events.Load()), m.noteText()))
	if total := m.total.Load(); total > 0 {
		bar.Set64(min(999, m.done.Load()*1000/total)) // full only when the stage says so
	}
}

func plainLine(stage string, m *Meter) string {
	line := fmt.Sprintf("export2batch: %s: %s events", stage, Thousands(m.events.Load()))
	if total := m.total.Load(); total > 0 {
		line += fmt.Sprintf(", %d %%", min(100, m.done.Load()*100/total))
	}
	return line + m.noteText()
}

// Amount writes n and what it counts: one, or many of them.
func Amount(n int64, one, many string) string {
	if n == 1 {
		many = one
	}
	return Thousands(n) + " " + many
}

// Thousands writes n with a space between groups of three digits.
func Thousands(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return sign + s
}
