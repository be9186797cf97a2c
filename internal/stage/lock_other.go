//go:build !unix

package stage

// Lock does nothing where the system has no advisory locks on folders.
func Lock(string) (release func() error, err error) { return func() error { return nil }, nil }
