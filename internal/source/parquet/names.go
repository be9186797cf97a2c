package parquet

import (
	"fmt"
	"slices"
	"strings"
)

// form is how the Export API writes the values of a key.
type form uint8

const (
	formAny     form = iota // as the column's type suggests
	formText                // a string
	formID                  // a string; whole numbers are taken too
	formInteger             // a whole number
	formNumber
	formTime // YYYY-MM-DD HH:MM:SS.ffffff
	formJSON // an object, or whatever JSON the text holds
)

// exportKey is what is known of a key of the export.
type exportKey struct {
	form form
	// strict: the value matters to the events, so one that cannot be given
	// as it is sets its row aside. Else it is given as well as it can be.
	strict bool
}

// exportKeys are the keys of an export line (Amplitude, Export API).
func exportKeys() map[string]exportKey {
	keys := map[string]exportKey{}
	add := func(f form, strict bool, names ...string) {
		for _, n := range names {
			keys[n] = exportKey{f, strict}
		}
	}
	add(formID, true, "user_id", "device_id", "$insert_id", "uuid", "adid", "idfa")
	add(formInteger, true, "event_id", "session_id", "amplitude_id", "merged_amplitude_id", "quantity")
	add(formNumber, true, "location_lat", "location_lng", "price", "revenue")
	add(formTime, true, "event_time", "client_event_time", "server_received_time", "server_upload_time", "merge_time")
	add(formJSON, true, "event_properties", "user_properties", "groups", "group_properties", "plan")
	add(formText, true, "event_type", "version_name", "platform", "os_name", "os_version", "device_brand", "device_manufacturer",
		"device_model", "device_type", "device_family", "device_carrier", "country", "region", "city", "dma", "language",
		"ip_address", "library", "partner_id", "product_id")
	add(formInteger, false, "app", "$schema")
	add(formTime, false, "client_upload_time", "processed_time", "user_creation_time", "merge_server_time")
	add(formJSON, false, "data", "global_user_properties", "amplitude_attribution_ids")
	add(formText, false, "$insert_key", "amplitude_event_type", "data_type", "display_name", "source_id", "start_version")
	add(formAny, false, "is_attribution_event", "paying", "sample_rate", "first_event", "followed_an_identify", "scope")
	return keys
}

// fivetranEventID is what Fivetran calls event_id. The name is common, so only
// a column of whole numbers is taken for it.
const fivetranEventID = "id"

// aliases are the names that loaders give to keys of the export, mostly because
// a column's name cannot begin with a dollar sign.
func aliases() map[string]string {
	return map[string]string{
		"_insert_id": "$insert_id", "insert_id": "$insert_id", "_insert_key": "$insert_key", "insert_key": "$insert_key",
		"_schema": "$schema", "schema": "$schema", "ad_id": "adid", fivetranEventID: "event_id",
	}
}

// nameColumns finds the key of each column. A column that is named in columns
// comes first, then one with the key's name in any letter case, then one with
// an alias. Two columns for one key are refused: taking the wrong one in
// silence could not be undone. Whole tells of a column that it holds whole
// numbers.
func nameColumns(names []string, whole func(i int) bool, columns map[string]string) (keys, used []string, err error) {
	known, other := exportKeys(), aliases()
	keys = make([]string, len(names))
	owner := map[string]int{} // of a key: the column that has it
	for _, key := range sortedKeys(columns) {
		i, err := findColumn(names, columns[key])
		if err != nil {
			return nil, nil, err
		}
		if i < 0 {
			continue
		}
		if keys[i] != "" {
			return nil, nil, &Refusal{Column: names[i], Reason: fmt.Sprintf("--columns gives it two keys, %s and %s", keys[i], key)}
		}
		keys[i], owner[key] = key, i
		used = append(used, columns[key])
	}
	for i, name := range names {
		key := strings.ToLower(name)
		if _, ok := known[key]; !ok || keys[i] != "" {
			continue
		}
		if j, taken := owner[key]; taken {
			if keys[j] == key && strings.EqualFold(names[j], key) && !slices.Contains(used, columns[key]) {
				return nil, nil, &Refusal{Column: name, Reason: fmt.Sprintf("column %q is %s too", names[j], key), WayOut: fmt.Sprintf("say which to take with --columns '%s=%s'", key, name)}
			}
			continue
		}
		keys[i], owner[key] = key, i
	}
	for i, name := range names {
		key, ok := other[strings.ToLower(name)]
		if _, taken := owner[key]; !ok || taken || keys[i] != "" || strings.EqualFold(name, fivetranEventID) && !whole(i) {
			continue
		}
		keys[i], owner[key] = key, i
	}
	taken := map[string]bool{}
	for _, key := range keys {
		taken[key] = true
	}
	for i, name := range names {
		if keys[i] != "" {
			continue
		}
		free := name
		for n := 2; taken[free] || free == ""; n++ { // the key of a column is written once
			free = fmt.Sprintf("%s~%d", name, n)
		}
		keys[i], taken[free] = free, true
	}
	return keys, used, nil
}

// findColumn finds a column by its name, else by its name in another letter
// case; -1 when there is none.
func findColumn(names []string, name string) (int, error) {
	found := -1
	for i, n := range names {
		if n == name {
			return i, nil
		}
		if strings.EqualFold(n, name) {
			if found >= 0 {
				return 0, &Refusal{Column: n, Reason: fmt.Sprintf("only its letter case tells it from column %q", names[found]), WayOut: "give --columns the name as it stands in the file"}
			}
			found = i
		}
	}
	return found, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// maxShown is how many columns a message names.
const maxShown = 40

// missingKeys says what a file with these keys lacks for its rows to be events.
func missingKeys(keys, names []string) string {
	has := func(any ...string) bool {
		return slices.ContainsFunc(any, func(k string) bool { return slices.Contains(keys, k) })
	}
	if has("event_type") && has("user_id", "device_id") && has("event_time", "client_event_time", "server_received_time", "server_upload_time") ||
		has("merge_time") && has("merged_amplitude_id") {
		return ""
	}
	var lacks []string
	for _, any := range [][]string{{"event_type"}, {"user_id", "device_id"}, {"event_time", "client_event_time", "server_received_time", "server_upload_time"}} {
		if !has(any...) {
			lacks = append(lacks, strings.Join(any, " or "))
		}
	}
	shown := slices.Clone(names)
	if len(shown) > maxShown {
		shown = append(shown[:maxShown], "…")
	}
	return fmt.Sprintf("no column %s, so its rows are no events; name what holds it with --columns KEY=COLUMN. The columns are: %s", strings.Join(lacks, ", no column "), strings.Join(shown, ", "))
}

// IsExportKey tells whether the Export API writes the key.
func IsExportKey(key string) bool {
	_, ok := exportKeys()[key]
	return ok
}
