// Package stage keeps stage folders: what a stage leaves on disk for the next.
//
//	DIR/manifest.json   what the folder holds; written last, so its presence
//	                    means the stage finished
//	DIR/.unfinished     while the stage is at work or was stopped: a line with
//	                    the stage, version and options, then a line for each
//	                    part that is done, {"key":…,"done":…}
//	DIR/…               the stage's files
//
// A stage that is started again with the same options goes on behind the parts
// that are done. A folder that is not empty and not ours is never touched, and
// two commands never work in one folder at once.
package stage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"export2batch/internal/durable"
	"export2batch/internal/eventfile"
)

// ManifestName is the manifest's in a finished stage folder.
const ManifestName = "manifest.json"

const unfinishedName = ".unfinished"

// Manifest says what a finished stage folder holds. schemas/manifest.schema.json
// describes it.
type Manifest struct {
	Stage   string           `json:"stage"`
	Version string           `json:"version"` // of the tool that wrote it
	Options json.RawMessage  `json:"options"`
	Inputs  []Input          `json:"inputs"`
	Files   []eventfile.Info `json:"files"`
	Extra   []eventfile.Info `json:"identities,omitempty"` // identity files of convert
	Counts  json.RawMessage  `json:"counts"`               // the stage's summary
}

// Input is one input of a stage.
type Input struct {
	Name   string `json:"name"`
	Member string `json:"member,omitempty"`
	Size   int64  `json:"size"`             // bytes as stored, in its archive; -1 for standard input
	SHA256 string `json:"sha256,omitempty"` // of those bytes, where it was reckoned or known

	Lines eventfile.Chain `json:"xxh64,omitempty"` // of its lines, decompressed; 0: not reckoned
}

// Counts is the account every stage ends with: Read = Written + Rejected +
// Dropped, in events, over the whole folder, restarts included.
type Counts struct {
	Read       int64            `json:"read"`
	Written    int64            `json:"written"`
	Rejected   int64            `json:"rejected"`
	Dropped    int64            `json:"dropped"`
	RejectedBy map[string]int64 `json:"rejected_by,omitempty"`
	DroppedBy  map[string]int64 `json:"dropped_by,omitempty"`
}

// Reject counts one event set aside under rule.
func (c *Counts) Reject(rule string) {
	c.Rejected++
	increase(&c.RejectedBy, rule, 1)
}

// Drop counts one event left out for reason.
func (c *Counts) Drop(reason string) {
	c.Dropped++
	increase(&c.DroppedBy, reason, 1)
}

// Add adds another account to this one.
func (c *Counts) Add(o Counts) {
	c.Read += o.Read
	c.Written += o.Written
	c.Rejected += o.Rejected
	c.Dropped += o.Dropped
	AddMap(&c.RejectedBy, o.RejectedBy)
	AddMap(&c.DroppedBy, o.DroppedBy)
}

// Balanced tells whether every event read is accounted for.
func (c *Counts) Balanced() bool { return c.Read == c.Written+c.Rejected+c.Dropped }

// AddMap adds the counts of from to those of *to.
func AddMap(to *map[string]int64, from map[string]int64) {
	for k, n := range from {
		increase(to, k, n)
	}
}

func increase(m *map[string]int64, key string, n int64) {
	if *m == nil {
		*m = map[string]int64{}
	}
	(*m)[key] += n
}

// Errors that callers tell apart.
var (
	ErrNotStage   = errors.New("not a stage folder")
	ErrUnfinished = errors.New("the stage that writes this folder has not finished")
)

// Load reads the manifest of a finished stage folder. A folder without one is
// ErrNotStage, or ErrUnfinished where a stage has started.
func Load(dir string) (*Manifest, error) {
	data, err := os.ReadFile(filepath.Join(dir, ManifestName))
	if errors.Is(err, fs.ErrNotExist) {
		if name, ok := unfinished(dir); ok {
			return nil, fmt.Errorf("%s: %w: run %s again to finish it", dir, ErrUnfinished, name)
		}
		return nil, fmt.Errorf("%s: %w", dir, ErrNotStage)
	}
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil || m.Stage == "" {
		return nil, fmt.Errorf("%s: %w: manifest.json is not one of ours", dir, ErrNotStage)
	}
	for _, list := range [][]eventfile.Info{m.Files, m.Extra} {
		for _, f := range list {
			if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
				return nil, fmt.Errorf("%s: manifest.json names a file outside the folder", dir)
			}
		}
	}
	return &m, nil
}

// unfinished tells which stage has started in dir.
func unfinished(dir string) (stage string, ok bool) {
	data, err := os.ReadFile(filepath.Join(dir, unfinishedName))
	if err != nil {
		return "", false
	}
	line, _, _ := strings.Cut(string(data), "\n")
	var h header
	if json.Unmarshal([]byte(line), &h) != nil || h.Stage == "" {
		return "the command", true
	}
	return h.Stage, true
}

// writeManifest is the last act of a stage.
func writeManifest(fsys durable.FS, dir string, m *Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(fsys, filepath.Join(dir, ManifestName), append(data, '\n'))
}
