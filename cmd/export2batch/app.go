package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// version is written into manifests: a folder begun by one version is not
// gone on with by another.
const version = "0.1.0"

// system is what the command has of the machine.
type system struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// run is the whole command; it returns the exit code.
func run(ctx context.Context, args []string, sys system) int {
	ui := &ui{system: sys}
	app := newApp(ui)
	ordered, err := orderArgs(app, args)
	if err == nil {
		err = app.RunContext(ctx, ordered)
	}
	return ui.exit(ctx, err)
}

func newApp(ui *ui) *cli.App {
	app := &cli.App{
		Name:                      "export2batch",
		Usage:                     "turn Amplitude exports into Batch API events, prove them right, and send them in order, once",
		UsageText:                 "export2batch [global options] COMMAND [options] [arguments]",
		Description:               "Start with:  export2batch run -w WORK EXPORT.zip\nIt takes every stage, into a sandbox on this machine; nothing leaves it.",
		Version:                   version,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		Writer:                    ui.stdout,
		ErrWriter:                 ui.stderr,
		ExitErrHandler:            func(*cli.Context, error) {}, // exit codes are given in one place, at the end
		OnUsageError:              usageError,
		Flags: []cli.Flag{
			&cli.BoolFlag{DisableDefaultText: true, Name: "json", Usage: "print results as JSON, one object a command"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "quiet", Usage: "print errors and results only: no progress, and of findings those that are the result of validate"},
			&cli.StringFlag{Name: "progress", Value: "auto", Usage: "`auto` (bar on a terminal, plain lines elsewhere), bar, plain or none"},
		},
		Before: ui.configure,
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usagef("there is no command %q: see export2batch --help", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		Commands: []*cli.Command{
			runCommand(ui),
			convertCommand(ui),
			validateCommand(ui),
			explainCommand(ui),
			schemaCommand(ui),
			partitionCommand(ui),
			uploadCommand(ui),
			uploadStatusCommand(ui),
			uploadRetryCommand(ui),
			uploadRequestsCommand(ui),
			diffCommand(ui),
			sandboxCommand(ui),
			generateCommand(ui),
			configCommand(),
			configCheckCommand(),
		},
	}
	for _, c := range app.Commands {
		c.OnUsageError = usageError
		c.HideHelpCommand = true
	}
	return app
}

// errUsage marks errors of the command line.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return errUsage{fmt.Errorf(format, args...)} }

func usageError(_ *cli.Context, err error, _ bool) error { return errUsage{err} }

// Exit codes; the README lists them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitFound       = 3
	exitIncomplete  = 4
	exitInterrupted = 130
)

// Results that are no failures but have an exit code of their own.
var (
	errFound      = errors.New("something was set aside, found wrong or different")
	errIncomplete = errors.New("not everything was sent: start the same command again to go on")
)

// exit prints the error once and maps it to the exit code.
func (ui *ui) exit(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errFound):
		return exitFound // the account has said what
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		if ui.resumes {
			ui.errorf("interrupted: start the same command again to go on")
		} else {
			ui.errorf("interrupted")
		}
		return exitInterrupted
	case errors.Is(err, errIncomplete):
		ui.errorf("%v", err)
		return exitIncomplete
	case errors.As(err, new(errUsage)):
		ui.errorf("%v", strings.TrimPrefix(err.Error(), "flag provided but not defined: "))
		return exitUsage
	}
	ui.errorf("%v", err)
	return exitFailed
}
