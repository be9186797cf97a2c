package validate

import (
	"fmt"
	"maps"
	"slices"

	"export2batch/internal/finding"
)

// Rule is one thing that is checked. Its severity can be changed, or the rule
// switched off, by Options.Rules.
type Rule struct {
	ID       string           `json:"id"`
	Severity finding.Severity `json:"severity"` // unless Options.Rules says otherwise
	Explain  string           `json:"explain"`  // one sentence
	Source   string           `json:"source"`   // who says so
	Fixed    bool             `json:"fixed"`    // not to be changed: there is no event to let through
}

// Off is the value of Options.Rules that switches a rule off.
const Off = "off"

// The ids of the rules.
const (
	ruleDamaged       = "damaged-input"
	ruleTooLong       = "line-too-long"
	ruleInvalidJSON   = "invalid-json"
	ruleDuplicateKey  = "duplicate-key"
	ruleArchive       = "damaged-archive"
	ruleNestedArchive = "nested-archive"
	ruleEmptyFile     = "empty-file"
	ruleLinkedFolder  = "linked-folder"
	ruleHiddenFile    = "hidden-file"
	ruleParquet       = "parquet"
	ruleColumns       = "parquet-columns"
	ruleInexactID     = "inexact-id"
	ruleValue         = "invalid-value"
	ruleUnsafePath    = "unsafe-path"

	ruleManifest      = "manifest"
	ruleManifestSum   = "manifest-checksum"
	ruleManifestCount = "manifest-count"

	ruleUserSchema = "user-schema"
	ruleNotPlanned = "event-not-planned"
	ruleExportTime = "export-time"

	ruleRequestSize    = "request-size"
	ruleRequestEvents  = "request-events"
	ruleRequestKey     = "request-api-key"
	ruleRequestOptions = "request-options"
	ruleRequestUnknown = "request-unknown-key"

	ruleType        = "type"
	ruleInteger     = "integer"
	ruleRequired    = "required"
	ruleIDRequired  = "id-required"
	ruleIDLength    = "id-length"
	rulePlaceholder = "placeholder-id"
	ruleEventType   = "event-type-empty"
	ruleTime        = "time-not-positive"
	rulePlan        = "plan-key"
	ruleSchema      = "schema"

	ruleUnknownKey      = "unknown-key"
	ruleEventSize       = "event-size"
	ruleNesting         = "nesting"
	ruleStringLength    = "string-length"
	ruleGroupTypes      = "group-types"
	ruleGroupCount      = "group-count"
	ruleNumberRange     = "number-range"
	ruleNumberPrecision = "number-precision"
	ruleTimeUnit        = "time-unit"
	ruleTimeMissing     = "time-missing"
	ruleTimeBefore2000  = "time-before-2000"
	ruleTimeFuture      = "time-future"
	ruleInsertID        = "insert-id-missing"
	ruleRemoteIP        = "remote-ip"
	ruleOperation       = "operation-outside-identify"
	ruleSkippedIdentify = "identify-skipped"
	ruleRevenueTwice    = "revenue-twice"
	ruleLocation        = "location-incomplete"
	ruleCurrency        = "currency"
	ruleCountry         = "country"

	ruleTimeOld   = "time-old"
	ruleReserved  = "reserved-name"
	ruleRawExport = "raw-export"

	ruleInsertIDRepeated    = "insert-id-repeated"
	ruleInsertIDConflict    = "insert-id-conflict"
	ruleInsertIDDevices     = "insert-id-devices"
	ruleManyEventTypes      = "event-type-count"
	ruleManyEventProperties = "event-property-count"
	ruleManyUserProperties  = "user-property-count"
	ruleNameCase            = "name-case"
)

const (
	srcBatch  = "Amplitude, Batch Event Upload API"
	srcLimits = "Amplitude, Batch Event Upload API, limits"
	srcHTTP   = "Amplitude, HTTP V2 API"
	srcGuide  = "Amplitude, Data backfill guide"
	srcIDs    = "Amplitude, Identify API"
	srcJSON   = "RFC 8259"
	srcField  = "seen in the field"
	srcTool   = "export2batch"
)

// Rules lists all rules, those about inputs first, then those of the schema,
// then what a schema cannot say.
func Rules() []Rule {
	const e, w, i = finding.Error, finding.Warn, finding.Info
	return []Rule{
		{ruleDamaged, e, "The input cannot be read to its end; what could be read before is validated.", srcTool, true},
		{ruleArchive, e, "The archive has no whole directory, so members may be missing.", srcTool, true},
		{ruleNestedArchive, e, "An archive inside an archive is not read.", srcTool, true},
		{ruleEmptyFile, e, "A compressed file has no bytes at all: its download was broken off.", srcTool, true},
		{ruleLinkedFolder, e, "A link to a folder is not followed.", srcTool, false},
		{ruleHiddenFile, w, "A name that begins with a dot hides what would be data, and it is not read.", srcTool, false},
		{ruleParquet, e, "A Parquet file holds an export: validate reads it with --schema export only, if it can be read at all.", srcTool, true},
		{ruleColumns, e, "A Parquet file has no column for something that events need; only with --schema export.", srcTool, false},
		{ruleInexactID, e, "An id in a row of a Parquet file is a floating point number that has lost digits.", srcTool, true},
		{ruleValue, e, "A value in a row of a Parquet file has no form in an export.", srcTool, true},
		{ruleUnsafePath, e, "A member's name points out of its archive.", srcTool, false},
		{ruleTooLong, e, "A line is longer than 32 MiB, more than any request may have.", srcLimits, true},
		{ruleInvalidJSON, e, "A line is not one JSON value in UTF-8.", srcJSON, true},
		{ruleDuplicateKey, e, "A key of the event occurs twice, and which one counts is not defined.", srcJSON, true},

		{ruleManifest, e, "The manifest of a stage folder is damaged, or names other files than are there.", srcTool, false},
		{ruleManifestSum, e, "A file of a stage folder has another SHA-256 than its manifest says.", srcTool, false},
		{ruleManifestCount, e, "The events of a stage folder are not as many as its manifest says.", srcTool, false},

		{ruleRequestSize, e, "A request body has more than 20 MB: Amplitude answers 413.", srcLimits, false},
		{ruleRequestEvents, e, "A request body has more than 2000 events, or none.", srcLimits, false},
		{ruleRequestKey, e, "A request body has no api_key.", srcBatch, false},
		{ruleRequestOptions, e, "The options of a request body are not what Amplitude takes.", srcBatch, false},
		{ruleRequestUnknown, w, "A request body has a key that Amplitude ignores.", srcBatch, false},

		{ruleType, e, "A value has another type than its key asks for; null is no value of any key.", srcBatch, false},
		{ruleInteger, e, "A number has a fraction where an integer is asked for.", srcBatch, false},
		{ruleRequired, e, "A key that every event needs is missing.", srcBatch, false},
		{ruleIDRequired, e, "The event has neither user_id nor device_id.", srcBatch, false},
		{ruleIDLength, e, "An id is shorter than the least length, 5 characters by default: Amplitude drops it or refuses the batch.", srcBatch, false},
		{rulePlaceholder, e, "An id is a placeholder such as unknown, null or 0, in any letter case: Amplitude refuses the batch.", srcBatch + "; " + srcField, false},
		{ruleEventType, e, "The event type is empty.", srcBatch, false},
		{ruleTime, e, "The time is not after 1970.", srcBatch, false},
		{rulePlan, e, "The plan has keys other than branch, source and version.", srcBatch, false},
		{ruleSchema, e, "Another condition of the schema is not met.", srcTool, false},
		{ruleUserSchema, e, "A condition of the schema given with --schema or --event-schemas is not met.", "the schema", false},
		{ruleNotPlanned, w, "--event-schemas has no schema for the event type.", srcTool, false},
		{ruleExportTime, e, "A line of an export has no time, or one that cannot be read; only with --schema export.", "Amplitude, Export API", false},

		{ruleUnknownKey, w, "Amplitude has no such key and ignores it.", srcBatch, false},
		{ruleEventSize, e, "The event alone makes a request of more than 20 MB.", srcLimits, false},
		{ruleNesting, e, "Event or user properties are more than 40 levels deep, the outermost object included.", srcLimits, false},
		{ruleStringLength, w, "A string has more than 1024 characters; Amplitude truncates it.", srcLimits, false},
		{ruleGroupTypes, w, "The event has more than 5 group types; the rest are not tracked.", srcLimits, false},
		{ruleGroupCount, w, "The event has more than 10 groups; the rest are not tracked.", srcLimits, false},
		{ruleNumberRange, e, "A number is beyond what a 64-bit floating point number can hold.", "RFC 8259, section 6", false},
		{ruleNumberPrecision, i, "An integer is beyond 2^53, so readers that take numbers as floating point lose its last digits.", "RFC 8259, section 6", false},
		{ruleTimeUnit, e, "The time is not in milliseconds but, by its size, in seconds, microseconds or nanoseconds.", srcBatch, false},
		{ruleTimeMissing, w, "Without a time the event happens when it is uploaded.", srcHTTP, false},
		{ruleTimeBefore2000, w, "The time is before the year 2000.", srcTool, false},
		{ruleTimeFuture, w, "The time is in the future.", srcTool, false},
		{ruleInsertID, w, "Without an insert_id the event counts twice when it is sent twice.", srcBatch, false},
		{ruleRemoteIP, e, "The ip $remote would locate every user where the uploader is.", srcHTTP, false},
		{ruleOperation, w, "A property operation such as $set stands on an event that is not $identify.", srcIDs, false},
		{ruleSkippedIdentify, w, "$skip_user_properties_sync on $identify or $groupidentify leaves the event without any effect.", srcGuide, false},
		{ruleRevenueTwice, e, "Revenue stands both on the event and in its properties, so it would count twice.", srcHTTP, false},
		{ruleLocation, i, "Setting one of country, region and city resets the others, and this event has only some of them.", srcHTTP, false},
		{ruleCurrency, w, "The currency is no ISO 4217 code.", srcHTTP, false},
		{ruleCountry, w, "The country is three characters or shorter and no ISO 3166-1 code.", srcHTTP, false},

		{ruleTimeOld, i, "Events 30 days old or older take up to 48 hours to show everywhere; told once an input.", srcGuide, false},
		{ruleReserved, i, "Event types and properties with $ or [Amplitude] in front are Amplitude's own; told once an input.", srcHTTP, false},
		{ruleRawExport, e, "Lines of an export are no events of the Batch API: convert them first, or check them with --schema export; told once an input.", srcBatch, false},

		{ruleInsertIDRepeated, w, "The same event stands in the inputs twice; Amplitude takes one of them within 7 days.", srcBatch, false},
		{ruleInsertIDConflict, w, "Different events have one insert_id, of which Amplitude takes one within 7 days.", srcBatch, false},
		{ruleInsertIDDevices, w, "Events of different devices have one insert_id; by the Batch API's page Amplitude takes one of them.", srcBatch + "; " + srcHTTP, false},
		{ruleManyEventTypes, w, "The inputs have more than 2000 event types; Amplitude indexes no more in a project.", srcLimits, false},
		{ruleManyEventProperties, w, "The inputs have more than 2000 event properties; Amplitude indexes no more in a project.", srcLimits, false},
		{ruleManyUserProperties, w, "The inputs have more than 1000 user properties; Amplitude indexes no more in a project.", srcLimits, false},
		{ruleNameCase, i, "Names differ only in letter case, so what is meant as one shows as two.", srcField, false},
	}
}

func isRule(id string) bool {
	return slices.ContainsFunc(Rules(), func(r Rule) bool { return r.ID == id })
}

// severities are those of the rules that are on, with overrides applied.
func severities(overrides map[string]string) (map[string]finding.Severity, error) {
	on := map[string]finding.Severity{}
	fixed := map[string]bool{}
	var known []string
	for _, r := range Rules() {
		on[r.ID], fixed[r.ID] = r.Severity, r.Fixed
		known = append(known, r.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(overrides)) {
		value := overrides[id]
		switch {
		case !slices.Contains(known, id):
			return nil, fmt.Errorf("unknown rule %q", id)
		case fixed[id]:
			return nil, fmt.Errorf("rule %s cannot be changed: there is no event to let through", id)
		case value == Off:
			delete(on, id)
		case slices.Contains([]string{string(finding.Error), string(finding.Warn), string(finding.Info)}, value):
			on[id] = finding.Severity(value)
		default:
			return nil, fmt.Errorf("rule %s cannot be %q: off, info, warn or error", id, value)
		}
	}
	return on, nil
}
