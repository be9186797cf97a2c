package generate

import "strconv"

// shape is which keys a line has.
type shape uint8

const (
	shapeModern     shape = iota // 55 keys
	shapeSampled                 // 55 keys, $sample_rate in place of $insert_key
	shapePlain                   // 49 keys, rows before the data plan
	shapeReexported              // 49 and those of old rows; times with the fraction cut short
)

// record is a line before it is written as JSON or as a row. Its slices are
// used again for the next one.
type record struct {
	shape     shape
	identify  bool
	revenue   bool
	quantity  int // of revenue
	price     int // of revenue, cents
	productID int

	app, amplitudeID, sessionID          int64
	eventID                              int64
	insertID, userID, deviceID           text
	uuid                                 []byte
	eventType                            string
	amplitudeEventType                   text
	platform, library, language, ip      string
	country, region, city, startVersion  string
	dma, osName, osVersion, versionName  text
	deviceType, brand, model, maker      text
	carrier, adid, idfa                  text
	paying                               string // JSON
	attribution                          string // JSON, amplitude_attribution_ids
	located                              bool
	lat, lng                             int // 1/10000 degree
	eventProperties, userProperties      []byte
	groups, groupProperties, data, plan  string // JSON
	clientEvent, clientUpload, eventTime int64  // µs since 1970, like all times
	received, upload, processed, created int64
}

// composer makes records of events. It is not for use by several goroutines.
type composer struct {
	p       *plan
	missing share
	ident   share
	r       source
	rec     record

	// The last event's actor, user and device, which mostly are the next one's too.
	actor  uint32
	who    person
	number uint8
	dev    device
	any    bool
}

func (p *plan) newComposer() *composer {
	return &composer{p: p, missing: shareOf(p.options.MissingInsertID), ident: shareOf(p.options.Identify)}
}

func (c *composer) lookUp(e event) {
	if c.any && c.actor == e.actor && c.who.index == e.user && c.number == e.device {
		return
	}
	if !c.any || c.who.index != e.user {
		c.who = c.p.person(e.user)
	}
	c.any, c.actor, c.number = true, e.actor, e.device
	if e.device == shared {
		c.dev = c.p.sharedDevice(int(e.actor) - c.p.users)
	} else {
		c.dev = c.p.device(&c.who, e.device)
	}
}

// compose returns the record of an event, valid until the next call.
func (c *composer) compose(e event) *record {
	c.lookUp(e)
	r, rec, dev := &c.r, &c.rec, &c.dev
	r.reseed(c.p.seed, streamEvent, uint64(e.actor), uint64(e.sequence))
	known := e.marks&markKnown != 0
	*rec = record{
		app:             int64(c.p.options.Project),
		eventID:         int64(e.eventID),
		uuid:            appendUUID(rec.uuid[:0], r, false),
		startVersion:    dev.startVersion,
		language:        c.who.place.language,
		country:         c.who.place.country,
		region:          c.who.place.region,
		city:            c.who.place.city,
		deviceID:        some(dev.id),
		paying:          c.who.paying,
		attribution:     "null",
		groups:          c.who.groups,
		groupProperties: "{}",
		data:            "{}",
		plan:            "{}",
		eventProperties: rec.eventProperties[:0],
		userProperties:  rec.userProperties[:0],
	}
	switch n := r.below(100); {
	case n < 42:
		rec.shape = shapeModern
	case n < 55:
		rec.shape = shapeSampled
	case n < 95:
		rec.shape = shapePlain
	default:
		rec.shape = shapeReexported
	}
	who := subject{c.amplitudeID(e, known), c.who.created, known, dev.web}
	rec.amplitudeID = who.amplitudeID
	if known {
		rec.userID = some(c.who.userID)
	}
	if c.who.place.dma != "" {
		rec.dma = some(c.who.place.dma)
	}
	if c.who.located {
		rec.located, rec.lat, rec.lng = true, c.who.lat, c.who.lng
	}
	if r.below(5) > 1 {
		rec.data = `{"path":"/2/httpapi","user_properties_updated":true,"group_first_event":{},"group_ids":{}}`
	}
	if c.who.index%3 == 0 {
		rec.plan = `{"branch":"main","source":"web","version":"` + strconv.Itoa(1+int(c.who.index)%7) + `"}`
	}
	switch r.below(300) {
	case 0:
		rec.attribution = `"` + string(appendUUID(nil, r, false)) + `"`
	case 1:
		rec.attribution = `["` + string(appendUUID(nil, r, false)) + `","` + string(appendToken(nil, r, 12)) + `"]`
	}
	c.times(e)
	c.device(e)
	c.insertID(e)
	c.content(e, who)
	return rec
}

func (c *composer) amplitudeID(e event, known bool) int64 {
	switch {
	case known:
		return amplitudeID(e.user, 0)
	case e.device == shared:
		return amplitudeID(e.actor, 0)
	default:
		return amplitudeID(e.user, e.device)
	}
}

// times fills in what the clocks of the device and of the server said. What
// went in one request has the same upload times.
func (c *composer) times(e event) {
	var r source
	r.reseed(c.p.seed, streamRequest, uint64(e.actor), uint64(e.upload))
	rec := &c.rec
	skew := c.dev.skew
	if e.marks&markServer != 0 {
		skew = 0
	}
	rec.upload = e.upload
	rec.received = e.upload - int64(r.between(2, 40))*millisecond
	sent := rec.received - int64(r.between(30, 400))*millisecond
	rec.clientUpload = sent - skew
	rec.clientEvent = e.at - skew
	rec.eventTime = rec.clientEvent
	// Amplitude corrects the event time only when a clock is over a minute off.
	if d := rec.received - rec.clientUpload; d > minute || d < -minute {
		rec.eventTime += d
	}
	rec.processed = e.upload + int64(c.r.between(1000, 40_000))*millisecond
	rec.created = c.who.created
	rec.sessionID = (e.session - skew) / millisecond
	if e.marks&markNone != 0 {
		rec.sessionID = -1
	}
}

func (c *composer) device(e event) {
	rec, dev := &c.rec, &c.dev
	rec.ip = dev.ip
	if e.marks&markServer != 0 {
		rec.platform, rec.library = "Server", "amplitude-python/1.1.2"
		if rec.userID.set && e.user%2 == 0 {
			rec.deviceID = text{}
		}
		return
	}
	rec.platform, rec.library = dev.platform, dev.library
	rec.osName, rec.osVersion, rec.versionName = dev.osName, dev.osVersion, dev.version
	rec.deviceType, rec.brand, rec.maker, rec.model = dev.kind, dev.brand, dev.manufacturer, dev.model
	rec.carrier, rec.adid, rec.idfa = dev.carrier, dev.adid, dev.idfa
}

// insertID makes the id in the style of the library that sent the event.
func (c *composer) insertID(e event) {
	rec, r := &c.rec, &c.r
	if r.hits(c.missing) {
		return
	}
	var b []byte
	switch {
	case e.device == shared:
		b = append(append(b, c.dev.id...), ':')
		b = strconv.AppendInt(b, int64(e.eventID), 10)
	case e.marks&markServer != 0:
		b = append(b, "[backend] order "...)
		b = strconv.AppendInt(b, int64(e.actor), 10)
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(e.sequence), 10)
	case rec.platform == "Web":
		b = appendToken(b, r, 12)
	default:
		b = appendUUID(b, r, rec.platform == "iOS")
	}
	rec.insertID = some(string(b))
}

// content fills in what happened: the event type and the properties.
func (c *composer) content(e event, who subject) {
	rec, r, p := &c.rec, &c.r, c.p
	sessions := c.dev.tracksSessions && e.marks&markNone == 0
	switch {
	case r.hits(c.ident):
		rec.eventType, rec.identify = "$identify", true
		rec.eventProperties = append(rec.eventProperties, "{}"...)
		rec.userProperties = p.appendOperations(rec.userProperties, r, who, e.at)
		return
	case c.who.company != "" && r.hits(c.ident/5): // a quarter of the users has one
		rec.eventType = "$groupidentify"
		rec.groups = `{"company":[` + c.who.company + `]}`
		rec.groupProperties = `{"company":{` + c.who.company + `:{"employees":` + strconv.Itoa(r.between(3, 9000)) + `,"tier":"` + pick(r, plans) + `"}}}`
		rec.eventProperties = append(rec.eventProperties, "{}"...)
		rec.userProperties = append(rec.userProperties, "{}"...)
		return
	case sessions && e.marks&markFirst != 0:
		rec.eventType = "session_start"
		rec.amplitudeEventType = some("session_start")
	case sessions && e.marks&markLast != 0:
		rec.eventType = "session_end"
		rec.amplitudeEventType = some("session_end")
	}
	rec.eventProperties = append(rec.eventProperties, '{')
	if rec.eventType == "" {
		c.ordinary(e)
	}
	rec.eventProperties = append(rec.eventProperties, '}')
	rec.userProperties = p.appendSnapshot(rec.userProperties, who, e.at)
}

func (c *composer) ordinary(e event) {
	rec, r := &c.rec, &c.r
	t := c.p.catalog.pick(r)
	rec.eventType = t.name
	b := rec.eventProperties
	for _, prop := range t.properties {
		if !r.oneIn(10) {
			b = appendProperty(b, prop, r, e.at)
		}
	}
	switch {
	case e.marks&markLogin != 0:
		rec.eventType = "Logged In"
	case r.oneIn(30):
		rec.eventType = "Revenue Recorded"
		rec.revenue, rec.quantity, rec.price, rec.productID = true, r.between(1, 5), r.between(99, 20_000), r.between(1, 400)
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(b, `"$price":`...)
		b = appendDecimal(b, rec.price, 2)
		b = append(b, `,"$quantity":`...)
		b = strconv.AppendInt(b, int64(rec.quantity), 10)
		b = append(b, `,"$productId":"sku.`...)
		b = strconv.AppendInt(b, int64(rec.productID), 10)
		b = append(b, `","$revenueType":"purchase","$revenue":`...)
		b = appendDecimal(b, rec.price*rec.quantity, 2)
	}
	rec.eventProperties = b
}
