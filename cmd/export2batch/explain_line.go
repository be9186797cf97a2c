package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"export2batch/convert"
)

// explainLine prints what the rules make of one event: given is the line itself, a
// file, or a file and the number of a line, FILE:N.
func explainLine(ctx context.Context, ui *ui, rules convert.Rules, given string) error {
	if err := rules.Validate(); err != nil {
		return errUsage{err}
	}
	line := []byte(given)
	if !strings.HasPrefix(strings.TrimSpace(given), "{") {
		file, number := given, int64(0)
		if i := strings.LastIndexByte(given, ':'); i > 0 {
			if n, err := strconv.ParseInt(given[i+1:], 10, 64); err == nil && n > 0 {
				file, number = given[:i], n
			}
		}
		var err error
		if line, err = convert.ReadLine(ctx, file, number, ui.stdin); err != nil {
			return err
		}
	}
	x, err := convert.Explain(rules, line)
	if err != nil {
		return err
	}
	if err := ui.result(x, func(w io.Writer) { printExplanation(w, x) }); err != nil {
		return err
	}
	if x.Outcome == "rejected" {
		return errFound
	}
	return nil
}

func printExplanation(w io.Writer, x convert.Explanation) {
	fmt.Fprint(w, x.Outcome)
	if x.Rule != "" {
		fmt.Fprintf(w, " (%s)", x.Rule)
	}
	if x.Reason != "" {
		fmt.Fprintf(w, ": %s", x.Reason)
	}
	fmt.Fprintln(w)
	if len(x.Steps) > 0 {
		fmt.Fprintln(w, "rules, in their order:")
	}
	for _, s := range x.Steps {
		fmt.Fprintf(w, "  %-20s %s\n", s.Rule, s.Effect)
	}
	if x.Made > 0 {
		fmt.Fprintf(w, "%d $groupidentify events before it\n", x.Made)
	}
	if len(x.Keys) > 0 {
		fmt.Fprintln(w, "keys, and where they come from:")
	}
	for _, k := range x.Keys {
		fmt.Fprintf(w, "  %-28s %s", k.Key, k.From)
		if k.By != "" {
			fmt.Fprintf(w, " (%s)", k.By)
		}
		fmt.Fprintln(w)
	}
	if len(x.Lost) > 0 {
		fmt.Fprintf(w, "not carried over: %s\n", strings.Join(x.Lost, " "))
	}
}
