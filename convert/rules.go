package convert

import "fmt"

// Rules say how one line becomes one event. Their JSON form is kept in the
// manifest.
type Rules struct {
	InsertID       string `json:"insert_id"`       // InsertIDAuto (default) or InsertIDUUID
	UserProperties string `json:"user_properties"` // Skip (default) or Sync
	Identify       string `json:"identify"`        // IdentifyAuto (default), Keep or Drop
}

// The values of Rules.InsertID.
const (
	InsertIDAuto = "auto" // $insert_id, else uuid, else a hash of the event
	InsertIDUUID = "uuid" // uuid, else a hash of the event
)

// The values of Rules.UserProperties. Exported user properties are snapshots
// of all of a user's properties, so syncing them sets the live users back.
const (
	Skip = "skip" // events show the properties, the users' tables stay as they are
	Sync = "sync" // for filling an empty project
)

// The values of Rules.Identify: what happens to $identify and $groupidentify
// lines, which do nothing but sync.
const (
	IdentifyAuto = "auto" // Drop with Skip, Keep with Sync
	Keep         = "keep"
	Drop         = "drop"
)

func (r *Rules) setDefaults() {
	for field, value := range map[*string]string{&r.InsertID: InsertIDAuto, &r.UserProperties: Skip, &r.Identify: IdentifyAuto} {
		if *field == "" {
			*field = value
		}
	}
}

// Validate reports the first rule that does not exist.
func (r Rules) Validate() error {
	switch {
	case r.InsertID != InsertIDAuto && r.InsertID != InsertIDUUID:
		return fmt.Errorf("unknown --insert-id %q: auto or uuid", r.InsertID)
	case r.UserProperties != Skip && r.UserProperties != Sync:
		return fmt.Errorf("unknown --user-properties %q: skip or sync", r.UserProperties)
	case r.Identify != IdentifyAuto && r.Identify != Keep && r.Identify != Drop:
		return fmt.Errorf("unknown --identify %q: auto, keep or drop", r.Identify)
	}
	return nil
}

func (r Rules) dropIdentify() bool {
	return r.Identify == Drop || r.Identify == IdentifyAuto && r.UserProperties == Skip
}
