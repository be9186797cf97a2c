package upload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"export2batch/internal/durable"
	"export2batch/internal/progress"
)

// The report of the latest run, in the state folder.
const (
	reportJSON = "report.json"
	reportText = "report.txt"
)

// writeReport leaves the account as it is at the end of a run, whatever the
// end was.
func (r *run) writeReport() error {
	s, ok := r.live.Status()
	if !ok {
		return nil
	}
	var err error
	if s.Retry, err = retryStatus(r.folder.path); err != nil {
		return err
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	var text bytes.Buffer
	s.WriteText(&text)
	if err := durable.WriteFile(r.folder.fs, filepath.Join(r.folder.path, reportJSON), append(data, '\n')); err != nil {
		return err
	}
	return durable.WriteFile(r.folder.fs, filepath.Join(r.folder.path, reportText), text.Bytes())
}

// WriteText prints the status for people.
func (s Status) WriteText(w io.Writer) {
	fmt.Fprintf(w, "upload to %s, begun %s\n", s.Destination, s.Begun)
	s.writeAccount(w, "")
	if s.LastAnswer != "" {
		fmt.Fprintf(w, "  last answer %s\n", s.LastAnswer)
	}
	if s.InDoubt > 0 {
		fmt.Fprintf(w, "  %s events are in requests without a decision: in flight, or cut off and sent again first\n", progress.Thousands(s.InDoubt))
	}
	if s.ParkedIDs > 0 {
		fmt.Fprintf(w, "  %s ids are parked for their daily quota\n", progress.Thousands(int64(s.ParkedIDs)))
	}
	indent := "  "
	for r := s.Retry; r != nil; r = r.Retry {
		r.writeAccount(w, indent+"sent again: ")
	}
	if n := s.Running; n != nil {
		p := n.Partitions
		fmt.Fprintf(w, "  %s: %s\n", time.Duration(n.Seconds*float64(time.Second)).Round(time.Second), n.Line())
		fmt.Fprintf(w, "  partitions: %d = %d done + %d sending + %d waiting + %d parked + %d queued\n", p.All, p.Done, p.Sending, p.Waiting, p.Parked, p.Queued)
		var answers []string
		for _, k := range answersByCount(n.Answers) {
			answers = append(answers, fmt.Sprintf("%s × %s", k, progress.Thousands(n.Answers[k])))
		}
		if len(answers) > 0 {
			fmt.Fprintf(w, "  answers: %s\n", strings.Join(answers, ", "))
		}
	}
	if s.Complete && s.Rejected > 0 && s.Retry == nil {
		fmt.Fprintf(w, "  set aside in %s: mend what is in \"text\", then send it with upload retry\n", filepath.Join(s.State, rejectedDir))
	}
}

func (s Status) writeAccount(w io.Writer, name string) {
	var by []string
	for _, rule := range slices.Sorted(maps.Keys(s.RejectedBy)) {
		by = append(by, fmt.Sprintf("%s %s", rule, progress.Thousands(s.RejectedBy[rule])))
	}
	reasons := ""
	if len(by) > 0 {
		reasons = " (" + strings.Join(by, ", ") + ")"
	}
	if name == "" {
		name = "  "
	}
	fmt.Fprintf(w, "%s%s read = %s accepted + %s rejected%s + %s pending\n", name, progress.Thousands(s.Read),
		progress.Thousands(s.Accepted), progress.Thousands(s.Rejected), reasons, progress.Thousands(s.Pending))
	if s.Requests > 0 {
		fmt.Fprintf(w, "%s%s requests, %s of them repeated; %s events sent again in doubt, %s answered as known\n", strings.Repeat(" ", 2),
			progress.Thousands(s.Requests), progress.Thousands(s.Retries), progress.Thousands(s.Resent), progress.Thousands(s.Duplicates))
	}
}

// Line says in one line how the run does.
func (n *Running) Line() string {
	parts := []string{
		fmt.Sprintf("%s events/s", progress.Thousands(int64(n.EventsPerSecond))),
		fmt.Sprintf("%.0f requests/s", n.RequestsPerSecond),
	}
	add := func(n int64, what string) {
		if n > 0 {
			parts = append(parts, progress.Thousands(n)+" "+what)
		}
	}
	add(n.Retries, "retries")
	add(int64(n.ThrottledIDs), "ids throttled")
	add(int64(n.ParkedIDs), "ids parked")
	add(int64(n.Partitions.Waiting+n.Partitions.Parked), "partitions waiting")
	if n.ETASeconds >= 0 {
		parts = append(parts, "ETA "+(time.Duration(n.ETASeconds)*time.Second).String())
	}
	return strings.Join(parts, ", ")
}
