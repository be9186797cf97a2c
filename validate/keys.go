package validate

import "export2batch/internal/finding"

// key is one of the keys that an event can have.
type key uint8

// The keys that rules name. The others are known by their kind only.
const (
	keyUnknown key = iota
	keyUserID
	keyDeviceID
	keyEventType
	keyTime
	keyInsertID
	keyEventProperties
	keyUserProperties
	keyGroups
	keyGroupProperties
	keySkipSync
	keyPlan
	keyIP
	keyCountry
	keyRegion
	keyCity
	keyDMA
	keyRevenue
	keyPrice
	keyEventID
	keySessionID
	keyQuantity
	keyCurrency
	keyOthers
)

// class is what the schema asks of the value of a key.
type class uint8

const (
	aString class = iota + 1
	anID
	nonEmpty
	aNumber
	anInteger
	positive
	aBoolean
	anObject
	aPlan
)

// keyInfo is a key with what the schema says of it.
type keyInfo struct {
	name  string
	class class
}

// keyTable is the schema's list of properties in the form the fast path needs.
// TestKeysMatchSchema holds the two together.
var keyTable = [...]keyInfo{
	keyUserID:          {"user_id", anID},
	keyDeviceID:        {"device_id", anID},
	keyEventType:       {"event_type", nonEmpty},
	keyTime:            {"time", positive},
	keyInsertID:        {"insert_id", aString},
	keyEventProperties: {"event_properties", anObject},
	keyUserProperties:  {"user_properties", anObject},
	keyGroups:          {"groups", anObject},
	keyGroupProperties: {"group_properties", anObject},
	keySkipSync:        {"$skip_user_properties_sync", aBoolean},
	keyPlan:            {"plan", aPlan},
	keyIP:              {"ip", aString},
	keyCountry:         {"country", aString},
	keyRegion:          {"region", aString},
	keyCity:            {"city", aString},
	keyDMA:             {"dma", aString},
	keyRevenue:         {"revenue", aNumber},
	keyPrice:           {"price", aNumber},
	keyEventID:         {"event_id", anInteger},
	keySessionID:       {"session_id", anInteger},
	keyQuantity:        {"quantity", anInteger},
	keyCurrency:        {"currency", aString},
	keyOthers:          {"app_version", aString},
	{"platform", aString},
	{"os_name", aString},
	{"os_version", aString},
	{"device_brand", aString},
	{"device_manufacturer", aString},
	{"device_model", aString},
	{"carrier", aString},
	{"language", aString},
	{"productId", aString},
	{"revenueType", aString},
	{"idfa", aString},
	{"idfv", aString},
	{"adid", aString},
	{"android_id", aString},
	{"library", aString},
	{"partner_id", aString},
	{"user_agent", aString},
	{"location_lat", aNumber},
	{"location_lng", aNumber},
	{"ingestion_metadata", anObject},
}

const keyCount = len(keyTable)

// pointers are where the values of keys are.
var pointers = func() (list [keyCount]string) {
	for k := range keyTable {
		list[k] = finding.Pointer(keyTable[k].name)
	}
	return list
}()

// classes are those of keyTable, close to each other.
var classes = func() (list [keyCount]class) {
	for k := range keyTable {
		list[k] = keyTable[k].class
	}
	return list
}()

var keysByName = func() map[string]key {
	m := make(map[string]key, keyCount)
	for k := key(1); int(k) < keyCount; k++ {
		m[keyTable[k].name] = k
	}
	return m
}()

// isProperties tells whether the keys and values inside k are the user's own,
// which may be personal data.
func (k key) isProperties() bool { return k >= keyEventProperties && k <= keyGroupProperties }
