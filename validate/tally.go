package validate

import (
	"export2batch/internal/finding"
	"export2batch/internal/progress"
	"export2batch/internal/source"
)

// once are the rules that are told once an input, with a count, since they
// mostly concern all of its events or none.
type once uint8

const (
	onceOld once = iota
	onceReserved
	onceRaw
	onceCount
)

// onceTable says how those rules are told.
var onceTable = [onceCount]struct{ rule, one, many string }{
	onceOld: {ruleTimeOld, "event is 30 days old or older: it takes up to 48 hours to show everywhere",
		"events are 30 days old or older: they take up to 48 hours to show everywhere"},
	onceReserved: {ruleReserved, "event has names that Amplitude keeps for itself, with $ or [Amplitude] in front",
		"events have names that Amplitude keeps for itself, with $ or [Amplitude] in front"},
	onceRaw: {ruleRawExport, "line is that of a raw export: convert it first, or check it with --schema export",
		"lines are those of a raw export: convert them first, or check them with --schema export"},
}

// tally counts the events of an input by such rules.
type tally [onceCount]int64

func (t *tally) add(o *tally) {
	for i := range t {
		t[i] += o[i]
	}
}

// findings tells what was counted of an input.
func (t *tally) findings(in *source.Input, severities map[string]finding.Severity, tell finding.Sink) {
	for i, n := range t {
		told := &onceTable[i]
		severity, on := severities[told.rule]
		if n == 0 || !on {
			continue
		}
		tell(finding.Finding{Place: in.Place(0), Rule: told.rule, Severity: severity,
			Message: progress.Amount(n, told.one, told.many)})
	}
}

// note counts an event under a rule.
func (c *checker) note(o once) { c.tally[o]++ }

// rawKeys are keys that exports have and events have not.
var rawKeys = map[string]bool{"$insert_id": true, "amplitude_id": true, "event_time": true, "server_upload_time": true, "client_event_time": true, "uuid": true}

// isRaw tells whether an event is a line of an export.
func (e *event) isRaw() bool {
	n := 0
	for i := range e.fields {
		if e.keys[i] == keyUnknown && rawKeys[string(e.fields[i].Key(e.text))] {
			n++
		}
	}
	return n >= 2
}
