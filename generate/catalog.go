package generate

import "strconv"

const (
	eventTypes    = 120
	userTraits    = 70
	propertyNames = 530
)

// catalog is what the project tracks: its event types with their properties,
// and the properties of its users. It does not change after newCatalog.
type catalog struct {
	types  []eventType
	traits []property
}

type eventType struct {
	name       string
	properties []property
}

// property is a name with the kind of value it mostly has.
type property struct {
	name string // as written in JSON, quotes and colon included
	kind kind
}

func newCatalog(seed uint64, mean int) *catalog {
	r := newSource(seed, streamCatalog, 0, 0)
	names := make([]property, propertyNames)
	for i := range names {
		names[i] = property{propertyName(r, i), pick(r, commonKinds)}
	}
	c := &catalog{types: make([]eventType, eventTypes), traits: names[:userTraits]}
	for i := range c.types {
		t := &c.types[i]
		t.name = eventTypeName(r, i)
		// Properties in steps through the names, so that none comes twice.
		n := r.between((mean+1)/2, mean+mean/2)
		at := r.below(propertyNames)
		for range min(n, propertyNames) {
			t.properties = append(t.properties, names[at])
			at = (at + 37) % propertyNames
		}
	}
	return c
}

func propertyName(r *source, i int) string {
	subject, aspect, number := pick(r, subjects), pick(r, aspects), strconv.Itoa(i)
	switch r.below(16) {
	case 0:
		return `"[App] ` + subject + "." + aspect + " " + number + `":`
	case 1:
		return `"` + subject + " " + aspect + " " + number + `":`
	case 2:
		return `"` + subject + "Größe" + number + `":`
	case 3:
		return `"` + subject + "\\u00c4nderung_" + number + `":`
	case 4:
		return `"` + subject + "\\/" + aspect + "-" + number + `":`
	default:
		return `"` + subject + "_" + aspect + "_" + number + `":`
	}
}

func eventTypeName(r *source, i int) string {
	screen, action, number := pick(r, screens), pick(r, actions), strconv.Itoa(i)
	switch r.below(12) {
	case 0:
		return "[Amplitude] " + screen + " " + action + " " + number
	case 1:
		return "Größe: " + screen + " " + number
	case 2:
		return "🛒 " + screen + " " + action + " " + number
	case 3:
		return "画面表示 " + screen + " " + number
	case 4:
		return `open "` + screen + `" ` + number
	default:
		return screen + " " + action + " " + number
	}
}

// pick draws an event type, the first ones more often.
func (c *catalog) pick(r *source) *eventType {
	return &c.types[min(r.below(eventTypes), r.below(eventTypes), r.below(eventTypes))]
}
