package report

import (
	"encoding/json"
	"io"

	"export2batch/internal/finding"
)

// jsonReport writes an object a line: findings, and last the summary.
type jsonReport struct{ w io.Writer }

func (j *jsonReport) Add(f finding.Finding) error { return j.line(f) }

func (j *jsonReport) Close(t Total) error { return j.line(t.Summary) }

func (j *jsonReport) line(v any) error {
	enc := json.NewEncoder(j.w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
