package sandbox

import "math"

// window counts the events of each id over the last so many steps of time, the
// current one included. It is not safe for concurrent use.
//
// What no event touched for a whole window is forgotten: ids live in two
// generations, of which the older one is dropped once a window.
type window struct {
	seconds int64 // a step
	steps   int64 // a window
	limit   int   // events a window; 0: nothing is counted

	recent, older map[string]*usage
	turned        int64 // step of the last change of generations
}

// usage is what one id did, in the steps that have events, oldest first.
type usage struct {
	total int
	steps []stepCount
}

type stepCount struct {
	step int64
	n    int
}

// newThrottle averages over 30 s (Amplitude, Batch Event Upload API, EPDS and
// EPUS).
func newThrottle(eps float64) *window {
	limit := int(math.Min(eps*30, math.MaxInt32))
	if eps > 0 && limit == 0 {
		limit = 1
	}
	return &window{seconds: 1, steps: 30, limit: limit}
}

// newQuota counts a rolling day in hours (Amplitude, Batch Event Upload API,
// daily quota).
func newQuota(events int) *window {
	return &window{seconds: 3600, steps: 24, limit: events}
}

// exceeded returns the events in the window with n more of this id, and
// whether that is too many. An id that has none is never refused: otherwise a
// request that is by itself over the limit could not be sent at any pace.
func (w *window) exceeded(id string, n int, now int64) (int, bool) {
	if w.limit == 0 {
		return 0, false
	}
	u := w.usage(id, now/w.seconds)
	if u == nil {
		return n, false
	}
	return u.total + n, u.total > 0 && u.total+n > w.limit
}

// add counts n events of this id.
func (w *window) add(id string, n int, now int64) {
	if w.limit == 0 {
		return
	}
	step := now / w.seconds
	u := w.usage(id, step)
	if u == nil {
		u = new(usage)
		w.recent[id] = u
	}
	if last := len(u.steps) - 1; last >= 0 && u.steps[last].step == step {
		u.steps[last].n += n
	} else {
		u.steps = append(u.steps, stepCount{step, n})
	}
	u.total += n
}

// rate turns events in the window into events a second, rounded up.
func (w *window) rate(events int) int {
	seconds := int(w.seconds * w.steps)
	return (events + seconds - 1) / seconds
}

// usage returns what is known of an id without what has left the window, or
// nil.
func (w *window) usage(id string, step int64) *usage {
	if w.recent == nil || step-w.turned >= w.steps {
		w.older = w.recent
		if step-w.turned >= 2*w.steps {
			w.older = nil
		}
		w.recent = make(map[string]*usage)
		w.turned = step
	}
	u := w.recent[id]
	if u == nil {
		if u = w.older[id]; u == nil {
			return nil
		}
		delete(w.older, id)
		w.recent[id] = u
	}
	gone := 0
	for gone < len(u.steps) && u.steps[gone].step <= step-w.steps {
		u.total -= u.steps[gone].n
		gone++
	}
	u.steps = append(u.steps[:0], u.steps[gone:]...)
	return u
}
