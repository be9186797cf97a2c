// Package schemas holds the JSON Schemas (draft 2020-12) of what export2batch
// reads and writes. They are complete in themselves: the $id of each names it
// and is never fetched, and every $ref stays inside its file.
package schemas

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

// The names that Get takes.
const (
	BatchEvent   = "batch-event"   // an event of the Batch Event Upload API
	BatchRequest = "batch-request" // the body of a request with such events
	Config       = "config"        // the file that convert and run take with --config
	ExportEvent  = "export-event"  // a line of an export
	Manifest     = "manifest"      // manifest.json of a stage folder
)

const suffix = ".schema.json"

//go:embed *.schema.json
var files embed.FS

// Get returns the text of the schema with this name. The caller may change
// what it is given.
func Get(name string) ([]byte, error) {
	data, err := files.ReadFile(name + suffix)
	if err != nil {
		return nil, fmt.Errorf("no schema is named %q: %s", name, strings.Join(Names(), ", "))
	}
	return data, nil
}

// Names lists the schemas in alphabetical order.
func Names() []string {
	paths, err := fs.Glob(files, "*"+suffix)
	if err != nil {
		panic(err) // a constant pattern: a mistake in this file
	}
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(p, suffix)
	}
	return paths
}
