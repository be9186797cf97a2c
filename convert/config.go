package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"export2batch/internal/eventfile"
)

// Config is a YAML file of options: the rules, under the names of the
// command's options, and these. schemas/config.schema.json describes it.
type Config struct {
	Rules     `yaml:",inline"`
	MergedIDs []string              `yaml:"merged-ids"`
	Compress  eventfile.Compression `yaml:"compress"`
	Jobs      int                   `yaml:"jobs"`
	Validate  ValidateConfig        `yaml:"validate"`
}

// ValidateConfig are options of the stage validate, which has no part in a
// conversion: whoever runs that stage checks them.
type ValidateConfig struct {
	Rules       map[string]string `yaml:"rules"`         // rule id to off, info, warn or error
	MinIDLength *int              `yaml:"min-id-length"` // nil: not given
}

// ParseConfig reads a file. A key it does not know, or has twice, is an error.
func ParseConfig(data []byte) (c Config, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err == io.EOF {
		return c, nil // nothing but comments
	} else if err != nil {
		return c, inWords(err)
	}
	if err := dec.Decode(new(any)); err != io.EOF {
		return c, errors.New("more than one document")
	}
	return c, nil
}

// inWords takes the names of types out of the errors of the library, which has
// one for each line.
func inWords(err error) error {
	var typed *yaml.TypeError
	if !errors.As(err, &typed) {
		return err
	}
	var lines []string
	for _, e := range typed.Errors {
		text := fmt.Sprint(e)
		if before, after, ok := strings.Cut(text, "field "); ok && strings.Contains(after, " not found in type") {
			name, _, _ := strings.Cut(after, " ")
			text = before + "there is no option " + name
		}
		lines = append(lines, strings.ReplaceAll(text, " in type convert.Config", ""))
	}
	return errors.New(strings.Join(lines, "; "))
}

// Check reports the first option that makes no sense, and reads the files that
// the rules name.
func (c Config) Check() error {
	if err := c.Rules.Validate(); err != nil {
		return err
	}
	if c.Compress != "" {
		if err := c.Compress.Validate(); err != nil {
			return err
		}
	}
	if c.Jobs < 0 {
		return fmt.Errorf("jobs must be at least 1")
	}
	_, err := compile(c.Rules)
	return err
}
