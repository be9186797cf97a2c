package partition

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"export2batch/internal/eventfile"
	"export2batch/internal/source"
	"export2batch/internal/stage"
)

// finished answers for a folder that needs no more work, if the inputs still are
// what it was made of: an edited file can have the size of the one before.
func (r *run) finished(ctx context.Context, m *stage.Manifest) (s Summary, err error) {
	if err := r.in.unchanged(ctx, m.Inputs, r.budget.jobs); errors.Is(err, errOtherInputs) {
		return s, fmt.Errorf("%s %w: give another folder, or remove it", r.o.Out, err)
	} else if err != nil {
		return s, err
	}
	s.Finished = true
	return s, json.Unmarshal(m.Counts, &s)
}

var errOtherInputs = errors.New("holds the finished result of other inputs")

// unchanged reads the inputs of which no checksum is known, and compares.
func (in *inputs) unchanged(ctx context.Context, was []stage.Input, jobs int) error {
	if !source.Same(was, in.events) {
		return errOtherInputs
	}
	for i := range was {
		if sum := in.events[i].SHA256; sum != "" && sum != was[i].SHA256 {
			return errOtherInputs
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for i := range was {
		if e := &in.events[i]; e.SHA256 == "" {
			group.Go(func() error { return unchanged(ctx, &was[i], e) })
		}
	}
	return group.Wait()
}

// unchanged reads an input as the spilling pass did: what is known of it is the
// SHA-256, the checksum of its lines, or both.
func unchanged(ctx context.Context, was *stage.Input, in *source.Input) error {
	if was.SHA256 == "" && was.Lines == 0 {
		return errOtherInputs
	}
	open := in.Lines
	if was.SHA256 == "" {
		open = in.LinesOnly
	}
	lines, err := open()
	if err != nil {
		return err
	}
	defer lines.Close()
	chain, err := chainOf(ctx, lines)
	switch {
	case err == nil, errors.As(err, new(*source.DamageError)):
	case errors.Is(err, source.ErrTooLong): // such an input does not come to an end
		return errOtherInputs
	default:
		return fmt.Errorf("%s: %w", in.Place(lines.Number()), err)
	}
	size, sum, err := lines.Sum()
	if err != nil {
		return err
	}
	if size != was.Size || sum != was.SHA256 || was.Lines != 0 && chain != was.Lines {
		return errOtherInputs
	}
	return nil
}

// chainOf reads all lines.
func chainOf(ctx context.Context, lines *source.Lines) (chain eventfile.Chain, err error) {
	long := false // lines take their time
	for n := 0; ; n++ {
		if n&1023 == 0 || long {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
		}
		line, err := lines.Next()
		if err == io.EOF {
			return chain, nil
		}
		if err != nil {
			return 0, err
		}
		long = len(line) > longLine
		chain.Add(xxhash.Sum64(line))
	}
}
