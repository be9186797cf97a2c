package validate

import (
	"encoding/json"
	"strconv"
	"strings"

	"export2batch/internal/finding"
)

// maxShown is how many bytes of a value are shown.
const maxShown = 100

// showValue adds the value that a finding is about to its message, which only
// Options.ShowValues asks for.
func showValue(f *finding.Finding, event any) {
	v, ok := resolve(event, f.Pointer)
	if !ok || f.Pointer == "" {
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		return // cannot be: it was decoded
	}
	shown := string(text)
	if len(shown) > maxShown {
		shown = strings.ToValidUTF8(shown[:maxShown], "") + "…"
	}
	f.Message += ": " + finding.Printable(shown)
}

// resolve follows a JSON pointer.
func resolve(v any, pointer string) (any, bool) {
	if pointer == "" {
		return v, true
	}
	for part := range strings.SplitSeq(pointer[1:], "/") {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		ok := false
		switch container := v.(type) {
		case map[string]any:
			v, ok = container[part]
		case []any:
			i, err := strconv.Atoi(part)
			if ok = err == nil && i >= 0 && i < len(container); ok {
				v = container[i]
			}
		}
		if !ok {
			return nil, false
		}
	}
	return v, true
}
