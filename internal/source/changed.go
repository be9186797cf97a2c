package source

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"export2batch/internal/finding"
	"export2batch/internal/stage"
)

const ruleManifest = "manifest"

// eventFolders are those of a stage folder that hold its events.
var eventFolders = []string{"events", "partitions"}

// hasEvents tells from its path in a stage folder that a file holds events.
func hasEvents(rel string) bool {
	first, _, below := strings.Cut(rel, "/")
	return below && (first == eventFolders[0] || first == eventFolders[1])
}

// damagedManifest tells whether dir, which has no manifest that can be read as
// one, is a stage folder all the same. It is one when it has a manifest.json
// beside a folder of events. An object with other keys than ours is somebody
// else's manifest.json.
func damagedManifest(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, stage.ManifestName))
	if err != nil {
		return false
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal(text, &keys) == nil && len(keys) > 0 && keys["stage"] == nil && keys["files"] == nil && keys["counts"] == nil {
		return false
	}
	for _, name := range eventFolders {
		if isFolder(filepath.Join(dir, name)) {
			return true
		}
	}
	return false
}

// unlisted reports the files beside the event files of a stage folder that its
// manifest does not name.
func (e *expander) unlisted(dir string, m *stage.Manifest) error {
	listed := map[string]bool{}
	for _, f := range m.Files {
		listed[filepath.Join(dir, filepath.FromSlash(f.Name))] = true
	}
	for _, name := range eventFolders {
		if !isFolder(filepath.Join(dir, name)) {
			continue
		}
		root := filepath.Join(dir, name) + string(filepath.Separator) // it may be a link
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(d.Name(), "."): // of a file manager, or temporary
				if d.IsDir() {
					return fs.SkipDir
				}
			case !d.IsDir() && !listed[path]:
				e.find(finding.Place{File: path}, ruleManifest, "is not in manifest.json, so it is not read")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
