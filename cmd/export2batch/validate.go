package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"export2batch/convert"
	"export2batch/internal/eventfile"
	"export2batch/internal/progress"
	"export2batch/internal/report"
	"export2batch/validate"
)

func validateCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "validate",
		Usage:     "check events against the schema and Amplitude's limits, before they are sent",
		ArgsUsage: "PATH…",
		UsageText: "export2batch validate [options] PATH…",
		Description: "Takes event files, folders written by convert or partition (their checksums and counts are checked\n" +
			"too), request bodies, JSON arrays, folders, patterns and -; raw exports (Parquet too) with --schema export. Prints\n" +
			"findings as FILE:LINE: /json/pointer: message [rule], and last the account; export2batch explain RULE\n" +
			"says what a rule is about. Exit code 3: there are findings of severity error.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "YAML `FILE` whose section validate has rules and min-id-length; those on the command line win"},
			&cli.StringSliceFlag{Name: "schema", Value: cli.NewStringSlice(validate.SchemaBatch), Usage: "what events must meet: `batch`, export or a JSON Schema file (drafts 4 to 2020-12); may be repeated. Without batch Amplitude's limits are not checked"},
			&cli.StringFlag{Name: "event-schemas", Usage: "hold events also against `DIR`/TYPE.json, a JSON Schema for events of that type"},
			&cli.StringFlag{Name: "format", Value: string(report.Text), Usage: "`text`, json (as --json), sarif, junit or github (annotations of Actions)"},
			&cli.StringSliceFlag{Name: "report", Usage: "write all findings to `FILE` too: .sarif, .xml (JUnit, 10 of each rule and file), .json, else text; may be repeated"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "strict", Usage: "exit code 3 for warnings and infos too"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "show-values", Usage: "show the values and property names that findings are about: they may be personal data"},
			&cli.IntFlag{Name: "max-findings", Value: 20, Usage: "show the first `N` findings of a rule as text or github, 0: all, in their order; they are always counted"},
			&cli.StringFlag{Name: "set-aside", Usage: "write the events with errors into `DIR`, for partition --exclude"},
			&cli.StringFlag{Name: "fix", Usage: "write a copy of the events into `DIR`: repaired where that is certain, those with other errors set aside"},
			&cli.StringFlag{Name: "memory", Value: "256MiB", Usage: "insert ids held in memory, more go to a temporary file (`SIZE`)"},
			compressFlag(),
			jobsFlag("goroutines that check events"),
		}, validateFlags()...),
		Action: func(c *cli.Context) error { return validateAction(ui, c) },
	}
}

func validateAction(ui *ui, c *cli.Context) error {
	o, err := validateOptions(ui, c)
	if err != nil {
		return err
	}
	o.Paths, o.SetAside, o.Fix = c.Args().Slice(), c.String("set-aside"), c.String("fix")
	o.Schemas, o.EventSchemas, o.ShowValues = c.StringSlice("schema"), c.String("event-schemas"), c.Bool("show-values")
	o.Outputs = c.StringSlice("report")
	o.Compress = eventfile.Compression(c.String("compress"))
	if o.Memory, err = parseSize(c.String("memory")); err != nil {
		return errUsage{err}
	}
	if err := o.Validate(); err != nil {
		return errUsage{err}
	}
	ui.resumes = o.SetAside != "" || o.Fix != ""
	var s validate.Summary
	reports, err := openReports(ui, c, func(w io.Writer) { printValidate(w, s) })
	if err != nil {
		return err
	}
	defer reports.abort()
	o.Sink = reports.find
	rate, err := ui.stage("validate", func(m *progress.Meter) (err error) {
		o.Meter = m
		s, err = validate.Run(c.Context, o)
		return err
	})
	if err != nil {
		reports.flush()
		return err
	}
	s.EventsPerSecond = rate
	if err := reports.close(s); err != nil {
		return err
	}
	if c.Bool("strict") && s.Errors+s.Warnings+s.Infos > 0 {
		return errFound
	}
	return validateVerdict(s)
}

// validateFlags are the options that run shares with validate.
func validateFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "min-id-length", Value: validate.DefaultMinIDLength, Usage: "shortest user_id and device_id, in characters (`N`)"},
		&cli.StringSliceFlag{Name: "rule", Usage: "change what a rule is worth: `ID=off|info|warn|error`, may be repeated"},
	}
}

func validateOptions(ui *ui, c *cli.Context) (validate.Options, error) {
	config, err := readConfig(c)
	if err != nil {
		return validate.Options{}, err
	}
	if err := checkValidateConfig(config); err != nil {
		return validate.Options{}, usagef("%s: %w", c.String("config"), err)
	}
	o := validate.Options{Stdin: ui.stdin, Jobs: c.Int("jobs"), Version: version, Now: time.Now(), Rules: config.Validate.Rules}
	o.MinIDLength = c.Int("min-id-length")
	if n := config.Validate.MinIDLength; n != nil && !c.IsSet("min-id-length") {
		o.MinIDLength = *n
	}
	if o.MinIDLength < 1 {
		return o, errUsage{validate.ErrMinIDLength}
	}
	for _, r := range c.StringSlice("rule") {
		id, severity, ok := strings.Cut(r, "=")
		if !ok {
			return o, usagef("--rule %q is not ID=off|info|warn|error", r)
		}
		if o.Rules == nil {
			o.Rules = map[string]string{}
		}
		o.Rules[id] = severity
	}
	return o, nil
}

// checkValidateConfig reports the first option of the section validate that
// makes no sense.
func checkValidateConfig(config convert.Config) error {
	section := config.Validate
	if section.MinIDLength != nil && *section.MinIDLength < 1 {
		return fmt.Errorf("validate: %w", validate.ErrMinIDLength)
	}
	if err := (validate.Options{Paths: []string{"-"}, Rules: section.Rules}).Validate(); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	return nil
}

func validateVerdict(s validate.Summary) error {
	if s.Errors > 0 {
		return errFound
	}
	return nil
}

func printValidate(w io.Writer, s validate.Summary) {
	repaired := ""
	if s.Repaired > 0 {
		repaired = " (" + progress.Thousands(s.Repaired) + " repaired)"
	}
	fmt.Fprintf(w, "validate: %s read = %s%s + %s, %s, %s, %s, %s events/s\n",
		progress.Thousands(s.Read), count(s.Valid, "valid", nil), repaired, count(s.Invalid, "invalid", nil),
		progress.Amount(s.Errors, "error", "errors"), progress.Amount(s.Warnings, "warning", "warnings"), progress.Amount(s.Infos, "info", "infos"), progress.Thousands(int64(s.EventsPerSecond)))
	if len(s.Rules) > 0 {
		fmt.Fprintf(w, "  findings%s\n", strings.TrimPrefix(count(0, "", s.Rules), "0 "))
	}
}
