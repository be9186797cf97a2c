package upload

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"export2batch/internal/durable"
)

// KeyPlaceholder stands in written bodies where the API key goes.
const KeyPlaceholder = "AMPLITUDE_API_KEY"

// requestsName is the index of written requests, a line each.
const requestsName = "requests.ndjson"

// RequestFile is a line of requests.ndjson.
type RequestFile struct {
	File      string `json:"file"` // relative, with slashes
	Partition string `json:"partition"`
	Events    int    `json:"events"`
	FirstLine int64  `json:"first_line"` // of the partition, from 1
	LastLine  int64  `json:"last_line"`
	Repeats   bool   `json:"repeats,omitempty"` // it was sent before, without an answer
	SHA256    string `json:"sha256"`            // of the events, as they stand between the brackets
}

// Written is the account of WriteRequests.
type Written struct {
	Requests int64 `json:"requests"`
	Events   int64 `json:"events"`
	Bytes    int64 `json:"bytes"`
	Invalid  int64 `json:"invalid"` // lines that are no JSON and in no request
	Parked   int64 `json:"parked"`  // events that wait for a daily quota, in no request
}

// WriteRequests writes the bodies that an upload would send now into a new or
// empty folder, each a file, with KeyPlaceholder for the API key and without
// compression. It sends nothing and leaves the state as it is: what is sent
// from these files by other means is not known to it.
func WriteRequests(ctx context.Context, o Options, out string) (w Written, err error) {
	o.APIKey, o.Gzip = KeyPlaceholder, false
	if err := o.Validate(); err != nil {
		return w, err
	}
	o = o.withDefaults()
	r, err := rehearsal(o)
	if err != nil {
		return w, err
	}
	if names, err := os.ReadDir(out); err == nil && len(names) > 0 {
		return w, fmt.Errorf("%s is not empty: give a new folder", out)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return w, err
	}
	index, err := durable.Create(o.FS, filepath.Join(out, requestsName))
	if err != nil {
		return w, err
	}
	defer index.Abort()
	left := r.folder.state.pending()
	o.Meter.SetTotal(r.folder.state.summary().Pending)
	l := newLane(r, &left)
	defer l.close()
	b := newBody(o, nil)
	lines := json.NewEncoder(index)
	for number := map[string]int{}; ctx.Err() == nil; {
		batch, resumed, err := l.next()
		if errors.Is(err, io.EOF) {
			w.Invalid, w.Parked = l.bad, l.waits
			return w, index.Commit()
		}
		if err != nil {
			return w, err
		}
		sum := b.build(l.chunk.text, batch)
		number[l.part.name]++
		line := RequestFile{
			File: fmt.Sprintf("%s/%06d.json", l.part.name, number[l.part.name]), Partition: l.part.name, Events: len(batch),
			FirstLine: batch[0].index + 1, LastLine: batch[len(batch)-1].index + 1, Repeats: resumed != nil, SHA256: hex.EncodeToString(sum[:]),
		}
		if err := durable.WriteFile(o.FS, filepath.Join(out, filepath.FromSlash(line.File)), b.sent); err != nil {
			return w, err
		}
		if err := lines.Encode(line); err != nil {
			return w, err
		}
		w.Requests++
		w.Events += int64(len(batch))
		w.Bytes += int64(len(b.sent))
		o.Meter.Add(int64(len(batch)), int64(len(batch)))
	}
	return w, ctx.Err()
}
