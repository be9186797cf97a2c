package partition

import "runtime"

// What the bound on memory has to leave room for beside the data.
const (
	// processMemory is the program's own pages, which the Go runtime does not
	// count: 23 MiB measured, most of it what its packages start with.
	processMemory = 27 << 20
	// runtimeMemory is the Go runtime's: stacks, tables, garbage not yet found.
	runtimeMemory = 10 << 20
	// jobMemory is a zstd decoder (13 MiB measured, for the window of 4 MiB that
	// event files have) or two encoders, beyond what is saved elsewhere then.
	jobMemory = 10 << 20
	// minShare is the least that a job can work with.
	minShare = 6 << 20
)

// RuntimeMemory is the limit to give to debug.SetMemoryLimit, so that the
// process stays within memory bytes of resident memory.
func RuntimeMemory(memory int64) int64 { return memory - processMemory - memory/32 }

// budget is how the memory is shared out. The identity map is there while
// events are read, batches while they are written: the two never meet.
type budget struct {
	jobs       int
	partitions int
	data       int64 // bytes of the identity map, buffers, batches
}

func newBudget(memory int64, jobs, partitions int) budget {
	rest := memory - processMemory - runtimeMemory - memory/16
	share := jobMemory + max(minShare, 2*minBlock*int64(partitions))
	jobs = int(min(int64(jobs), max(1, rest/share)))
	return budget{jobs: jobs, partitions: partitions, data: rest - int64(jobs)*jobMemory}
}

// memoryFor is the memory that newBudget needs for an identity map of ids bytes.
func memoryFor(ids int64, jobs, partitions int) int64 {
	for m := int64(MinMemory); ; m += m / 8 {
		b := newBudget(m, jobs, partitions)
		if b.ids() >= ids {
			return (m + 1<<20 - 1) &^ (1<<20 - 1)
		}
	}
}

// ids is what the identity map may take: all but the smallest buffers.
func (b budget) ids() int64 {
	return b.data - max(minShare/2, int64(b.jobs*b.partitions*minBlock))
}

const (
	minBlock = 2 << 10
	maxBlock = 64 << 10 // S2 is fastest where a block fits in the processor's cache
)

// block is the size of the buffers that events are spilled through, one for
// each job and partition, beside an identity map of ids bytes.
func (b budget) block(ids int64) int {
	share := (b.data - ids) / 2 / int64(b.jobs*b.partitions)
	return int(min(maxBlock, max(minBlock, share)))
}

// resident is how many bytes of events may stay in memory instead of being
// spilled.
func (b budget) resident(ids int64) int64 {
	return b.data - ids - int64(b.jobs*b.partitions*b.block(ids))
}

// batch is what a job may take to sort and to merge.
func (b budget) batch() int64 { return b.data / int64(b.jobs) }

// collectBelow is the memory below which it matters that the runtime finds
// garbage late: a zstd decoder's 13 MiB are a fifth of the least.
const collectBelow = 192 << 20

// collect frees what was just given up, where memory is scarce.
func (r *run) collect() {
	if r.o.Memory < collectBelow {
		runtime.GC()
	}
}
