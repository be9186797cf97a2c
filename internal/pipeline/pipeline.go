// Package pipeline joins the stages: it takes exports all the way to Amplitude
// or to the embedded sandbox, each stage into a folder of its own,
//
//	WORK/convert  WORK/validate  WORK/partition  WORK/upload  WORK/sandbox
//
// and, with the sandbox, proves from the sandbox's ledger that what arrived is
// what was exported. Stopped at any point and started again with the same
// options, it goes on where it was.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"export2batch/convert"
	"export2batch/internal/progress"
	"export2batch/partition"
	"export2batch/sandbox"
	"export2batch/upload"
	"export2batch/validate"
)

// The folders of the stages below the work folder.
const (
	convertFolder   = "convert"
	validateFolder  = "validate"
	partitionFolder = "partition"
	uploadFolder    = "upload"
	sandboxFolder   = "sandbox"
)

// Options of a run. The stages' own options are taken as they are, but for
// the folders they read and write.
type Options struct {
	Work string // the folder below which everything is written

	Convert   convert.Options
	Validate  validate.Options
	Partition partition.Options
	Upload    upload.Options
	// Sandbox, when it is not nil, is what the events are sent to instead of
	// Upload.URL.
	Sandbox *sandbox.Options
	// SetAsideInvalid goes on without the events that validate found errors in.
	SetAsideInvalid bool

	// Stage runs the work of a stage, showing its progress, and returns how many
	// events a second it got done.
	Stage func(name string, work func(*progress.Meter) error) (perSecond float64, err error)
	// Done is told the account of each stage that has ended.
	Done func(account any)
}

// Summary is the account of a run; the stages it did not get to are nil.
type Summary struct {
	Convert   *convert.Summary   `json:"convert,omitempty"`
	Validate  *validate.Summary  `json:"validate,omitempty"`
	Partition *partition.Summary `json:"partition,omitempty"`
	Upload    *upload.Summary    `json:"upload,omitempty"`
	Proof     *Proof             `json:"proof,omitempty"` // only with the sandbox
}

// ErrInvalid stops a run before anything is sent.
var ErrInvalid = errors.New("validate found errors, so nothing was sent: mend the events, or leave them out with --set-aside-invalid")

// Run takes every stage.
func Run(ctx context.Context, o Options) (s Summary, err error) {
	if err := checkWork(o.Work); err != nil {
		return s, err
	}
	if s.Convert, err = o.convert(ctx); err != nil {
		return s, fmt.Errorf("convert: %w", err)
	}
	if s.Validate, err = o.validate(ctx); err != nil {
		return s, fmt.Errorf("validate: %w", err)
	}
	if s.Validate.Errors > 0 && !o.SetAsideInvalid {
		return s, ErrInvalid
	}
	if s.Partition, err = o.partition(ctx); err != nil {
		return s, fmt.Errorf("partition: %w", err)
	}
	if o.Sandbox != nil {
		stop, err := o.startSandbox(ctx)
		if err != nil {
			return s, fmt.Errorf("sandbox: %w", err)
		}
		s.Upload, err = o.upload(ctx)
		if err = errors.Join(err, stop()); err != nil {
			return s, fmt.Errorf("upload: %w", err)
		}
		if s.Proof, err = o.prove(ctx); err != nil {
			return s, fmt.Errorf("proof: %w", err)
		}
		return s, nil
	}
	if s.Upload, err = o.upload(ctx); err != nil {
		return s, fmt.Errorf("upload: %w", err)
	}
	return s, nil
}

// checkWork refuses a folder that holds anything but the stages' folders.
func checkWork(work string) error {
	if work == "" {
		return errors.New("no work folder given: -w DIR")
	}
	names, err := os.ReadDir(work)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ours := []string{convertFolder, validateFolder, partitionFolder, uploadFolder, sandboxFolder}
	for _, n := range names {
		if !slices.Contains(ours, n.Name()) && !strings.HasPrefix(n.Name(), ".") {
			return fmt.Errorf("%s holds %s, which is not a stage of a run: give a new folder", work, n.Name())
		}
	}
	return nil
}

func (o *Options) folder(name string) string { return filepath.Join(o.Work, name) }

func (o *Options) convert(ctx context.Context) (*convert.Summary, error) {
	opt := o.Convert
	opt.Out, opt.Except = o.folder(convertFolder), o.Work
	var s convert.Summary
	perSecond, err := o.Stage(convert.StageName, func(m *progress.Meter) (err error) {
		opt.Meter = m
		s, err = convert.Run(ctx, opt)
		return err
	})
	s.EventsPerSecond = perSecond
	return done(o, &s, err)
}

func (o *Options) validate(ctx context.Context) (*validate.Summary, error) {
	opt := o.Validate
	opt.Paths, opt.SetAside, opt.Trust = []string{o.folder(convertFolder)}, o.folder(validateFolder), true
	var s validate.Summary
	perSecond, err := o.Stage(validate.StageName, func(m *progress.Meter) (err error) {
		opt.Meter = m
		s, err = validate.Run(ctx, opt)
		return err
	})
	s.EventsPerSecond = perSecond
	return done(o, &s, err)
}

func (o *Options) partition(ctx context.Context) (*partition.Summary, error) {
	opt := o.Partition
	opt.Paths, opt.Out, opt.Exclude = []string{o.folder(convertFolder)}, o.folder(partitionFolder), o.folder(validateFolder)
	var s partition.Summary
	perSecond, err := o.Stage(partition.StageName, func(m *progress.Meter) (err error) {
		opt.Meter = m
		s, err = partition.Run(ctx, opt)
		return err
	})
	s.EventsPerSecond = perSecond
	return done(o, &s, err)
}

func (o *Options) upload(ctx context.Context) (*upload.Summary, error) {
	opt := o.Upload
	opt.Dir, opt.State = o.folder(partitionFolder), o.folder(uploadFolder)
	var s upload.Summary
	perSecond, err := o.Stage("upload", func(m *progress.Meter) (err error) {
		opt.Meter = m
		s, err = upload.Run(ctx, opt)
		return err
	})
	s.EventsPerSecond = perSecond
	return done(o, &s, err)
}

// done reports a stage that has ended well, and keeps the account of one that
// has not.
func done[S any](o *Options, s *S, err error) (*S, error) {
	if err == nil {
		o.Done(s)
	}
	return s, err
}
