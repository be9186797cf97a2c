package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"export2batch/convert"
	"export2batch/internal/eventfile"
)

// rule is an option of the mapping: a flag, and a key of the file that --config
// names.
type rule struct {
	category, name, usage string
	word                  func(*convert.Rules) *string   // one of word and list
	list                  func(*convert.Rules) *[]string // may be given several times
}

// The headings under which help lists the rules.
const (
	whichEvents = "WHICH EVENTS"
	whoseEvents = "WHO THEY ARE OF"
	whatTheyAre = "WHAT THEY CARRY"
)

// rules are the options of the mapping in the order of docs/convert.md.
func rules() []rule {
	type R = convert.Rules
	return []rule{
		{whichEvents, "time", "the `KEY` of the time: event_time, client_event_time, server_received_time, server_upload_time", func(r *R) *string { return &r.Time }, nil},
		{whichEvents, "since", "no events before this `TIME` (RFC 3339, or a date in UTC)", func(r *R) *string { return &r.Since }, nil},
		{whichEvents, "until", "no events at or after this `TIME`", func(r *R) *string { return &r.Until }, nil},
		{whichEvents, "sample-users", "only this `SHARE` of the users, all their events: 1%", func(r *R) *string { return &r.SampleUsers }, nil},
		{whichEvents, "where", "only events for which `EXPR` is true: event_type in [\"a\", \"b\"] && time > 1700000000000", func(r *R) *string { return &r.Where }, nil},
		{whichEvents, "session-events", "session_start and session_end: `keep` or drop", func(r *R) *string { return &r.SessionEvents }, nil},
		{whichEvents, "identify", "$identify and $groupidentify lines: `auto` (drop with skip, keep with sync), keep or drop", func(r *R) *string { return &r.Identify }, nil},
		{whichEvents, "group-identify", "synthesise makes $groupidentify events of group_properties that changed (`drop`)", func(r *R) *string { return &r.GroupIdentify }, nil},

		{whoseEvents, "ids", "what is done to user and device ids: `trim`, lower, or trim,lower", func(r *R) *string { return &r.IDs }, nil},
		{whoseEvents, "user-map", "new user ids from a `FILE` of old,new (CSV or Parquet)", func(r *R) *string { return &r.UserMap }, nil},
		{whoseEvents, "device-map", "new device ids from such a `FILE`", func(r *R) *string { return &r.DeviceMap }, nil},
		{whoseEvents, "unmapped", "events whose id is not in its map: `keep` (as they are), drop or reject", func(r *R) *string { return &r.Unmapped }, nil},
		{whoseEvents, "pseudonym-key-file", "replace ids by their HMAC-SHA256 with the key in `FILE`", func(r *R) *string { return &r.PseudonymKeyFile }, nil},

		{whatTheyAre, "insert-id", "where insert ids come from: `auto` ($insert_id, else uuid, else a hash) or uuid", func(r *R) *string { return &r.InsertID }, nil},
		{whatTheyAre, "user-properties", "`skip` leaves the users' properties in the project alone, sync overwrites them (for an empty project)", func(r *R) *string { return &r.UserProperties }, nil},
		{whatTheyAre, "ip", "`keep` or drop", func(r *R) *string { return &r.IP }, nil},
		{whatTheyAre, "library", "`keep` or drop", func(r *R) *string { return &r.Library }, nil},
		{whatTheyAre, "partner-id", "`drop` or keep", func(r *R) *string { return &r.PartnerID }, nil},
		{whatTheyAre, "device-model", "`export`, or device-type where the export has no model", func(r *R) *string { return &r.DeviceModel }, nil},
		{whatTheyAre, "revenue", "lift moves $revenue and the like out of event_properties to keys of their own (`keep`)", func(r *R) *string { return &r.Revenue }, nil},
		{whatTheyAre, "keep", "keep an export `KEY` as event property; KEY=PROPERTY gives it another name", nil, func(r *R) *[]string { return &r.Keep }},
		{whatTheyAre, "property-drop", "leave out properties: `NAME`, with * and ? for any; EVENT::NAME for some events, user_properties.NAME", nil, func(r *R) *[]string { return &r.PropertyDrop }},
		{whatTheyAre, "property-keep", "leave out all properties but these (`NAME`)", nil, func(r *R) *[]string { return &r.PropertyKeep }},
		{whatTheyAre, "property-rename", "rename a property: `OLD=NEW`", nil, func(r *R) *[]string { return &r.PropertyRename }},
		{whatTheyAre, "property-set", "give a property the value of an expression: `NAME=EXPR`", nil, func(r *R) *[]string { return &r.PropertySet }},
		{whatTheyAre, "event-rename", "rename events of a type: `OLD=NEW`", nil, func(r *R) *[]string { return &r.EventRename }},
		{"", "columns", "columns of Parquet files that have other names than the export's keys: `KEY=COLUMN,…`", func(r *R) *string { return &r.Columns }, nil},
	}
}

// ruleFlags are the options that convert and run share.
func ruleFlags() []cli.Flag {
	list := []cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "YAML `FILE` with these options; those on the command line win. See export2batch config check"},
		&cli.StringSliceFlag{Name: "merged-ids", Usage: "`FILE` of merged Amplitude IDs beside those among the inputs"},
	}
	for _, r := range rules() {
		if r.word != nil {
			list = append(list, &cli.StringFlag{Category: r.category, Name: r.name, Usage: r.usage})
		} else {
			list = append(list, &cli.StringSliceFlag{Category: r.category, Name: r.name, Usage: r.usage})
		}
	}
	return list
}

// applyRules makes the options of a conversion: those of the file, and over
// them those of the command line.
func applyRules(c *cli.Context, o *convert.Options) error {
	config, err := readConfig(c)
	if err != nil {
		return err
	}
	o.Rules, o.MergedIDs = config.Rules, config.MergedIDs
	for _, r := range rules() {
		switch {
		case !c.IsSet(r.name):
		case r.word != nil:
			*r.word(&o.Rules) = c.String(r.name)
		default:
			*r.list(&o.Rules) = c.StringSlice(r.name)
		}
	}
	if c.IsSet("merged-ids") {
		o.MergedIDs = c.StringSlice("merged-ids")
	}
	if o.Compress = config.Compress; o.Compress == "" || c.IsSet("compress") {
		o.Compress = eventfile.Compression(c.String("compress"))
	}
	if o.Jobs = config.Jobs; o.Jobs == 0 || c.IsSet("jobs") {
		o.Jobs = c.Int("jobs")
	}
	return nil
}

// readConfig reads the file that --config names, if it is given.
func readConfig(c *cli.Context) (config convert.Config, err error) {
	name := c.String("config")
	if name == "" {
		return config, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return config, err
	}
	if config, err = convert.ParseConfig(data); err != nil {
		return config, usagef("%s: %w", name, err)
	}
	return config, nil
}

// configCommand is the first word of config check.
func configCommand() *cli.Command {
	return &cli.Command{
		Name: "config", Hidden: true, Usage: "see export2batch config check --help",
		Action: func(*cli.Context) error { return usagef("give the file to check: export2batch config check FILE") },
	}
}

// configCheckCommand checks the files that --config names.
func configCheckCommand() *cli.Command {
	return &cli.Command{
		Name:      "config check",
		Usage:     "check a file for --config",
		ArgsUsage: "FILE",
		UsageText: "export2batch config check FILE",
		Description: "Says whether a YAML file is one that convert, validate and run take with --config: its keys, values,\n" +
			"expressions and the files it names. schemas/config.schema.json describes it, for editors.",
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usagef("give the file to check: export2batch config check FILE")
			}
			name := c.Args().First()
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			config, err := convert.ParseConfig(data)
			if err == nil {
				err = config.Check()
			}
			if err == nil {
				err = checkValidateConfig(config)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		},
	}
}
