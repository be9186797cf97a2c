package partition

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"

	"export2batch/internal/eventfile"
	"export2batch/internal/jsonscan"
	"export2batch/internal/stage"
)

// sharedDevices collects the devices that join nobody, for the file that lists
// them: {"device_id","users"} a line, by device_id. A device of which no event
// is partitioned has no id here, and is not listed.
type sharedDevices struct {
	mu      sync.Mutex
	devices map[uint32]sharedDevice // by number; nil when there are too many to list
	tooMany bool
}

type sharedDevice struct {
	id    string
	users int
}

const (
	MaxSharedListed = 20_000 // devices listed; more are only counted
	sharedName      = "identities/shared-devices.ndjson"
)

// note adds a device, with its number of users.
func (s *sharedDevices) note(device uint32, users int) {
	if len(s.devices) == MaxSharedListed {
		s.devices, s.tooMany = nil, true
	}
	if s.tooMany {
		return
	}
	if s.devices == nil {
		s.devices = map[uint32]sharedDevice{}
	}
	s.devices[device] = sharedDevice{users: users}
}

// name keeps the id of a device.
func (s *sharedDevices) name(device uint32, id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.devices[device]; ok && d.id == "" {
		d.id = string(id)
		s.devices[device] = d
	}
}

// write writes the file, where there is something to list.
func (s *sharedDevices) write(folder *stage.Folder) ([]eventfile.Info, error) {
	list := slices.SortedFunc(maps.Values(s.devices), func(a, b sharedDevice) int { return cmp.Compare(a.id, b.id) })
	var lines []byte
	n := int64(0)
	for _, d := range list {
		if d.id == "" {
			continue
		}
		lines = jsonscan.AppendQuoted(append(lines, `{"device_id":`...), d.id)
		lines = append(strconv.AppendInt(append(lines, `,"users":`...), int64(d.users), 10), "}\n"...)
		n++
	}
	if n == 0 {
		return nil, nil
	}
	w, err := eventfile.Create(folder.FS, folder.File(sharedName), sharedName, eventfile.None)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	if err := w.Write(lines); err != nil {
		return nil, err
	}
	info, err := w.Commit()
	info.Events = n
	return []eventfile.Info{info}, err
}
