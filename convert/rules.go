package convert

import (
	"fmt"
	"slices"
	"strings"
)

// Rules say how one line becomes one event. The zero value of a field is its
// default. Their JSON form is kept in the manifest, but for the names of files,
// which are known there by their checksums; their YAML keys are the names of
// the command's options. docs/convert.md says what each does.
type Rules struct {
	InsertID       string `json:"insert_id" yaml:"insert-id"`             // InsertIDAuto (default) or InsertIDUUID
	UserProperties string `json:"user_properties" yaml:"user-properties"` // Skip (default) or Sync
	Identify       string `json:"identify" yaml:"identify"`               // IdentifyAuto (default), Keep or Drop
	// Columns names the columns of Parquet files whose names are not those of
	// the export: KEY=COLUMN,…
	Columns string `json:"columns,omitempty" yaml:"columns"`

	// Time is the export key of an event's time: event_time (default),
	// client_event_time, server_received_time or server_upload_time. The others
	// follow in this order where it is null, absent or empty.
	Time string `json:"time,omitempty" yaml:"time"`
	// Since and Until bound the time, the first inclusive, the second
	// exclusive: RFC 3339, or a date, which means its first moment in UTC.
	Since string `json:"since,omitempty" yaml:"since"`
	Until string `json:"until,omitempty" yaml:"until"`
	// SampleUsers is the share of users whose events are converted: 1%, 0.5%.
	SampleUsers string `json:"sample_users,omitempty" yaml:"sample-users"`
	// SessionEvents is Keep (default) or Drop: session_start and session_end.
	SessionEvents string `json:"session_events,omitempty" yaml:"session-events"`
	// Where is an expression that is true for the events to convert.
	Where string `json:"where,omitempty" yaml:"where"`

	// IDs says what is done to user and device ids: trim, lower, or both with a
	// comma between them.
	IDs string `json:"ids,omitempty" yaml:"ids"`
	// UserMap and DeviceMap name CSV files with the new ids of users and
	// devices, old,new. Unmapped is what becomes of events whose id they do not
	// have: Keep (default), Drop or Reject.
	UserMap   string `json:"-" yaml:"user-map"`
	DeviceMap string `json:"-" yaml:"device-map"`
	Unmapped  string `json:"unmapped,omitempty" yaml:"unmapped"`
	// PseudonymKeyFile names a file with the key that ids are replaced with.
	PseudonymKeyFile string `json:"-" yaml:"pseudonym-key-file"`

	IP          string `json:"ip,omitempty" yaml:"ip"`                     // Keep (default) or Drop
	Library     string `json:"library,omitempty" yaml:"library"`           // Keep (default) or Drop
	PartnerID   string `json:"partner_id,omitempty" yaml:"partner-id"`     // Drop (default) or Keep
	DeviceModel string `json:"device_model,omitempty" yaml:"device-model"` // ModelExport (default) or ModelDeviceType
	Revenue     string `json:"revenue,omitempty" yaml:"revenue"`           // Keep (default) or Lift

	// Keep names export keys without a Batch key that become event properties:
	// KEY or KEY=PROPERTY.
	Keep []string `json:"keep,omitempty" yaml:"keep"`
	// The rules for properties, [EVENT::][user_properties.]…, where EVENT is a
	// pattern of exported event types. Without the second part they are for
	// event properties.
	PropertyDrop   []string `json:"property_drop,omitempty" yaml:"property-drop"`     // patterns
	PropertyKeep   []string `json:"property_keep,omitempty" yaml:"property-keep"`     // patterns: all others are dropped
	PropertyRename []string `json:"property_rename,omitempty" yaml:"property-rename"` // OLD=NEW
	PropertySet    []string `json:"property_set,omitempty" yaml:"property-set"`       // NAME=EXPRESSION
	EventRename    []string `json:"event_rename,omitempty" yaml:"event-rename"`       // OLD=NEW, OLD a pattern
	// GroupIdentify is GroupsDrop (default) or Synthesise.
	GroupIdentify string `json:"group_identify,omitempty" yaml:"group-identify"`
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

// Further values of rules.
const (
	Reject          = "reject"      // Unmapped: the line is set aside
	ModelExport     = "export"      // DeviceModel: as exported
	ModelDeviceType = "device-type" // DeviceModel: device_type where device_model is null
	Lift            = "lift"        // Revenue: moved from the event properties to the event
	Synthesise      = "synthesise"  // GroupIdentify: a $groupidentify event for each change
)

// choice is a rule that is one of a few words; the first is the default, and
// kept in the manifest only where it always was.
type choice struct {
	name   string
	field  *string
	values []string
}

func (r *Rules) choices() []choice {
	return []choice{
		{"insert-id", &r.InsertID, []string{InsertIDAuto, InsertIDUUID}},
		{"user-properties", &r.UserProperties, []string{Skip, Sync}},
		{"identify", &r.Identify, []string{IdentifyAuto, Keep, Drop}},
		{"time", &r.Time, []string{exportNames[eventTime], exportNames[clientEventTime], exportNames[serverReceivedTime], exportNames[serverUploadTime]}},
		{"session-events", &r.SessionEvents, []string{Keep, Drop}},
		{"unmapped", &r.Unmapped, []string{Keep, Drop, Reject}},
		{"ip", &r.IP, []string{Keep, Drop}},
		{"library", &r.Library, []string{Keep, Drop}},
		{"partner-id", &r.PartnerID, []string{Drop, Keep}},
		{"device-model", &r.DeviceModel, []string{ModelExport, ModelDeviceType}},
		{"revenue", &r.Revenue, []string{Keep, Lift}},
		{"group-identify", &r.GroupIdentify, []string{Drop, Synthesise}},
	}
}

// alwaysWritten are the rules whose default stands in the manifest.
var alwaysWritten = []string{"insert-id", "user-properties", "identify"}

// setDefaults gives each choice one spelling of its default, so that leaving it
// out and naming it are the same options.
func (r *Rules) setDefaults() {
	for _, c := range r.choices() {
		switch always := slices.Contains(alwaysWritten, c.name); {
		case always && *c.field == "":
			*c.field = c.values[0]
		case !always && *c.field == c.values[0]:
			*c.field = ""
		}
	}
}

// Validate reports the first rule that makes no sense. It does not read the
// files that rules name.
func (r Rules) Validate() error {
	r.setDefaults()
	for _, c := range r.choices() {
		if *c.field != "" && !slices.Contains(c.values, *c.field) {
			last := len(c.values) - 1
			return fmt.Errorf("unknown --%s %q: %s or %s", c.name, *c.field, strings.Join(c.values[:last], ", "), c.values[last])
		}
	}
	if _, err := parseColumns(r.Columns); err != nil {
		return err
	}
	_, err := compileRules(r)
	return err
}

func (r Rules) dropIdentify() bool {
	return r.Identify == Drop || r.Identify == IdentifyAuto && r.UserProperties == Skip
}
