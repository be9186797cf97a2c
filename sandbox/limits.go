package sandbox

import (
	"net/http"
	"slices"
)

// overLimit counts the events of a request against throttle and quota. When
// an id has too many, or is silenced, it returns the answer, and nothing is
// counted: a refused request does not use up what it was refused for.
func (s *Server) overLimit(events []event, now int64, u *upload) (refused answer, ok bool) {
	throttle, eps := s.throttle, s.opts.Throttle
	if u.at.strict {
		throttle, eps = s.http, s.opts.HTTPThrottle
	}
	storm := u.faults.storming(s.opts.Now())
	if eps == 0 && s.opts.DailyQuota == 0 && !storm && len(u.faults.silenced) == 0 {
		return answer{}, true
	}
	devices, users := make(map[string]int), make(map[string]int)
	for i := range events {
		if e := &events[i]; e.device != nil {
			devices[string(e.device)]++
		}
		if e := &events[i]; e.user != nil {
			users[string(e.user)]++
		}
	}
	if eps == 0 {
		if eps = DocumentedThrottle; u.at.strict {
			eps = DocumentedHTTPThrottle
		}
	}
	t := newThrottled(eps)
	check := func(ids map[string]int, throttle, quota *window, tooFast, tooMany map[string]int) {
		for id, n := range ids {
			if total, over := throttle.exceeded(id, n, now); over || storm {
				tooFast[id] = max(throttle.rate(total), 1)
			}
			if total, over := quota.exceeded(id, n, now); over {
				tooMany[id] = total
			}
		}
	}
	check(devices, throttle.devices, s.quota.devices, t.Devices, t.ExceededDevices)
	check(users, throttle.users, s.quota.users, t.Users, t.ExceededUsers)
	for i := range events {
		if e := &events[i]; e.device != nil && named(t.Devices, t.ExceededDevices, e.device) ||
			e.user != nil && named(t.Users, t.ExceededUsers, e.user) {
			t.ThrottledIndexes = append(t.ThrottledIndexes, i)
		}
	}
	if quiet := silencedOf(events, u.faults, t); quiet != nil {
		return jsonAnswer(quiet.Code, quiet), false
	}
	if len(t.ThrottledIndexes) > 0 {
		return jsonAnswer(t.Code, t), false
	}
	for id, n := range devices {
		throttle.devices.add(id, n, now)
		s.quota.devices.add(id, n, now)
	}
	for id, n := range users {
		throttle.users.add(id, n, now)
		s.quota.users.add(id, n, now)
	}
	return answer{}, true
}

// silencedOf returns the answer for silenced devices, nil when there are none.
func silencedOf(events []event, f *Faults, t *throttled) *silenced {
	if len(f.silenced) == 0 {
		return nil
	}
	a := &silenced{Code: http.StatusBadRequest, Error: errSilenced, Threshold: t.Threshold,
		ExceededDevices: t.ExceededDevices, Devices: t.Devices, ThrottledIndexes: t.ThrottledIndexes}
	for i := range events {
		device := string(events[i].device)
		if events[i].device == nil || !slices.Contains(f.silenced, device) {
			continue
		}
		a.SilencedIndexes = append(a.SilencedIndexes, i)
		if !slices.Contains(a.SilencedDevices, device) {
			a.SilencedDevices = append(a.SilencedDevices, device)
		}
	}
	if a.SilencedIndexes == nil {
		return nil
	}
	return a
}

func named(tooFast, tooMany map[string]int, id []byte) bool {
	_, fast := tooFast[string(id)]
	_, many := tooMany[string(id)]
	return fast || many
}
