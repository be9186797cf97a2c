package report

import (
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"export2batch/internal/finding"
)

// sarif writes SARIF 2.1.0: one run, whose results are written as they come.
//
//	{"$schema","version":"2.1.0","runs":[{"tool":{"driver":{…,"rules":[…]}},
//	 "columnKind","results":[…],"properties":{the totals}}]}
type sarif struct {
	w     io.Writer
	index map[string]int // of rules
	n     int
}

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifRule struct {
	ID                   string             `json:"id"`
	ShortDescription     sarifMessage       `json:"shortDescription"`
	Help                 sarifMessage       `json:"help"`
	DefaultConfiguration sarifConfiguration `json:"defaultConfiguration"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	Rules   []sarifRule `json:"rules"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int64 `json:"startLine"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifLogical struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind,omitempty"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex *int            `json:"ruleIndex,omitempty"`
	Level     string          `json:"level"`
	Message   sarifMessage    `json:"message"`
	Locations []sarifLocation `json:"locations"`
}

func sarifLevel(s finding.Severity) string {
	switch s {
	case finding.Error:
		return "error"
	case finding.Warn:
		return "warning"
	}
	return "note"
}

func newSARIF(w io.Writer, o Options) (*sarif, error) {
	s := &sarif{w: w, index: map[string]int{}}
	tool := sarifTool{sarifDriver{Name: o.Tool, Version: o.Version, Rules: []sarifRule{}}}
	for i, r := range o.Rules {
		s.index[r.ID] = i
		tool.Driver.Rules = append(tool.Driver.Rules, sarifRule{r.ID, sarifMessage{r.Explain},
			sarifMessage{r.Explain + " Source: " + r.Source + "."}, sarifConfiguration{sarifLevel(r.Severity)}})
	}
	text, err := json.Marshal(tool)
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(w, `{"$schema":"`+sarifSchema+`","version":"2.1.0","runs":[{"tool":`+string(text)+`,"columnKind":"unicodeCodePoints","results":[`)
	return s, err
}

func (s *sarif) Add(f finding.Finding) error {
	r := sarifResult{RuleID: f.Rule, Level: sarifLevel(f.Severity), Message: sarifMessage{f.Message}}
	if i, ok := s.index[f.Rule]; ok {
		r.RuleIndex = &i
	}
	at := sarifLocation{Physical: sarifPhysical{Artifact: sarifArtifact{fileURI(f.File)}}}
	if f.Line > 0 && f.Member == "" {
		at.Physical.Region = &sarifRegion{f.Line}
	}
	if f.Member != "" {
		at.Logical = append(at.Logical, sarifLogical{FullyQualifiedName: f.Place.String(), Kind: "member"})
	}
	if f.Pointer != "" {
		at.Logical = append(at.Logical, sarifLogical{FullyQualifiedName: f.Pointer, Kind: "member"})
		r.Message.Text = f.Pointer + ": " + r.Message.Text
	}
	r.Locations = []sarifLocation{at}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	separator := "\n"
	if s.n++; s.n > 1 {
		separator = ",\n"
	}
	_, err = io.WriteString(s.w, separator+string(text))
	return err
}

func (s *sarif) Close(t Total) error {
	text, err := json.Marshal(map[string]int64{"files": t.Files, "events": t.Events, "errors": t.Errors, "warnings": t.Warnings, "infos": t.Infos})
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.w, "],\n\"properties\":"+string(text)+"}]}\n")
	return err
}

// fileURI is a reference to a file, relative as it was given or absolute.
func fileURI(path string) string {
	if !utf8.ValidString(path) {
		path = strings.ToValidUTF8(path, "\ufffd")
	}
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}
