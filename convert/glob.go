package convert

import (
	"fmt"
	"strings"
)

// glob is a pattern for a whole text: * stands for any characters, ? for one,
// and a backslash takes the meaning from the character behind it.
type glob struct {
	parts []globPart
}

type globPart struct {
	char rune
	kind byte // 'c' the character, '?' any one, '*' any number
}

func parseGlob(pattern string) (g glob) {
	escaped := false
	for _, c := range pattern {
		switch {
		case escaped:
			g.parts = append(g.parts, globPart{c, 'c'})
			escaped = false
		case c == '\\':
			escaped = true
		case c == '*' || c == '?':
			g.parts = append(g.parts, globPart{kind: byte(c)})
		default:
			g.parts = append(g.parts, globPart{c, 'c'})
		}
	}
	if escaped {
		g.parts = append(g.parts, globPart{'\\', 'c'})
	}
	return g
}

func (g glob) match(text string) bool {
	runes := []rune(text)
	// Where the last star stood, and how much of the text it has taken.
	star, taken := -1, 0
	p, i := 0, 0
	for i < len(runes) {
		switch {
		case p < len(g.parts) && g.parts[p].kind == '*':
			star, taken = p, i
			p++
		case p < len(g.parts) && (g.parts[p].kind == '?' || g.parts[p].kind == 'c' && g.parts[p].char == runes[i]):
			p++
			i++
		case star >= 0:
			taken++
			p, i = star+1, taken
		default:
			return false
		}
	}
	for p < len(g.parts) && g.parts[p].kind == '*' {
		p++
	}
	return p == len(g.parts)
}

// cutUnescaped is strings.Cut for the first sep without a backslash before it.
func cutUnescaped(text, sep string) (before, after string, found bool) {
	for i := 0; i+len(sep) <= len(text); i++ {
		if text[i] == '\\' {
			i++
			continue
		}
		if strings.HasPrefix(text[i:], sep) {
			return text[:i], text[i+len(sep):], true
		}
	}
	return text, "", false
}

// literal takes the backslashes out of a text that is no pattern.
func literal(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// propertySpec is what stands before the equals sign of a property rule.
type propertySpec struct {
	events glob
	all    bool // events of every type
	user   bool // user_properties
	name   string
	value  string
}

// parseProperty reads [EVENT::][event_properties.|user_properties.]NAME, and
// =VALUE behind it where the option has one.
func parseProperty(option, text string, hasValue bool) (p propertySpec, err error) {
	rest := text
	if before, after, ok := cutUnescaped(text, "::"); ok && !(hasValue && strings.Contains(before, "=")) {
		p.events, rest = parseGlob(before), after
	} else {
		p.all = true
	}
	if hasValue {
		name, value, ok := cutUnescaped(rest, "=")
		if !ok || strings.TrimSpace(value) == "" {
			return p, fmt.Errorf("--%s %q is not [EVENT::]NAME=VALUE", option, text)
		}
		rest, p.value = name, value
	}
	if name, ok := strings.CutPrefix(rest, "user_properties."); ok {
		p.user, rest = true, name
	} else {
		rest = strings.TrimPrefix(rest, "event_properties.")
	}
	if p.name = rest; rest == "" {
		return p, fmt.Errorf("--%s %q names no property", option, text)
	}
	return p, nil
}

func (p *propertySpec) applies(eventType string) bool { return p.all || p.events.match(eventType) }
