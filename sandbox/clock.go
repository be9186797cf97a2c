package sandbox

import "time"

// scaledClock is the sandbox's time: it starts at base and goes scale times as fast
// as the wall's. The throttle, the quota, the deduplication and the times of
// the export go by it; latency and Retry-After go by the wall's.
type scaledClock struct {
	wall  func() time.Time
	start time.Time // on the wall
	base  time.Time
	scale float64
}

// newScaledClock makes a clock that starts no earlier than atLeast.
func newScaledClock(wall func() time.Time, scale float64, atLeast time.Time) *scaledClock {
	c := &scaledClock{wall: wall, start: wall(), scale: scale}
	c.base = c.start
	if c.base.Before(atLeast) {
		c.base = atLeast
	}
	return c
}

func (c *scaledClock) now() time.Time {
	if c.scale == 1 && c.base.Equal(c.start) {
		return c.wall()
	}
	return c.base.Add(time.Duration(float64(c.wall().Sub(c.start)) * c.scale))
}
