package parquet

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/semaphore"
)

const (
	// totalBudget is how many bytes of pages all files of a Budget may hold.
	totalBudget = 160 << 20
	// openBudget is how much of it the columns of one row group may hold at the
	// same time. When they would take more, the largest are read one by one
	// before the rows are put together, into temporary files.
	openBudget = 96 << 20
)

// Budget bounds the memory that pages take in all files that are read at the
// same time. It is safe for concurrent use.
//
// Row groups wait for their share in the order of their file, so the one whose
// rows are wanted next always has it, and nobody waits for ever.
type Budget struct{ bytes *semaphore.Weighted }

// NewBudget returns a budget for one set of files.
func NewBudget() *Budget { return &Budget{semaphore.NewWeighted(totalBudget)} }

// acquire waits for cost bytes, or for all there are. What it returns gives
// them back.
func (b *Budget) acquire(ctx context.Context, cost int64) (release func(), err error) {
	cost = min(cost, totalBudget)
	if err := b.bytes.Acquire(ctx, cost); err != nil {
		return nil, err
	}
	return func() { b.bytes.Release(cost) }, nil
}

// pageSizes are the largest sizes of a column's pages in a row group, as they
// are stored and unpacked. It gives arrow-go buffers of these sizes at once:
// grown page by page, each would leave one that is almost as large behind.
type pageSizes struct {
	memory.GoAllocator
	stored, unpacked int
}

// smallBuffer is what need not be rounded up.
const smallBuffer = 64 << 10

func (s *pageSizes) round(n int) int {
	const align = 64 // what arrow-go rounds up to
	best := n
	for _, size := range [...]int{s.stored, s.unpacked} {
		size = (size + align - 1) / align * align
		if n > smallBuffer && n <= size && (best == n || size < best) {
			best = size
		}
	}
	return best
}

func (s *pageSizes) Allocate(n int) []byte { return s.GoAllocator.Allocate(s.round(n)) }

func (s *pageSizes) Reallocate(n int, b []byte) []byte {
	return s.GoAllocator.Reallocate(s.round(n), b)
}
