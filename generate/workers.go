package generate

import (
	"context"
	"iter"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// inOrder gives every part to one of several workers and their results to
// emit, one after the other in the order of the parts. newWorker is called
// once for each worker; emit runs on the caller's goroutine. What is under
// way at a time is bounded by three times the number of processors.
func inOrder[T any](ctx context.Context, parts iter.Seq[part], newWorker func() func(part) (T, error), emit func(part, T) error) error {
	type task struct {
		part part
		done chan T
	}
	workers := runtime.GOMAXPROCS(0)
	group, ctx := errgroup.WithContext(ctx)
	queue := make(chan task, workers) // for emit, in order
	work := make(chan task)           // for the workers

	group.Go(func() error {
		defer close(work)
		defer close(queue)
		for p := range parts {
			t := task{p, make(chan T, 1)}
			for _, c := range []chan task{queue, work} {
				select {
				case c <- t:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
		return nil
	})
	for range workers {
		group.Go(func() error {
			do := newWorker()
			for t := range work {
				result, err := do(t.part)
				if err != nil {
					return err
				}
				t.done <- result
			}
			return nil
		})
	}

	drain := func() error {
		for t := range queue {
			select {
			case result := <-t.done:
				if err := emit(t.part, result); err != nil {
					return err
				}
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return context.Cause(ctx)
	}
	if err := drain(); err != nil {
		// Stops the others, and is what Wait returns unless one of them failed first.
		group.Go(func() error { return err })
	}
	return group.Wait()
}
