package generate

const (
	millisecond = int64(1_000)
	second      = 1000 * millisecond
	minute      = 60 * second
	hour        = 60 * minute
	day         = 24 * hour
)

// margin is kept free at the end of the export so that the last events can
// still be uploaded in it.
const margin = 20 * minute

// event is what has to be known about a line before its text is made. The text
// follows from it, whenever and wherever it is made.
type event struct {
	at       int64  // when it happened, in µs since 1970, true time
	upload   int64  // server_upload_time, in µs since 1970; decides the hour
	session  int64  // start of the session, in µs since 1970, true time
	actor    uint32 // whose timeline
	sequence uint32 // place in that timeline
	user     uint32
	eventID  uint32 // Amplitude's counter of the device
	device   uint8  // of the user, or sharedDevice
	marks    marks
}

type marks uint8

const (
	markFirst  marks = 1 << iota // of its session
	markLast                     // of its session
	markKnown                    // the user is logged in
	markLogin                    // the first line after the login
	markNone                     // no session
	markServer                   // sent by the customer's server
)

const shared = 0xff // event.device of a shared device; the actor tells which

// merge is one line of a merged-id file.
type merge struct {
	at, upload   int64 // µs since 1970
	into, merged int64 // Amplitude ids
}

// walk makes the timeline of one actor: lines events, in order of their time
// and of their event id on each device. An actor is a user, or beyond the
// users a shared device. merged may be nil.
func (p *plan) walk(actor uint32, lines int, visit func(event), merged func(merge)) {
	r := newSource(p.seed, streamTimeline, uint64(actor), 0)
	a := p.newActivity(r, actor)
	var (
		request  [30]event
		typical  = r.between(4, 14)
		span     = uint64(p.activity - a.from)
		counters [maxDevices]uint32
	)
	for d := range counters {
		counters[d] = uint32(r.below(600))
	}
	loginLine := r.below(lines)

	for done := 0; done < lines; {
		length := min(1+r.below(2*typical), lines-done)
		begin := a.from + int64(mulDiv(span, uint64(done), uint64(lines)))
		end := a.from + int64(mulDiv(span, uint64(done+length), uint64(lines)))
		at := p.start + p.clock(begin+r.span((end-begin)*7/8), a.zone)
		limit := p.start + p.clock(end, a.zone)

		s := a.session(r, done+length > loginLine)
		template := event{session: at, actor: actor, user: s.user, device: s.device, marks: s.marks}
		login := -1
		if s.login {
			login = r.below(length)
		}
		size, filled := r.between(1, len(request)), 0
		for i := range length {
			e := template
			if i > 0 {
				at += min(pause(r), (limit-at)/int64(length-i))
			} else {
				e.marks |= markFirst
			}
			if i == length-1 {
				e.marks |= markLast
			}
			if i == login {
				e.marks |= markLogin
				template.marks |= markKnown
				e.marks |= markKnown
			}
			e.at = at - at%millisecond
			e.sequence = uint32(done + i)
			counter := &counters[s.device%maxDevices]
			*counter++
			e.eventID = *counter
			request[filled] = e
			filled++
			if filled < size && i < length-1 {
				continue
			}
			upload := p.send(r, at)
			for _, e := range request[:filled] {
				e.upload = upload
				visit(e)
				if merged != nil && e.marks&markLogin != 0 && e.device != shared && e.device != 0 {
					merged(merge{e.at, upload, amplitudeID(e.user, 0), amplitudeID(e.user, e.device)})
				}
			}
			size, filled = r.between(1, len(request)), 0
		}
		done += length
	}
}

// pause is the time between two events of a session.
func pause(r *source) int64 {
	if r.oneIn(12) {
		return r.span(4 * minute)
	}
	return 150*millisecond + r.span(12*second)
}

// send says when what happened until last reaches the server: mostly within
// seconds, at times after hours, and for the late ones after days. It is
// always before the end of the export.
func (p *plan) send(r *source, last int64) int64 {
	var delay int64
	switch n := r.below(100); {
	case r.hits(p.late):
		delay = 12*hour + r.span(6*day+12*hour)
	case n < 75:
		delay = r.span(30 * second)
	case n < 95:
		delay = r.span(20 * minute)
	default:
		delay = r.span(6 * hour)
	}
	if left := p.end - last - 3*second; delay > left {
		delay = r.span(left)
	}
	upload := last + 2*second + delay
	return upload - upload%millisecond
}

// activity is what a timeline knows about its actor.
type activity struct {
	from    int64 // µs of activity time
	zone    int   // hours east of UTC
	who     person
	members group  // of a shared device
	served  uint32 // members who had a session there, to begin with
	shared  bool
	known   [maxDevices]bool // logged in on that device
}

// session is what a session's events have in common.
type session struct {
	user   uint32
	device uint8
	marks  marks
	login  bool // the user logs in during it
}

func (p *plan) newActivity(r *source, actor uint32) *activity {
	if int(actor) >= p.users {
		g := p.groups[int(actor)-p.users]
		return &activity{members: g, shared: true, zone: p.person(g.first).place.zone}
	}
	who := p.person(actor)
	a := &activity{who: who, from: who.from, zone: who.place.zone}
	a.known[0] = !who.anonymous
	for d := 1; d < maxDevices; d++ {
		a.known[d] = !who.anonymous && !r.hits(p.anonymous)
	}
	return a
}

// session draws the next session. mayLogIn tells whether the time has come at
// which an anonymous user logs in.
func (a *activity) session(r *source, mayLogIn bool) session {
	if a.shared {
		// Everybody once and logged in, then by chance.
		turn, first := a.served, a.served < a.members.size
		if first {
			a.served++
		} else {
			turn = uint32(r.below(int(a.members.size)))
		}
		s := session{user: a.members.first + turn, device: shared}
		if first || !r.oneIn(8) {
			s.marks = markKnown
		}
		return s
	}
	s := session{user: a.who.index}
	if a.who.devices > 1 && r.below(10) < 3 {
		s.device = uint8(r.between(1, a.who.devices-1))
	}
	switch {
	case a.known[s.device]:
		s.marks = markKnown
	case a.who.logsIn && (mayLogIn || !a.who.anonymous):
		a.known[s.device], s.login = true, true
	}
	switch r.below(60) {
	case 0:
		s.marks |= markNone
	case 1, 2:
		s.marks |= markNone | markServer
	}
	return s
}

// clock turns activity time, in which lines come evenly, into real time, in
// which people sleep. Both are µs since the start of the export; the result
// never runs backwards, and both agree at the end of every 24 hours.
func (p *plan) clock(activity int64, zone int) int64 {
	midnight := activity - activity%day
	position := uint64(activity-midnight) * p.dayWeight
	for h := range 24 {
		width := spread[(h+zone+p.firstHour+24)%24] * uint64(day)
		if position < width {
			return midnight + int64(h)*hour + int64(mulDiv(position, uint64(hour), width))
		}
		position -= width
	}
	return midnight + day - 1
}
