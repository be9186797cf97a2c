package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"export2batch/convert"
	"export2batch/internal/finding"
	"export2batch/internal/pipeline"
	"export2batch/internal/progress"
	"export2batch/internal/stage"
	"export2batch/partition"
	"export2batch/sandbox"
	"export2batch/upload"
	"export2batch/validate"
)

func runCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "all stages: convert, validate, partition, upload; into a sandbox on this machine unless --to is given",
		ArgsUsage: "INPUT…",
		UsageText: "export2batch run -w DIR [options] INPUT…",
		Description: "Without --to everything goes into the embedded sandbox, which keeps a ledger, and at the end a proof\n" +
			"compares the ledger with what was converted. Nothing leaves this machine. Stopped at any point, the\n" +
			"same command goes on. Exit codes: 3 something was set aside or found wrong, 4 not everything was sent.",
		Flags: append(flags(convertFlags(), validateFlags(), partitionFlags(), uploadFlags("guide; off into the sandbox")),
			&cli.StringFlag{Name: "work", Aliases: []string{"w"}, Usage: "folder for the stages' folders (`DIR`), new or of the same command"},
			&cli.StringFlag{Name: "to", Usage: "`us`, eu, sandbox (one started with export2batch sandbox) or the base URL of a server (default: the embedded sandbox)"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "set-aside-invalid", Usage: "go on without the events that validate finds errors in"},
			&cli.Float64Flag{Name: "sandbox-throttle", Usage: "events/s the embedded sandbox takes for an id; 0: no limit (`N`)"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "sandbox-events", Usage: "let the embedded sandbox keep the events beside its ledger, for export2batch sandbox --data DIR/sandbox"},
			&cli.StringFlag{Name: "sandbox-faults", Usage: "wrong answers of the embedded sandbox, as for sandbox --faults (`SPEC`)"},
			jobsFlag("files, events and partitions worked on at once"),
		),
		Action: func(c *cli.Context) error {
			o, err := runOptions(ui, c)
			if err != nil {
				return err
			}
			stop, err := watch(ui, c, &o.Upload)
			if err != nil {
				return err
			}
			ui.resumes = true
			s, err := pipeline.Run(c.Context, o)
			err = errors.Join(err, stop())
			if perr := ui.result(s, func(w io.Writer) { printRun(w, s, o) }); perr != nil {
				return perr
			}
			if errors.Is(err, pipeline.ErrInvalid) {
				ui.errorf("%v", err)
				return errFound
			}
			if err != nil {
				return uploadError(err)
			}
			return runVerdict(s)
		},
	}
}

func flags(lists ...[]cli.Flag) (all []cli.Flag) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func runOptions(ui *ui, c *cli.Context) (o pipeline.Options, err error) {
	o = pipeline.Options{Work: c.String("work"), SetAsideInvalid: c.Bool("set-aside-invalid")}
	if o.Convert, err = convertOptions(ui, c); err != nil {
		return o, err
	}
	o.Convert.Paths, o.Convert.Out = c.Args().Slice(), o.Work
	switch {
	case o.Work == "":
		return o, usagef("no work folder given: -w DIR")
	case len(o.Convert.Paths) == 0:
		return o, usagef("no input given")
	}
	if o.Validate, err = validateOptions(ui, c); err != nil {
		return o, err
	}
	o.Validate.Sink = func(f finding.Finding) {
		if f.Severity == finding.Error { // the others are counted in the account
			ui.find(f)
		}
	}
	if o.Partition, err = partitionOptions(ui, c); err != nil {
		return o, err
	}
	debug.SetMemoryLimit(partition.RuntimeMemory(o.Partition.Memory))
	if err := runDestination(ui, c, &o); err != nil {
		return o, err
	}
	for _, err := range []error{o.Convert.Validate(), validateStage(o), partitionStage(o)} {
		if err != nil {
			return o, errUsage{err}
		}
	}
	o.Stage = func(name string, work func(*progress.Meter) error) (float64, error) {
		rate, err := ui.stage(name, func(m *progress.Meter) error {
			if name == "upload" {
				m.SetNote(liveLine(o.Upload.Live))
			}
			return work(m)
		})
		ui.endFindings(", see " + filepath.Join(o.Work, name))
		return rate, err
	}
	o.Done = func(account any) {
		if !ui.json {
			printStage(ui.stdout, account, o)
		}
	}
	return o, nil
}

// The stages get their folders later; here only their other options are looked at.
func validateStage(o pipeline.Options) error {
	o.Validate.Paths = []string{o.Work}
	return o.Validate.Validate()
}

func partitionStage(o pipeline.Options) error {
	o.Partition.Paths, o.Partition.Out = []string{o.Work}, o.Work
	return o.Partition.Validate()
}

// runDestination says where the events go: nowhere but into the embedded
// sandbox unless --to is given.
func runDestination(ui *ui, c *cli.Context, o *pipeline.Options) (err error) {
	to, pace := c.String("to"), c.String("pace")
	embedded := to == ""
	if embedded {
		faults, err := sandbox.ParseFaults(c.String("sandbox-faults"))
		if err != nil {
			return errUsage{err}
		}
		o.Sandbox = &sandbox.Options{Events: c.Bool("sandbox-events"), Throttle: c.Float64("sandbox-throttle"), Faults: faults, MinIDLength: c.Int("min-id-length")}
		to, pace = "sandbox", cmp.Or(pace, "off")
	}
	if o.Upload, err = uploadOptions(ui, c, to, pace, true); err != nil {
		return err
	}
	o.Upload.Dir = o.Work
	if err := o.Upload.Validate(); err != nil {
		return errUsage{err}
	}
	if n := c.Int("min-id-length"); n != validate.DefaultMinIDLength {
		o.Upload.MinIDLength = n
	}
	if embedded {
		return nil
	}
	return confirmText(c.Context, ui, o.Upload.URL, "the events", c.Bool("yes"))
}

func runVerdict(s pipeline.Summary) error {
	if !s.Upload.Complete() {
		return errIncomplete
	}
	if s.Proof != nil && !s.Proof.Holds() {
		return errFound
	}
	for _, err := range []error{convertVerdict(*s.Convert), validateVerdict(*s.Validate), partitionVerdict(*s.Partition), uploadVerdict(*s.Upload)} {
		if err != nil {
			return err
		}
	}
	return nil
}

// printStage prints the account of one stage as soon as it has ended.
func printStage(w io.Writer, account any, o pipeline.Options) {
	switch s := account.(type) {
	case *convert.Summary:
		printConvertAccount(w, *s)
		if len(s.Lost) > 0 {
			fmt.Fprintf(w, "  %s export keys have no place in the Batch API, see counts.lost in %s\n", progress.Thousands(int64(len(s.Lost))),
				filepath.Join(o.Work, "convert", stage.ManifestName))
		}
	case *validate.Summary:
		printValidate(w, *s)
	case *partition.Summary:
		printPartition(w, *s, filepath.Join(o.Work, "partition"))
	case *upload.Summary:
		printUpload(w, *s)
	case *pipeline.Proof:
		fmt.Fprintf(w, "proof: of %s events %s missing, %s extra, %s out of order\n", progress.Thousands(s.Events),
			progress.Thousands(s.Missing), progress.Thousands(s.Extra), progress.Thousands(s.OutOfOrder))
	}
}

// printRun prints the account over all stages.
func printRun(w io.Writer, s pipeline.Summary, o pipeline.Options) {
	if s.Upload == nil || s.Partition == nil {
		return
	}
	lines := "lines"
	if s.Convert.GroupIdentifies > 0 {
		lines = "lines and $groupidentify events made"
	}
	fmt.Fprintf(w, "run: %s %s = %s accepted + %s rejected + %s dropped + %s pending\n",
		progress.Thousands(s.Convert.Read+s.Convert.GroupIdentifies), lines, progress.Thousands(s.Upload.Accepted),
		progress.Thousands(s.Convert.Rejected+s.Partition.Rejected+s.Upload.Rejected),
		progress.Thousands(s.Convert.Dropped+s.Partition.Dropped), progress.Thousands(s.Upload.Pending))
	if o.Sandbox != nil {
		fmt.Fprintf(w, "  sent to the embedded sandbox, its ledger is %s\n", filepath.Join(o.Work, "sandbox", "ledger.ndjson"))
	}
}
