package validate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"export2batch/internal/finding"
	"export2batch/internal/progress"
)

// Limits of a project; what comes after is not indexed: Amplitude, Batch Event
// Upload API, limits.
const (
	maxEventTypes      = 2000
	maxEventProperties = 2000
	maxUserProperties  = 1000
)

// nameTable says what the kinds of names are called, and how many a project
// can have.
var nameTable = [nameKinds]struct {
	rule, one, many, pointer string
	most                     int
}{
	inEvent: {ruleManyEventProperties, "event property", "event properties", "/event_properties", maxEventProperties},
	inUser:  {ruleManyUserProperties, "user property", "user properties", "/user_properties", maxUserProperties},
	ofType:  {ruleManyEventTypes, "event type", "event types", "/event_type", maxEventTypes},
}

// nameSets are the names that all events together have, up to maxNames of each
// kind. They do not depend on the order of events.
type nameSets struct {
	sets [nameKinds]map[string]struct{}
}

func (n *nameSets) add(names []name) {
	for _, name := range names {
		set := &n.sets[name.kind]
		if *set == nil {
			*set = map[string]struct{}{}
		}
		if len(*set) <= maxNames {
			(*set)[name.text] = struct{}{}
		}
	}
}

// findings tells about the whole set, which is called place.
func (n *nameSets) findings(place finding.Place, showNames bool, report func(finding.Finding)) {
	for kind, set := range n.sets {
		t := nameTable[kind]
		amount := progress.Thousands(int64(len(set)))
		if len(set) > maxNames {
			amount = "more than " + progress.Thousands(maxNames)
		}
		if len(set) > t.most {
			report(finding.Finding{Place: place, Pointer: t.pointer, Rule: t.rule,
				Message: fmt.Sprintf("%s %s in all, Amplitude indexes %s in a project", amount, t.many, progress.Thousands(int64(t.most)))})
		}
		if len(set) > maxNames {
			continue // which names are kept then depends on their order
		}
		similar := variants(set)
		if len(similar) == 0 {
			continue
		}
		message := progress.Amount(int64(len(similar)), t.one+" differs", t.many+" differ") + " from others only in letter case, which Amplitude tells apart"
		if showNames {
			message += ": " + strings.Join(similar, "; ")
		}
		report(finding.Finding{Place: place, Pointer: t.pointer, Rule: ruleNameCase, Message: message})
	}
}

// variants lists the names that are equal but for letter case, as "a, A".
func variants(set map[string]struct{}) []string {
	byFolded := map[string][]string{}
	for name := range set {
		folded := strings.ToLower(name)
		byFolded[folded] = append(byFolded[folded], name)
	}
	var lists []string
	for _, folded := range slices.Sorted(maps.Keys(byFolded)) {
		if names := byFolded[folded]; len(names) > 1 {
			slices.Sort(names)
			for i := range names {
				names[i] = finding.Printable(names[i])
			}
			lists = append(lists, strings.Join(names, ", "))
		}
	}
	return lists
}
