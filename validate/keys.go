package validate

import "export2batch/internal/jsonscan"

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
	{"currency", aString},
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

// event is one line with its members found. It is valid until the line is.
type event struct {
	text     []byte
	fields   []jsonscan.Field
	keys     []key                                                  // of fields, in their order
	at       [keyCount]int32                                        // 1 + index of the field with that key; 0 absent
	unknown  int                                                    // fields whose key is not known
	suspects [keyGroupProperties - keyEventProperties + 1]suspicion // by properties key
}

// field returns the member with key k, or nil.
func (e *event) field(k key) *jsonscan.Field {
	if i := e.at[k]; i > 0 {
		return &e.fields[i-1]
	}
	return nil
}

// scan reads text. Events of one file mostly have the same keys in the same
// order, so a key is first compared with the one that stood there last time.
func (e *event) scan(text []byte) (err error) {
	e.text, e.unknown = text, 0
	clear(e.at[:])
	clear(e.suspects[:])
	e.fields, err = jsonscan.Fields(e.fields[:0], text)
	if err != nil {
		return err
	}
	for i := range e.fields {
		f := &e.fields[i]
		name := f.Key(text)
		if i == len(e.keys) {
			e.keys = append(e.keys, keyUnknown)
		}
		k := e.keys[i]
		if k == keyUnknown || string(name) != keyTable[k].name {
			k = e.lookup(f, name)
			e.keys[i] = k
		}
		if k == keyUnknown {
			e.unknown++
		} else {
			e.at[k] = int32(i + 1)
		}
		if k.isProperties() {
			e.suspects[k-keyEventProperties] = suspect(f.Value(text))
		}
	}
	e.keys = e.keys[:len(e.fields)]
	return nil
}

// suspected tells whether the properties with key k may hold any of s.
func (e *event) suspected(k key, s suspicion) bool {
	return e.suspects[k-keyEventProperties]&s != 0
}

func (e *event) lookup(f *jsonscan.Field, name []byte) key {
	if f.KeyEscaped {
		name = jsonscan.AppendUnescaped(nil, name)
	}
	return keysByName[string(name)]
}
