package validate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"export2batch/internal/finding"
	"export2batch/internal/progress"
	"export2batch/internal/source"
	"export2batch/internal/stage"
	"export2batch/schemas"
)

// checkFolder holds the manifest of a stage folder against its schema and its
// account.
func checkFolder(dir string, report func(finding.Finding)) error {
	path := filepath.Join(dir, stage.ManifestName)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	schemaText, err := schemas.Get(schemas.Manifest)
	if err != nil {
		return err
	}
	schema, err := compile(schemas.Manifest, schemaText)
	if err != nil {
		return err
	}
	place := finding.Place{File: path}
	value, err := decode(text)
	if err != nil {
		report(finding.Finding{Place: place, Rule: ruleManifest, Message: "not JSON: " + err.Error()})
		return nil
	}
	if err := validateSafely(schema, value); err != nil {
		report(finding.Finding{Place: place, Rule: ruleManifest, Message: "does not meet schemas/manifest.schema.json"})
		return nil
	}
	m, err := stage.Load(dir)
	if err != nil {
		return err
	}
	var counts struct {
		stage.Counts
		Written *int64 `json:"written"`
	}
	if json.Unmarshal(m.Counts, &counts) != nil || counts.Written == nil {
		return nil // an account of another kind
	}
	counts.Counts.Written = *counts.Written
	files := int64(0)
	for _, f := range m.Files {
		files += f.Events
	}
	if !counts.Balanced() {
		report(finding.Finding{Place: place, Pointer: "/counts", Rule: ruleManifestCount, Message: "read is not written + rejected + dropped"})
	}
	if files != *counts.Written {
		report(finding.Finding{Place: place, Pointer: "/counts/written", Rule: ruleManifestCount,
			Message: fmt.Sprintf("%s written, but the files have %s", progress.Thousands(*counts.Written), progress.Amount(files, "event", "events"))})
	}
	return nil
}

// checkListed holds an input that was read against what the manifest says of it.
func checkListed(in *source.Input, sum string, read int64, report func(finding.Finding)) {
	if in.SHA256 == "" {
		return
	}
	if sum != in.SHA256 {
		report(finding.Finding{Place: in.Place(0), Rule: ruleManifestSum, Message: "has another SHA-256 than manifest.json says: the file was changed"})
	}
	if read != in.Events {
		report(finding.Finding{Place: in.Place(0), Rule: ruleManifestCount,
			Message: fmt.Sprintf("has %s, manifest.json says %s", progress.Amount(read, "event", "events"), progress.Thousands(in.Events))})
	}
}
