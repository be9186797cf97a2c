package finding

import "strings"

// Pointer joins keys to a JSON pointer.
func Pointer(keys ...string) string {
	var b strings.Builder
	for _, k := range keys {
		b.WriteByte('/')
		b.WriteString(escaper.Replace(k))
	}
	return b.String()
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")
