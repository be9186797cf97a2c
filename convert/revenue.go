package convert

import (
	"bytes"
	"strings"

	"export2batch/internal/jsonscan"
)

// revenueKeys are the event properties that the Batch API has keys for.
// Amplitude, Batch Event Upload API, keys of an event: price and revenue are
// numbers, quantity is an integer, the others are strings.
var revenueKeys = [...]struct{ property, key string }{
	{"$revenue", `,"revenue":`}, {"$price", `,"price":`}, {"$quantity", `,"quantity":`},
	{"$productId", `,"productId":`}, {"$revenueType", `,"revenueType":`},
}

// mayHoldRevenue is a quick look for keys that begin with a dollar sign.
func mayHoldRevenue(object []byte) bool { return bytes.ContainsAny(object, `$\`) }

// liftRevenue moves revenue out of the properties: left there too, it would
// count twice. What the Batch API does not take stays where it is.
func (r *ruled) liftRevenue(e *objectEditor) {
	for _, k := range revenueKeys {
		i := e.find(k.property)
		if i < 0 || !takesRevenue(k.property, e.list[i].value) {
			continue
		}
		r.extra = append(append(r.extra, k.key...), e.list[i].value...)
		e.remove(i)
		r.trace.made(strings.Trim(k.key, `",:`), "event_properties."+k.property, "revenue")
	}
}

func takesRevenue(property string, value []byte) bool {
	kind, err := jsonscan.Check(value)
	switch {
	case err != nil:
		return false
	case property == "$productId" || property == "$revenueType":
		return kind == jsonscan.String
	case property == "$quantity":
		return kind == jsonscan.Number && !bytes.ContainsAny(value, ".eE")
	}
	return kind == jsonscan.Number
}
