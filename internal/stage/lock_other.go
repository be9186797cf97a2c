//go:build !unix

package stage

// lock does nothing where the system has no advisory locks on folders.
func lock(string) (release func() error, err error) { return func() error { return nil }, nil }
