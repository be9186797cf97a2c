package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"export2batch/internal/finding"
	"export2batch/internal/progress"
)

// ui is the policy of everything printed. Results go to standard output. All
// else goes to standard error, one line a message, "export2batch: " before it,
// lower case, no full stop; findings stand without the prefix, as compilers
// print them.
type ui struct {
	system
	json, quiet bool
	mode        progress.Mode
	resumes     bool // the command, started again, goes on where it was stopped

	mu       sync.Mutex // one line at a time on standard error
	findings int
}

// maxFindings is how many findings are printed before they are only counted.
const maxFindings = 20

func (ui *ui) configure(c *cli.Context) error {
	ui.json, ui.quiet = c.Bool("json"), c.Bool("quiet")
	ui.mode = progress.Mode(c.String("progress"))
	switch ui.mode {
	case progress.Auto:
		ui.mode = progress.Plain
		if f, ok := ui.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			ui.mode = progress.Bar
		}
	case progress.Bar, progress.Plain, progress.None:
	default:
		return usagef("unknown --progress %q: auto, bar, plain or none", string(ui.mode))
	}
	if ui.quiet {
		ui.mode = progress.None
	}
	return nil
}

func (ui *ui) errorf(format string, args ...any) {
	ui.mu.Lock()
	defer ui.mu.Unlock()
	fmt.Fprintf(ui.stderr, "export2batch: "+format+"\n", args...)
}

// note prints a message that is no error.
func (ui *ui) note(format string, args ...any) {
	if !ui.quiet {
		ui.errorf(format, args...)
	}
}

// find prints a finding on standard error, up to maxFindings of them.
func (ui *ui) find(f finding.Finding) {
	ui.mu.Lock()
	defer ui.mu.Unlock()
	ui.findings++
	if !ui.quiet && ui.findings <= maxFindings {
		fmt.Fprintln(ui.stderr, f)
	}
}

// endFindings says how many findings were not printed, and where they are.
func (ui *ui) endFindings(where string) {
	if more := ui.findings - maxFindings; more > 0 {
		ui.note("%s more like these%s", progress.Thousands(int64(more)), where)
	}
	ui.findings = 0
}

// result prints v as JSON, or else what text prints.
func (ui *ui) result(v any, text func(io.Writer)) error {
	if !ui.json {
		out := bufio.NewWriter(ui.stdout) // keeps the first error
		text(out)
		return out.Flush()
	}
	enc := json.NewEncoder(ui.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// stage shows the progress of work and returns how many events a second it got
// done, to whole events.
func (ui *ui) stage(name string, work func(*progress.Meter) error) (perSecond float64, err error) {
	meter := &progress.Meter{}
	start := time.Now()
	stop := progress.Start(lockedWriter{ui}, ui.mode, name, meter)
	err = work(meter)
	stop()
	return math.Floor(float64(meter.Events()) / max(time.Since(start).Seconds(), 0.001)), err
}

type lockedWriter struct{ ui *ui }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.ui.mu.Lock()
	defer w.ui.mu.Unlock()
	return w.ui.stderr.Write(p)
}

// rate is the last word of a stage's account.
func rate(eventsPerSecond float64, finished bool) string {
	if finished {
		return "already finished"
	}
	return progress.Thousands(int64(eventsPerSecond)) + " events/s"
}

// count writes "n name" with its reasons behind it.
func count(n int64, name string, by map[string]int64) string {
	s := progress.Thousands(n) + " " + name
	if len(by) == 0 {
		return s
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%s %s", k, progress.Thousands(by[k])))
	}
	return s + " (" + strings.Join(parts, ", ") + ")"
}
