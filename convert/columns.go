package convert

import (
	"context"
	"fmt"
	"io"
	"strings"

	"export2batch/internal/jsonscan"
	"export2batch/internal/source"
)

// parseColumns reads Rules.Columns: KEY=COLUMN pairs with commas between them,
// in any order. A column's name may hold an equals sign, but no comma.
func parseColumns(text string) (map[string]string, error) {
	columns := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, column, ok := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		switch {
		case !ok || key == "" || column == "":
			return nil, fmt.Errorf("--columns %q is not KEY=COLUMN", pair)
		case !source.IsExportKey(key):
			return nil, fmt.Errorf("--columns: %q is no key of an export line", key)
		case columns[key] != "":
			return nil, fmt.Errorf("--columns names two columns for %s", key)
		}
		columns[key] = column
	}
	return columns, nil
}

const (
	peekInputs = 10         // how many text inputs refuseMixed looks into
	peekLines  = minToJudge // and how many lines of each
)

// refuseMixed finds, before anything is written, Parquet files with insert ids
// beside some without, or some without beside exports that have them: the
// columns of a Parquet file are known at once. What cannot be told so early,
// judge finds.
func refuseMixed(ctx context.Context, set *source.Set, rules Rules) error {
	if rules.InsertID != InsertIDAuto {
		return nil
	}
	var with, without string
	for i := range set.Inputs {
		switch in := &set.Inputs[i]; in.InsertID {
		case source.Present:
			with = in.Place(0).String()
		case source.Absent:
			without = in.Place(0).String()
		}
	}
	for i, looked := 0, 0; i < len(set.Inputs) && looked < peekInputs && with == "" && without != ""; i++ {
		in := &set.Inputs[i]
		if in.Kind == source.ParquetFile || in.Size < 0 && in.Member == "" {
			continue // standard input can be read only once
		}
		looked++
		found, err := startsWithInsertID(ctx, in)
		if err != nil {
			return fmt.Errorf("%s: %w", in.Place(0), err)
		}
		if found {
			with = in.Place(0).String()
		}
	}
	if with != "" && without != "" {
		return fmt.Errorf("%w (with: %s, without: %s)", ErrMixedInsertIDs, with, without)
	}
	return nil
}

// startsWithInsertID tells whether one of an input's first lines has the key.
// What is wrong with the input is for its conversion to say.
func startsWithInsertID(ctx context.Context, in *source.Input) (found bool, err error) {
	lines, err := in.LinesOnly()
	if err != nil {
		return false, err
	}
	defer func() {
		if cerr := lines.Close(); err == nil {
			err = cerr
		}
	}()
	var fields []jsonscan.Field
	for range peekLines {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		line, err := lines.Next()
		if err == source.ErrTooLong {
			if _, err = lines.CopyLong(io.Discard); err == nil {
				continue
			}
		}
		if err != nil {
			return false, nil
		}
		if fields, err = jsonscan.Fields(fields[:0], line); err != nil {
			continue
		}
		for i := range fields {
			if string(fields[i].Key(line)) == exportNames[insertID] {
				return true, nil
			}
		}
	}
	return false, nil
}
