package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"export2batch/internal/eventfile"
	"export2batch/internal/progress"
	"export2batch/internal/stage"
	"export2batch/upload"
)

// confirm asks before events of a partition folder leave this machine.
func confirm(ctx context.Context, ui *ui, o upload.Options, yes bool) error {
	m, err := stage.Load(o.Dir)
	if err != nil {
		return err
	}
	what := describeEvents(m.Files)
	if s, err := upload.ReadStatus(o.Dir, o.State); err == nil { // an upload that has begun
		what = fmt.Sprintf("%s, of which %s are pending,", what, progress.Thousands(s.Pending))
	}
	return confirmText(ctx, ui, o.URL, what+" of "+o.Dir, yes)
}

// describeEvents says how many events there are and from when.
func describeEvents(files []eventfile.Info) string {
	var events int64
	var first, last *int64
	for _, f := range files {
		events += f.Events
		if f.FirstTime != nil && (first == nil || *f.FirstTime < *first) {
			first = f.FirstTime
		}
		if f.LastTime != nil && (last == nil || *f.LastTime > *last) {
			last = f.LastTime
		}
	}
	text := progress.Thousands(events) + " events"
	if first != nil && last != nil {
		day := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.DateOnly) }
		text += " from " + day(*first) + " to " + day(*last)
	}
	return text
}

// confirmText asks before what leaves this machine.
func confirmText(ctx context.Context, ui *ui, base, what string, yes bool) error {
	if yes || onThisMachine(base) {
		return nil
	}
	in, ok := ui.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return usagef("%s go to %s and cannot be taken back: say so with --yes", what, describeServer(base))
	}
	fmt.Fprintf(ui.stderr, "export2batch: %s go to %s, into the project of the API key. This cannot be undone. Type yes to go on: ", what, describeServer(base))
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // an error is no yes
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case a := <-answer:
		if a != "yes" {
			return errors.New("not confirmed, nothing was sent")
		}
		return nil
	}
}

// describeServer names Amplitude's regions beside their addresses.
func describeServer(base string) string {
	switch base {
	case destinations["us"]:
		return base + " (Amplitude, US)"
	case destinations["eu"]:
		return base + " (Amplitude, EU)"
	}
	return base
}
