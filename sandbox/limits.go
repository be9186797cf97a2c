package sandbox

// overLimit counts the events of a request against throttle and quota. When
// an id has too many it returns the answer, and nothing is counted: a refused
// request does not use up what it was refused for.
func (s *Server) overLimit(events []event, now int64) *throttled {
	if s.opts.Throttle == 0 && s.opts.DailyQuota == 0 {
		return nil
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
	threshold := s.opts.Throttle
	if threshold == 0 {
		threshold = DocumentedThrottle
	}
	t := newThrottled(threshold)
	check := func(ids map[string]int, throttle, quota *window, tooFast, tooMany map[string]int) {
		for id, n := range ids {
			if total, over := throttle.exceeded(id, n, now); over {
				tooFast[id] = throttle.rate(total)
			}
			if total, over := quota.exceeded(id, n, now); over {
				tooMany[id] = total
			}
		}
	}
	check(devices, s.throttle.devices, s.quota.devices, t.Devices, t.ExceededDevices)
	check(users, s.throttle.users, s.quota.users, t.Users, t.ExceededUsers)
	for i := range events {
		if e := &events[i]; e.device != nil && named(t.Devices, t.ExceededDevices, e.device) ||
			e.user != nil && named(t.Users, t.ExceededUsers, e.user) {
			t.ThrottledIndexes = append(t.ThrottledIndexes, i)
		}
	}
	if len(t.ThrottledIndexes) > 0 {
		return t
	}
	for id, n := range devices {
		s.throttle.devices.add(id, n, now)
		s.quota.devices.add(id, n, now)
	}
	for id, n := range users {
		s.throttle.users.add(id, n, now)
		s.quota.users.add(id, n, now)
	}
	return nil
}

func named(tooFast, tooMany map[string]int, id []byte) bool {
	_, fast := tooFast[string(id)]
	_, many := tooMany[string(id)]
	return fast || many
}
