package generate

import (
	"strconv"
	"time"
)

// subject is whose user properties a line shows: what is set before a login
// stays with the Amplitude id it was set on.
type subject struct {
	amplitudeID int64
	created     int64 // µs since 1970
	known, web  bool
}

// trait is a user property with the value it has for a while.
type trait struct {
	property
	set   bool
	epoch int64 // counts its values
	since int64 // when it got this one, in µs since 1970
}

// traitRun steps through the properties of one user.
type traitRun struct{ first, count int }

func (p *plan) traitRun(s subject) traitRun {
	r := newSource(p.seed, streamTraits, uint64(s.amplitudeID), 0)
	return traitRun{r.below(userTraits), r.between(2, 13)}
}

// trait returns property i of the run at a time. It is a function of the time
// alone, so that snapshots agree wherever they are made.
func (p *plan) trait(s subject, run traitRun, i int, at int64) trait {
	n := (run.first + 11*i) % userTraits
	var r source
	r.reseed(p.seed, streamTrait, uint64(s.amplitudeID), uint64(n))
	length := 6*hour + r.span(20*day)
	begin := s.created
	if r.oneIn(3) { // one that came later
		begin = p.start + r.span(p.end-p.start)
	}
	t := trait{property: p.catalog.traits[n]}
	if at < begin {
		return t
	}
	t.set = true
	t.epoch = (at - begin) / length
	t.since = begin + t.epoch*length
	return t
}

func (p *plan) appendTrait(b []byte, s subject, t trait) []byte {
	var r source
	r.reseed(p.seed, streamTrait, uint64(s.amplitudeID)^uint64(t.epoch+1)<<40, uint64(len(t.name))<<8|uint64(t.kind))
	return appendProperty(b, t.property, &r, t.since)
}

// appendSnapshot appends all user properties as they are at a time.
func (p *plan) appendSnapshot(b []byte, s subject, at int64) []byte {
	b = append(b, '{')
	run := p.traitRun(s)
	for i := range run.count {
		if t := p.trait(s, run, i, at); t.set {
			b = p.appendTrait(b, s, t)
		}
	}
	if s.web {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(b, `"initial_utm_source":"EMPTY","initial_utm_medium":"EMPTY","initial_referrer":"EMPTY",`+
			`"initial_referring_domain":"EMPTY","initial_gclid":"EMPTY"`...)
	}
	if run.count%4 == 0 {
		return append(b, '}')
	}
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, `"session_count":`...)
	b = strconv.AppendInt(b, 1+(at-s.created)/(9*hour), 10)
	if s.known {
		b = append(b, `,"plan":"`...)
		b = append(b, plans[(at-s.created)/(90*day)%int64(len(plans))]...)
		b = append(b, `","ltv":`...)
		b = appendDecimal(b, int((at-s.created)/(20*minute)), 2)
	}
	return append(b, '}')
}

// appendOperations appends the user properties of an $identify line.
func (p *plan) appendOperations(b []byte, r *source, s subject, at int64) []byte {
	if r.oneIn(60) {
		return append(b, `{"$clearAll":"-"}`...)
	}
	run := p.traitRun(s)
	b = append(b, `{"$set":{`...)
	for i := range min(run.count, r.between(1, 4)) {
		if t := p.trait(s, run, i, at); t.set {
			b = p.appendTrait(b, s, t)
		}
	}
	if s.known {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(b, `"login_method":"`...)
		b = append(b, [...]string{"password", "sso", "magic link"}[r.below(3)]...)
		b = append(b, '"')
	}
	b = append(b, '}')
	if r.oneIn(2) {
		b = append(b, `,"$setOnce":{"first_login":"`...)
		b = time.UnixMicro(s.created).UTC().AppendFormat(b, timeLayout)
		b = append(b, `"}`...)
	}
	if r.oneIn(3) {
		b = append(b, `,"$add":{"logins":1,"ltv":`...)
		b = appendDecimal(b, r.between(-500, 2000), 2)
		b = append(b, `}`...)
	}
	list := func(operation, name string, n int) {
		b = append(b, `,"`...)
		b = append(b, operation...)
		b = append(b, `":{"`...)
		b = append(b, name...)
		b = append(b, `":`...)
		b = appendList(b, r, n, at, kindWord, kindUnicode)
		b = append(b, '}')
	}
	switch r.below(8) {
	case 0:
		list("$append", "seen", 2)
	case 1:
		list("$prepend", "recent searches", 1)
	case 2:
		list("$preInsert", "badges", 1)
	case 3:
		list("$postInsert", "badges", 2)
	case 4:
		list("$remove", "badges", 1)
	case 5:
		b = append(b, `,"$unset":{"anon":"-","Größe":"-"}`...)
	}
	return append(b, '}')
}
