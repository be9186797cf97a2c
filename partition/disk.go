package partition

import (
	"errors"
	"fmt"

	"export2batch/internal/eventfile"
	"export2batch/internal/source"
)

// Estimate is the disk space that a partitioning is expected to need, in bytes.
// Events differ in how well they compress: half or twice of it is possible.
type Estimate struct {
	Spill  int64 // for a time, below Out
	Output int64
	Free   int64 // what the file system of Out has; -1 unknown
}

// ErrDisk says that there is clearly not enough disk space.
var ErrDisk = errors.New("not enough free disk space")

// How many times smaller typical event data is when compressed, measured on
// exports of the generator and rounded down.
const (
	zstdRatio  = 7
	gzipRatio  = 5
	spillRatio = 4
)

// estimate says what is needed for the inputs, when resident bytes of events
// can stay in memory.
func (in *inputs) estimate(c eventfile.Compression, resident int64) (e Estimate) {
	var text int64
	for i := range in.events {
		size := max(0, in.events[i].Size)
		switch in.events[i].Kind {
		case source.ZstdData:
			size *= zstdRatio
		case source.GzipData:
			size *= gzipRatio
		}
		text += size
	}
	switch c {
	case eventfile.Zstd:
		e.Output = text / zstdRatio
	case eventfile.Gzip:
		e.Output = text / gzipRatio
	default:
		e.Output = text
	}
	if text+text/8 > resident {
		e.Spill = text / spillRatio
	}
	return e
}

// checkDisk tells the estimate and refuses to start where not even half of it
// is free.
func (r *run) checkDisk(resident int64) error {
	e := r.in.estimate(r.o.Rules.Compress, resident)
	free, err := r.o.limits.free(r.o.Out)
	if err != nil {
		return fmt.Errorf("ask for the free disk space of %s: %w", r.o.Out, err)
	}
	e.Free = free
	r.o.Estimate(e)
	if need := e.Spill + e.Output; free >= 0 && free < need/2 {
		return fmt.Errorf("%w: %d MiB in %s, about %d MiB are needed", ErrDisk, free>>20, r.o.Out, need>>20)
	}
	return nil
}
