package generate

import (
	"errors"
	"fmt"
	"time"
)

// Formats of the output.
const (
	FormatZip     = "zip"     // one Export API answer
	FormatDir     = "dir"     // the same .json.gz files in a folder
	FormatParquet = "parquet" // a warehouse copy
)

// Options says what to generate. A zero Format, Users, Days, Events, Start,
// Project or Properties means its default; a zero share means none. Defaults
// returns all defaults filled in.
type Options struct {
	// Output is the zip file, the folder, or for Parquet either (a folder when
	// it ends in a slash or is one). It must not exist, or be an empty folder.
	Output string
	// Format is FormatZip (default), FormatDir or FormatParquet.
	Format string

	// Events is the number of lines, repeated ones not counted. Default 10 000.
	Events int
	// Users is the number of people, each with a line at least, so at most
	// Events. Default: one for 20 events.
	Users int
	// Days is the length of the export in days of upload time. Default 3.
	Days int
	// Start is the first hour of upload time, a full hour not before
	// 2014-11-12, when Amplitude's hourly files begin. Default 2023-01-02, UTC.
	Start time.Time
	// Project is the number that Amplitude calls app. Default 328567.
	Project int
	// Seed chooses one of the possible outputs. Default 1; 0 is a seed too.
	Seed uint64

	// Properties is the mean number of event properties of an ordinary event,
	// 1 to 200. Default 7, which makes a mean line about 1.95 kB long.
	Properties int
	// SharedDevices is the number of devices used by several users, 0 to 1000:
	// tablets with 3 and kiosks with 30 in turn, as far as there are users for
	// them. Default 2.
	SharedDevices int
	// Duplicates is the share of hours delivered twice, 0 to 1; a share above
	// zero means one hour at least. Default 0.01.
	Duplicates float64
	// Identify is the share of $identify lines, 0 to 1. $groupidentify lines
	// are a twentieth as frequent. Default 0.02.
	Identify float64
	// MissingInsertID is the share of lines whose $insert_id is null, 0 to 1.
	// Default 0.001.
	MissingInsertID float64
	// Anonymous is the share of users who start without a user_id, 0 to 1;
	// half of them log in later, on the same device. Default 0.5.
	Anonymous float64
	// LateEvents is the share of lines uploaded half a day to a week after they
	// happened (less near the end of the export), 0 to 1. Default 0.02.
	LateEvents float64
	// MergedIDs adds the merged-id files of the S3 and GCS exports. Default off.
	MergedIDs bool
}

// Defaults returns the options with every default filled in but Users, which
// follows Events, and Output, which has none.
func Defaults() Options {
	return Options{
		Format:          FormatZip,
		Events:          10_000,
		Days:            3,
		Start:           time.Date(2023, 1, 2, 0, 0, 0, 0, time.UTC),
		Project:         328567,
		Seed:            1,
		Properties:      7,
		SharedDevices:   2,
		Duplicates:      0.01,
		Identify:        0.02,
		MissingInsertID: 0.001,
		Anonymous:       0.5,
		LateEvents:      0.02,
	}
}

// complete replaces the zero values that mean a default.
func (o Options) complete() Options {
	d := Defaults()
	if o.Format == "" {
		o.Format = d.Format
	}
	if o.Events == 0 {
		o.Events = d.Events
	}
	if o.Users == 0 {
		o.Users = max(1, o.Events/20)
	}
	if o.Days == 0 {
		o.Days = d.Days
	}
	if o.Start.IsZero() {
		o.Start = d.Start
	}
	o.Start = o.Start.UTC()
	if o.Project == 0 {
		o.Project = d.Project
	}
	if o.Properties == 0 {
		o.Properties = d.Properties
	}
	return o
}

// Validate tells whether Run could work with the options. It reports all that
// is wrong, and looks at no files.
func (o Options) Validate() error {
	o = o.complete()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	inRange := func(name string, v, lo, hi int) {
		check(v >= lo && v <= hi, "%s must be from %d to %d, not %d", name, lo, hi, v)
	}
	isShare := func(name string, v float64) {
		check(v >= 0 && v <= 1, "%s must be from 0 to 1, not %v", name, v)
	}

	check(o.Output != "", "no output given")
	switch o.Format {
	case FormatZip, FormatDir:
	case FormatParquet:
		check(!o.MergedIDs, "merged ids are files of an export: they have no place in parquet")
	default:
		check(false, "unknown format %q: zip, dir or parquet", o.Format)
	}
	inRange("events", o.Events, 1, 2_000_000_000)
	check(o.Users >= 1 && o.Users <= max(1, o.Events), "users must be from 1 to the number of events (%d), not %d", o.Events, o.Users)
	inRange("days", o.Days, 1, 3660)
	check(o.Start.Equal(o.Start.Truncate(time.Hour)), "start must be a full hour, not %s", o.Start.Format(time.RFC3339Nano))
	first := time.Date(2014, 11, 12, 0, 0, 0, 0, time.UTC)
	check(!o.Start.Before(first) && o.Start.Year() < 2100, "start must be from 2014-11-12 to 2099, not %s", o.Start.Format(time.DateOnly))
	inRange("project", o.Project, 1, 1_000_000_000)
	inRange("properties", o.Properties, 1, 200)
	inRange("shared devices", o.SharedDevices, 0, 1000)
	isShare("duplicates", o.Duplicates)
	isShare("identify", o.Identify)
	isShare("missing insert ids", o.MissingInsertID)
	isShare("anonymous", o.Anonymous)
	isShare("late events", o.LateEvents)
	return errors.Join(errs...)
}
