package convert

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// program is what rules mean, worked out once. It is read only, and shared by
// the mappers of all inputs.
type program struct {
	rules       Rules
	timeSources [len(timeSources)]slot

	// Filters.
	since, until  int64 // ms since the epoch; the widest where not given
	sample        uint64
	sampled       bool // only ids whose hash is below sample
	dropSessions  bool
	where         *expression
	trim, lower   bool
	userMap       idMap // nil: none
	deviceMap     idMap
	pseudonymKey  []byte
	dropIP        bool
	dropLibrary   bool
	keepPartner   bool
	modelFromType bool
	lift          bool
	groups        bool // synthesise $groupidentify

	kept      []keptKey
	keptAt    map[string]int // by export key
	keptSlots [slots]bool    // never lost

	drops, keeps, sets []propertySpec
	setExpressions     []*expression // by the index in sets
	renames            []propertyRename
	eventRenames       []eventRename

	// active tells that some rule is set that the plain mapping does not do.
	active bool
	// files are the SHA-256 of the files that rules name, by option.
	files map[string]string
}

// eventRename gives events of some types another.
type eventRename struct {
	events glob
	name   string
}

// compileRules works out everything but the files that rules name.
func compileRules(r Rules) (*program, error) {
	r.setDefaults()
	p := &program{
		rules: r, timeSources: timeSourcesFrom(r.Time),
		dropSessions: r.SessionEvents == Drop, dropIP: r.IP == Drop, dropLibrary: r.Library == Drop,
		keepPartner: r.PartnerID == Keep, modelFromType: r.DeviceModel == ModelDeviceType, lift: r.Revenue == Lift,
		groups: r.GroupIdentify == Synthesise, files: map[string]string{},
	}
	for _, step := range []func() error{p.compileWindow, p.compileSample, p.compileIDs, p.compileKept, p.compileProperties, p.compileExpressions} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if r.Unmapped != "" && r.UserMap == "" && r.DeviceMap == "" {
		return nil, errors.New("--unmapped has no meaning without --user-map or --device-map")
	}
	p.active = r.Since != "" || r.Until != "" || p.sampled || p.dropSessions || p.where != nil || p.trim || p.lower ||
		r.UserMap != "" || r.DeviceMap != "" || r.PseudonymKeyFile != "" || p.dropIP || p.dropLibrary || p.keepPartner ||
		p.modelFromType || p.lift || p.groups || len(p.kept)+len(p.drops)+len(p.keeps)+len(p.sets)+len(p.renames)+len(p.eventRenames) > 0
	return p, nil
}

// compile works out the rules and reads the files they name.
func compile(r Rules) (*program, error) {
	p, err := compileRules(r)
	if err != nil {
		return nil, err
	}
	for _, m := range []struct {
		option, path string
		into         *idMap
	}{{"user-map", r.UserMap, &p.userMap}, {"device-map", r.DeviceMap, &p.deviceMap}} {
		if m.path == "" {
			continue
		}
		if *m.into, p.files[m.option], err = readIDMap(m.path); err != nil {
			return nil, fmt.Errorf("--%s: %w", m.option, err)
		}
	}
	if r.PseudonymKeyFile != "" {
		if p.pseudonymKey, p.files["pseudonym-key-file"], err = readKey(r.PseudonymKeyFile); err != nil {
			return nil, fmt.Errorf("--pseudonym-key-file: %w", err)
		}
	}
	return p, nil
}

func timeSourcesFrom(first string) (list [len(timeSources)]slot) {
	at := 0
	for _, s := range timeSources {
		if exportNames[s] == first {
			list[0], at = s, 1
		}
	}
	for _, s := range timeSources {
		if exportNames[s] != first {
			list[at] = s
			at++
		}
	}
	return list
}

func (p *program) compileWindow() (err error) {
	p.since, p.until = math.MinInt64, math.MaxInt64
	for _, bound := range []struct {
		option, text string
		into         *int64
	}{{"since", p.rules.Since, &p.since}, {"until", p.rules.Until, &p.until}} {
		if bound.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, bound.text)
		if err != nil {
			t, err = time.Parse(time.DateOnly, bound.text)
		}
		if err != nil {
			return fmt.Errorf("--%s %q is neither a date like 2006-01-02 nor a time like 2006-01-02T15:04:05Z", bound.option, bound.text)
		}
		*bound.into = t.UnixMilli()
		if t.Nanosecond()%1e6 != 0 { // events have whole milliseconds: the next one is the first not before t
			*bound.into++
		}
	}
	if p.since >= p.until {
		return errors.New("--since must be before --until")
	}
	return nil
}

func (p *program) compileSample() error {
	text := p.rules.SampleUsers
	if text == "" {
		return nil
	}
	number, ok := strings.CutSuffix(text, "%")
	percent, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(percent > 0 && percent <= 100) {
		return fmt.Errorf("--sample-users %q is not a share like 1%% or 0.5%%", text)
	}
	if percent < 100 {
		p.sampled, p.sample = true, uint64(percent/100*(1<<63))*2
	}
	return nil
}

func (p *program) compileIDs() error {
	if p.rules.IDs == "" {
		return nil
	}
	for word := range strings.SplitSeq(p.rules.IDs, ",") {
		switch word {
		case "trim":
			p.trim = true
		case "lower":
			p.lower = true
		default:
			return fmt.Errorf("unknown --ids %q: trim, lower, or trim,lower", p.rules.IDs)
		}
	}
	return nil
}

func (p *program) compileProperties() error {
	for _, list := range []struct {
		option   string
		texts    []string
		hasValue bool
		into     *[]propertySpec
	}{
		{"property-drop", p.rules.PropertyDrop, false, &p.drops},
		{"property-keep", p.rules.PropertyKeep, false, &p.keeps},
		{"property-set", p.rules.PropertySet, true, &p.sets},
	} {
		for _, text := range list.texts {
			spec, err := parseProperty(list.option, text, list.hasValue)
			if err != nil {
				return err
			}
			*list.into = append(*list.into, spec)
		}
	}
	for _, text := range p.rules.PropertyRename {
		spec, err := parseProperty("property-rename", text, true)
		if err != nil {
			return err
		}
		rename, err := parseRename(spec, text)
		if err != nil {
			return err
		}
		p.renames = append(p.renames, rename)
	}
	for _, text := range p.rules.EventRename {
		old, name, ok := cutUnescaped(text, "=")
		if name = literal(name); !ok || old == "" || name == "" {
			return fmt.Errorf("--event-rename %q is not OLD=NEW", text)
		}
		if name == identifyEvent || name == groupIdentifyEvent {
			return fmt.Errorf("--event-rename: %s is no name for an event", name)
		}
		p.eventRenames = append(p.eventRenames, eventRename{parseGlob(old), name})
	}
	return nil
}

func (p *program) compileExpressions() (err error) {
	if p.rules.Where != "" {
		if p.where, err = compileExpression(p.rules.Where, true); err != nil {
			return fmt.Errorf("--where: %w", err)
		}
	}
	for i := range p.sets {
		set := &p.sets[i]
		set.name = literal(set.name)
		e, err := compileExpression(set.value, false)
		if err != nil {
			return fmt.Errorf("--property-set %s: %w", set.name, err)
		}
		p.setExpressions = append(p.setExpressions, e)
	}
	return nil
}

// keptKey is an export key that becomes an event property.
type keptKey struct {
	key, property string
	slot          slot // noPlace without one
}

// The export keys that rules read beside those with a slot.
const (
	deviceTypeKey = "device_type"
	partnerIDKey  = "partner_id"
)

// compileKept also asks for the keys that become Batch keys by a rule: they
// have no property.
func (p *program) compileKept() error {
	p.keptAt = map[string]int{}
	properties := map[string]bool{}
	for _, text := range p.rules.Keep {
		key, property, ok := strings.Cut(text, "=")
		if !ok {
			property = key
		}
		s, known := exportKeys[key]
		switch {
		case key == "" || property == "":
			return fmt.Errorf("--keep %q is not KEY or KEY=PROPERTY", text)
		case known && s <= lastCopied && !slices.Contains(keepable[:], s):
			return fmt.Errorf("--keep: %s has a key of its own in the Batch API", key)
		case p.asked(key):
			return fmt.Errorf("--keep names %s twice", key)
		case properties[property]:
			return fmt.Errorf("--keep: two keys for the property %s", property)
		}
		properties[property] = true
		p.ask(key, property)
		if known {
			p.keptSlots[s] = true
		}
	}
	if p.modelFromType && !p.asked(deviceTypeKey) {
		p.ask(deviceTypeKey, "")
	}
	if p.keepPartner && !p.asked(partnerIDKey) {
		p.ask(partnerIDKey, "")
	}
	return nil
}

// keepable are the slots with a Batch key of their own whose exported value is
// not always carried over.
var keepable = [...]slot{eventTime, insertID, groupProperties, plan}

func (p *program) asked(key string) bool { _, ok := p.keptAt[key]; return ok }

func (p *program) ask(key, property string) {
	s, ok := exportKeys[key]
	if !ok {
		s = noPlace
	}
	p.keptAt[key] = len(p.kept)
	p.kept = append(p.kept, keptKey{key, property, s})
}
