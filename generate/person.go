package generate

import (
	"strconv"
	"strings"
)

// person is one user: who it is, not what it does.
type person struct {
	index   uint32
	place   *place
	userID  string
	devices int
	// from is where the timeline begins, in µs of activity time.
	from int64
	// created is the user's creation in µs since 1970, not after the first event.
	created int64
	// anonymous users have no user_id at first; logsIn tells who gets one later.
	anonymous, logsIn bool
	groups            string // JSON
	company           string // JSON string, "" for none
	paying            string // JSON
	located           bool
	lat, lng          int // 1/10000 degree
}

// person returns the user with the given number, the same one every time.
func (p *plan) person(index uint32) person {
	r := newSource(p.seed, streamPerson, uint64(index), 0)
	who := person{index: index, place: &places[r.below(len(places))]}
	who.devices = [...]int{1, 1, 1, 1, 1, 1, 2, 2, 2, 3}[r.below(10)]
	who.userID = userID(r, index)

	who.from = r.span(p.activity/4 + 1)
	who.created = p.start - r.span(600*day) - minute
	if r.oneIn(5) && index >= p.members {
		// New users appear throughout. Users of shared devices are old ones,
		// since a session there can be at any time.
		who.from = r.span(p.activity)
		who.created = p.start + p.clock(who.from, who.place.zone) - millisecond
	}
	who.anonymous = r.hits(p.anonymous)
	who.logsIn = !who.anonymous || r.oneIn(2)

	who.groups = "{}"
	if r.oneIn(4) {
		who.company = strconv.Quote(pick(r, adjectives) + " " + pick(r, nouns) + " " + pick(r, companies))
		who.groups = `{"org id":["` + strconv.Itoa(r.between(100, 5000)) + `"],"company":[` + who.company + `]}`
		if r.oneIn(8) {
			who.groups = `{"company":` + who.company + `}`
		}
	}
	who.paying = [...]string{"null", "null", "null", "null", "null", "null", "true", "true", "false", `"true"`}[r.below(10)]
	if r.oneIn(6) {
		who.located = true
		who.lat = who.place.lat + r.between(-4000, 4000)
		who.lng = who.place.lng + r.between(-4000, 4000)
	}
	return who
}

// userID makes an id in one of the styles met in the field. All contain the
// index, or enough random bits, to be unique.
func userID(r *source, index uint32) string {
	number := strconv.Itoa(int(index))
	switch r.below(10) {
	case 0, 1:
		return string(appendUUID(nil, r, false))
	case 2:
		return strconv.Itoa(100_000 + int(index))
	case 3:
		return "user_" + letters(index)
	case 4:
		hex := strings.ReplaceAll(string(appendUUID(nil, r, false)), "-", "")
		return "auth0|" + hex[:24]
	default:
		return pick(r, firstNames) + "." + pick(r, lastNames) + number + "@" + pick(r, mailHosts)
	}
}

// letters maps an index to eight letters; different indexes never meet, since
// the factor has no divisor in common with 26^8.
func letters(index uint32) string {
	const all = 26 * 26 * 26 * 26 * 26 * 26 * 26 * 26
	n := (uint64(index)*38_685_626_227 + 91_357_911_013) % all
	var b [8]byte
	for i := range b {
		b[i] = 'a' + byte(n%26)
		n /= 26
	}
	return string(b[:])
}

// amplitudeID is Amplitude's number of a user; before a login every device but
// the first has one of its own. Twelve digits, unique.
func amplitudeID(index uint32, device uint8) int64 {
	const bits = 37
	n := (uint64(index)*4 + uint64(device)) * 45_678_901_237
	return 100_000_000_000 + int64(n&(1<<bits-1))
}
