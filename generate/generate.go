// Package generate makes synthetic Amplitude exports, to try the other stages
// on and to measure them with.
//
// The output has the layout and the lines of real ones: anonymous users who
// log in on the same device, devices shared by several users, wrong clocks,
// uploads days after the event, hours delivered twice, whole snapshots of user
// properties that change over time, $identify lines, revenue, groups, nested
// and odd values. Nobody in it exists. All of it is valid: converted, it
// passes validation.
//
// Equal options give equal bytes, on any machine and with any number of
// processors. Every number is derived from the seed, the user and the place in
// the user's timeline, by integer arithmetic; no clock is read, and the
// modification times in the archive follow from the options. (Bytes may change
// with the version of this package or of a compression library.)
//
// Memory is bounded whatever the number of lines: the timelines are walked
// once to count the lines of every hour, and again for each run of hours with
// a million lines; the text of a line exists only while it is compressed.
//
// Layouts:
//
//	zip      PROJECT/PROJECT_YYYY-MM-DD_H#N.json.gz, stored (method 0), written as a
//	         stream with data descriptors, zip64 where needed
//	dir      the same files in a folder
//	parquet  one row a line, columns as in a Snowflake copy: see row
//	merged   -ORG/-ORG_YYYY-MM-DD_H.json.gz, beside the others if asked for
//
// H is the hour of server_upload_time, UTC, without a leading zero. Hours of
// more than 10 000 lines are split; an hour delivered twice has its lines
// again in files with further numbers.
package generate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Summary counts what was written.
type Summary struct {
	// Events is the number of lines or rows, without the repeated ones: what
	// the options asked for.
	Events int64 `json:"events"`
	// Repeated is the number of lines of hours delivered twice, counted the
	// second time; Events + Repeated lines were written.
	Repeated      int64 `json:"repeated"`
	RepeatedHours int64 `json:"repeated_hours"`
	Users         int64 `json:"users"`
	Devices       int64 `json:"devices"` // that have a line, shared ones included
	SharedDevices int64 `json:"shared_devices"`

	// Lines without repetition of which each is true.
	Identify        int64 `json:"identify"`       // $identify
	GroupIdentify   int64 `json:"group_identify"` // $groupidentify
	Revenue         int64 `json:"revenue"`
	Anonymous       int64 `json:"anonymous"`         // user_id null
	MissingInsertID int64 `json:"missing_insert_id"` // $insert_id null

	// MergedIDs is the number of lines in merged-id files.
	MergedIDs int64 `json:"merged_ids"`
	// Files is the number of event files (entries of the zip, Parquet files),
	// MergedFiles that of merged-id files.
	Files       int64 `json:"files"`
	MergedFiles int64 `json:"merged_files"`
	// Bytes is the length of the text of all event lines, repeated ones
	// included, before compression; 0 for Parquet.
	Bytes int64 `json:"bytes"`
	// WrittenBytes is the length of all files written.
	WrittenBytes int64 `json:"written_bytes"`
}

// Run writes the export that the options describe. It refuses an output that
// exists, unless that is an empty folder. When it fails or ctx is done, it
// removes what it wrote; files never stand unfinished under their final names.
func Run(ctx context.Context, o Options) (Summary, error) {
	if err := o.Validate(); err != nil {
		return Summary{}, err
	}
	o = o.complete()
	folder, err := vacant(o.Output)
	if err != nil {
		return Summary{}, err
	}
	if folder && o.Format == FormatZip {
		return Summary{}, fmt.Errorf("output %s is a folder: give the name of a zip file, or the format dir", o.Output)
	}
	p, err := newPlan(ctx, o)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{
		Users:         int64(p.users),
		Devices:       int64(p.devices),
		SharedDevices: int64(len(p.groups)),
	}
	for _, twice := range p.repeated {
		if twice {
			s.RepeatedHours++
		}
	}
	switch o.Format {
	case FormatParquet:
		err = p.writeWarehouse(ctx, folder, &s)
	case FormatDir:
		err = p.writeExport(ctx, newFolder(o.Output), &s)
	default:
		var z *archive
		if z, err = newArchive(o.Output, p.hourStart(len(p.hours)+2)); err == nil {
			err = p.writeExport(ctx, z, &s)
		}
	}
	if err != nil {
		return Summary{}, err
	}
	return s, nil
}

// vacant tells whether path is an empty folder; it is an error for anything
// else to be there.
func vacant(path string) (folder bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.IsPathSeparator(path[len(path)-1]), nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, fmt.Errorf("output %s exists: remove it or choose another name", path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return false, err
	}
	if len(entries) > 0 {
		return false, fmt.Errorf("output folder %s is not empty: choose another one", path)
	}
	return true, nil
}

// count adds the lines of a part.
func (s *Summary) count(n tally, repeat bool) {
	s.Bytes += n.bytes
	if repeat {
		s.Repeated += n.lines
		return
	}
	s.Events += n.lines
	s.Identify += n.identify
	s.GroupIdentify += n.groupIdentify
	s.Revenue += n.revenue
	s.Anonymous += n.anonymous
	s.MissingInsertID += n.missing
}

// tally counts the lines of one part.
type tally struct {
	lines, bytes                                         int64
	identify, groupIdentify, revenue, anonymous, missing int64
}

func (n *tally) add(rec *record) {
	n.lines++
	if rec.identify {
		n.identify++
	}
	if rec.eventType == "$groupidentify" {
		n.groupIdentify++
	}
	if rec.revenue {
		n.revenue++
	}
	if !rec.userID.set {
		n.anonymous++
	}
	if !rec.insertID.set {
		n.missing++
	}
}
