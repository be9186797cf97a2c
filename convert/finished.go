package convert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// finished answers for a folder that needs no more work, if the inputs still
// are, byte for byte, what it was made of: an edited file can have the size of
// the one before.
func finished(ctx context.Context, m *stage.Manifest, set *source.Set, o Options) (Summary, error) {
	if err := unchanged(ctx, m.Inputs, set.Inputs, o.Jobs); errors.Is(err, errOtherInputs) {
		return Summary{}, fmt.Errorf("%s %w: give another folder, or remove it", o.Out, err)
	} else if err != nil {
		return Summary{}, err
	}
	for _, f := range set.Findings {
		o.Sink(f)
	}
	s := Summary{Finished: true}
	return s, json.Unmarshal(m.Counts, &s)
}

var errOtherInputs = errors.New("holds the finished result of other inputs")

func unchanged(ctx context.Context, was []stage.Input, inputs []source.Input, jobs int) error {
	if len(was) != len(inputs) {
		return errOtherInputs
	}
	for i := range inputs {
		if inputs[i].File != was[i].Name || inputs[i].Member != was[i].Member {
			return errOtherInputs
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for i := range inputs {
		group.Go(func() error {
			size, sum, err := checksum(ctx, &inputs[i])
			if err != nil {
				return fmt.Errorf("%s: %w", inputs[i].Place(0), err)
			}
			if size != was[i].Size || sum != was[i].SHA256 {
				return errOtherInputs
			}
			return nil
		})
	}
	return group.Wait()
}

// checksum is what Lines.Sum gives for an input read to its end.
func checksum(ctx context.Context, in *source.Input) (size int64, sum string, err error) {
	if err := ctx.Err(); err != nil {
		return 0, "", err
	}
	lines, err := in.Lines()
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	return lines.Sum()
}
