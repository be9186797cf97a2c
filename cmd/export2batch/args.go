package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// orderArgs puts global options before the command and the command's options
// before its arguments, so that users may write them in any order. The library
// stops looking for options at the first argument.
func orderArgs(app *cli.App, args []string) ([]string, error) {
	globals := flagsByName(append(app.Flags, cli.HelpFlag, cli.VersionFlag))
	var command *cli.Command
	var before, options, positional []string
	var used []string // names of options
	rest := args[1:]
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			positional = append(positional, rest...)
			rest = nil
		case len(arg) < 2 || arg[0] != '-':
			if command == nil {
				if command = app.Command(arg); command == nil {
					return nil, usagef("there is no command %q: see export2batch --help", arg)
				}
				continue
			}
			// A command of two words, such as upload status.
			if two := app.Command(command.Name + " " + arg); two != nil && len(positional) == 0 {
				for _, name := range used {
					if flagsByName(append(two.Flags, cli.HelpFlag))[name] == nil {
						return nil, usagef("there is no option --%s: see export2batch %s --help", name, two.Name)
					}
				}
				command = two
				continue
			}
			positional = append(positional, arg)
		default:
			name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			flag := globals[name]
			into := &before
			if command != nil {
				if own := flagsByName(append(command.Flags, cli.HelpFlag))[name]; own != nil {
					flag, into = own, &options
					used = append(used, name)
				}
			}
			if flag == nil {
				where := "export2batch"
				if command != nil {
					where += " " + command.Name
				}
				return nil, usagef("there is no option %s: see %s --help", arg, where)
			}
			*into = append(*into, arg)
			if _, isBool := flag.(*cli.BoolFlag); !isBool && !hasValue {
				if len(rest) == 0 {
					return nil, usagef("the option %s needs a value", arg)
				}
				*into = append(*into, rest[0])
				rest = rest[1:]
			}
		}
	}
	out := append(args[:1:1], before...)
	if command == nil {
		return append(out, positional...), nil
	}
	out = append(append(out, command.Name), options...)
	return append(append(out, "--"), positional...), nil
}

func flagsByName(flags []cli.Flag) map[string]cli.Flag {
	byName := map[string]cli.Flag{}
	for _, f := range flags {
		for _, name := range f.Names() {
			byName[name] = f
		}
	}
	return byName
}

// splitCommas splits each value at its commas.
func splitCommas(values []string) (all []string) {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}
