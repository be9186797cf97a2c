package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// maxComponent leaves room under the 255 bytes of common file systems for a
// suffix, a number and the marks of a temporary name.
const maxComponent = 200

// maxName leaves room for the output folder under the 4096 bytes of a path.
const maxName = 1000

// names gives each input of a set a relative path that is safe to write under
// and taken only once. It is a pure function of the names in their order.
type names map[string]bool

// take returns the name for parts, joined by slashes.
func (n names) take(parts ...string) string {
	name := safeName(trimSuffixes(strings.Join(parts, "/")))
	for i, free := 2, name; ; i++ {
		// Case is folded: some file systems do.
		if key := strings.ToLower(free); !n[key] {
			n[key] = true
			return free
		}
		free = fmt.Sprintf("%s~%d", name, i)
	}
}

// safeName keeps a name inside the folder it is joined to.
func safeName(name string) string {
	var out []string
	for part := range strings.SplitSeq(strings.ReplaceAll(name, `\`, "/"), "/") {
		part = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == utf8.RuneError || r == ':' {
				return '_'
			}
			return r
		}, part)
		if part == "" || strings.Trim(part, ".") == "" {
			continue // the root, a doubled slash, "." and ".."
		}
		if strings.HasPrefix(part, ".") {
			part = "_" + part[1:] // a dot in front marks our own unfinished files
		}
		if len(part) > maxComponent {
			sum := sha256.Sum256([]byte(part))
			part = strings.ToValidUTF8(part[:maxComponent-9], "") + "~" + hex.EncodeToString(sum[:4])
		}
		out = append(out, part)
	}
	if len(out) == 0 {
		return "input"
	}
	for i, folder := range out[:len(out)-1] {
		// The file written for a.ndjson must not need the name of this folder.
		if trimSuffixes(folder) != folder {
			out[i] += "~"
		}
	}
	safe := path.Join(out...)
	if len(safe) > maxName {
		sum := sha256.Sum256([]byte(safe))
		head := strings.TrimRight(strings.ToValidUTF8(safe[:maxName-9], ""), "/")
		safe = head + "~" + hex.EncodeToString(sum[:4])
	}
	return safe
}

// unsafeMember tells whether a member's name points out of its archive.
func unsafeMember(name string) bool {
	name = strings.ReplaceAll(name, `\`, "/")
	if strings.HasPrefix(name, "/") || len(name) > 1 && name[1] == ':' {
		return true
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// naturalCompare orders names as people do: the hour 2 before the hour 10.
func naturalCompare(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if isDigit(x[0]) && isDigit(y[0]) {
			dx, rx := digits(x)
			dy, ry := digits(y)
			tx, ty := strings.TrimLeft(dx, "0"), strings.TrimLeft(dy, "0")
			if len(tx) != len(ty) {
				return len(tx) - len(ty)
			}
			if c := strings.Compare(tx, ty); c != 0 {
				return c
			}
			x, y = rx, ry
			continue
		}
		if x[0] != y[0] {
			return int(x[0]) - int(y[0])
		}
		x, y = x[1:], y[1:]
	}
	if c := len(x) - len(y); c != 0 {
		return c
	}
	return strings.Compare(a, b) // 01 and 1: still a total order
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func digits(s string) (run, rest string) {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return s[:i], s[i:]
}
