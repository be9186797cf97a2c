//go:build unix

package stage

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Lock takes the folder for this process until release is called. The kernel gives it back when the
// process ends, however it ends.
func Lock(dir string) (release func() error, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		d.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is in use by another export2batch", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return d.Close, nil
}
