package convert

import (
	"maps"
	"slices"

	"export2batch/internal/stage"
)

// Summary is the account of a conversion.
type Summary struct {
	stage.Counts

	Files         int64 `json:"files"`                    // inputs read, members of archives counted one by one
	Ignored       int64 `json:"ignored_files,omitempty"`  // files of a folder that are not data
	Damaged       int64 `json:"damaged_inputs,omitempty"` // inputs that could not be read whole, or have a name that is not safe
	MergedIDFiles int64 `json:"merged_id_files,omitempty"`
	MergedIDLines int64 `json:"merged_id_lines,omitempty"` // not events, so not in Read

	// GroupIdentifies are the $groupidentify events made of group properties:
	// they stand in the event files beside those in Written.
	GroupIdentifies int64 `json:"group_identifies,omitempty"`
	// MappedIDs and UnmappedIDs count events, by "user_id" and "device_id", whose
	// id the map for it has, and has not.
	MappedIDs   map[string]int64 `json:"mapped_ids,omitempty"`
	UnmappedIDs map[string]int64 `json:"unmapped_ids,omitempty"`

	// InsertIDs says where the insert ids of the written events come from:
	// "export", "uuid" or "hash".
	InsertIDs map[string]int64 `json:"insert_ids,omitempty"`
	// Lost counts, by export key, the written events on which a populated value
	// has no place in the Batch API; beyond maxLostKeys keys, "(other keys)".
	Lost map[string]int64 `json:"lost,omitempty"`

	Finished        bool    `json:"-"`                           // the folder was finished before
	EventsPerSecond float64 `json:"events_per_second,omitempty"` // set by the caller, who has the clock
}

func (s *Summary) add(o *Summary) {
	s.Counts.Add(o.Counts)
	s.MergedIDFiles += o.MergedIDFiles
	s.MergedIDLines += o.MergedIDLines
	s.GroupIdentifies += o.GroupIdentifies
	stage.AddMap(&s.MappedIDs, o.MappedIDs)
	stage.AddMap(&s.UnmappedIDs, o.UnmappedIDs)
	stage.AddMap(&s.InsertIDs, o.InsertIDs)
	if s.Lost == nil && o.Lost != nil {
		s.Lost = map[string]int64{}
	}
	for _, key := range slices.Sorted(maps.Keys(o.Lost)) {
		n := o.Lost[key]
		if _, known := s.Lost[key]; !known && len(s.Lost) >= maxLostKeys {
			key = otherKeys
		}
		s.Lost[key] += n
	}
}
