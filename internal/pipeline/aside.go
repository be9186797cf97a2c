package pipeline

import (
	"encoding/json"
	"fmt"

	"export2batch/internal/finding"
)

// rejectedEvent is a line of a rejected/ file.
type rejectedEvent struct {
	place finding.Place
	event ids    // of the text that was set aside; empty where that is no event
	newID []byte // the insert id that partition gave the event, which was sent; nil: it was not
}

func readRejected(line []byte) (r rejectedEvent, err error) {
	var raw struct {
		finding.Place
		Text  string  `json:"text"`
		NewID *string `json:"new_insert_id"`
	}
	if err := json.Unmarshal(line, &raw); err != nil {
		return r, fmt.Errorf("not a line of a rejected/ file: %w", err)
	}
	r.place = raw.Place
	if raw.NewID != nil {
		r.newID = []byte(*raw.NewID)
	}
	r.event, err = scan([]byte(raw.Text))
	if err != nil {
		r.event = ids{} // set aside because it is no event
	}
	return r, nil
}
