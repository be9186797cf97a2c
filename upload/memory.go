package upload

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/semaphore"
)

// memory lends the buffers that requests are made in, so that there are as
// many as requests at work, not as open partitions, and bounds the events held
// at a time. It is safe for concurrent use.
type memory struct {
	o      Options
	text   *semaphore.Weighted // bytes of events; nil: not bounded
	line   atomic.Int64        // bytes of an event, about
	zips   chan *gzip.Writer   // one a processor: compressing does not wait for anything
	mu     sync.Mutex
	bodies []*body
	chunks []*chunk
}

const (
	// textBound is how many bytes of events are held for requests at a time. A
	// request that is larger waits until it is the only one.
	textBound = 24 << 20
	firstLine = 1 << 10 // what an event is taken for before the first
)

func newMemory(o Options) *memory {
	m := &memory{o: o, text: semaphore.NewWeighted(textBound), zips: make(chan *gzip.Writer, runtime.GOMAXPROCS(0))}
	m.line.Store(firstLine)
	for o.Gzip && len(m.zips) < cap(m.zips) {
		// The level is a constant of the package, so it is one it knows.
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		m.zips <- z
	}
	return m
}

// share is how much of the bound a chunk of that many events takes.
func (m *memory) share(events int64) int64 {
	return min(events*m.line.Load(), int64(m.o.MaxBytes), textBound)
}

// takeChunk waits until there is room for a chunk of that many events.
func (m *memory) takeChunk(ctx context.Context, events int64) (*chunk, error) {
	share := m.share(events)
	if err := m.text.Acquire(ctx, share); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &chunk{}
	if n := len(m.chunks); n > 0 {
		c, m.chunks = m.chunks[n-1], m.chunks[:n-1]
	}
	c.reset()
	c.share = share
	return c, nil
}

// release lets others have the room of a chunk that goes on waiting.
func (m *memory) release(c *chunk) {
	if c.share > 0 {
		m.text.Release(c.share)
		c.share = 0
	}
}

func (m *memory) putChunk(c *chunk) {
	if n := int64(len(c.events)); n > 0 {
		m.line.Store((7*m.line.Load() + int64(len(c.text))/n) / 8)
	}
	m.release(c)
	m.mu.Lock()
	defer m.mu.Unlock()
	if cap(c.text) <= textBound/8 {
		m.chunks = append(m.chunks, c)
	}
}

func (m *memory) takeBody() *body {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.bodies); n > 0 {
		out := m.bodies[n-1]
		m.bodies = m.bodies[:n-1]
		return out
	}
	return newBody(m.o, m.zips)
}

func (m *memory) putBody(b *body) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bodies = append(m.bodies, b)
}
