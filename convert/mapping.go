package convert

// slot is what an export key means to the conversion.
type slot uint8

// The slots up to lastCopied have a Batch key of their own and are written in
// this order, whatever the order in the export, so that equal events give equal
// bytes whatever they were exported to.
const (
	userID slot = iota
	deviceID
	eventType
	eventTime
	insertID
	eventID
	sessionID
	eventProperties
	userProperties
	groups
	groupProperties
	appVersion
	platform
	osName
	osVersion
	deviceBrand
	deviceManufacturer
	deviceModel
	carrier
	country
	region
	city
	dma
	language
	locationLat
	locationLng
	ip
	idfa
	adid
	library
	plan
	lastCopied = plan

	// Read, but not written under a key of their own.
	uuid slot = iota - 1
	amplitudeID
	mergedAmplitudeID
	mergeTime
	clientEventTime
	serverReceivedTime
	serverUploadTime
	slots

	// wanted is for keys without a slot that a rule reads.
	wanted slot = 254
	// noPlace is for keys that the Batch API has nothing for.
	noPlace slot = 255
)

// exportKeys maps the keys of an export line; the table is in the README.
// Amplitude, Export API and Batch Event Upload API, keys of an event.
var exportKeys = map[string]slot{
	"user_id": userID, "device_id": deviceID, "event_type": eventType, "event_time": eventTime,
	"$insert_id": insertID, "event_id": eventID, "session_id": sessionID,
	"event_properties": eventProperties, "user_properties": userProperties,
	"groups": groups, "group_properties": groupProperties,
	"version_name": appVersion, "platform": platform, "os_name": osName, "os_version": osVersion,
	"device_brand": deviceBrand, "device_manufacturer": deviceManufacturer, "device_model": deviceModel,
	"device_carrier": carrier, "country": country, "region": region, "city": city, "dma": dma,
	"language": language, "location_lat": locationLat, "location_lng": locationLng,
	"ip_address": ip, "idfa": idfa, "adid": adid, "library": library, "plan": plan,

	"uuid": uuid, "amplitude_id": amplitudeID, "merged_amplitude_id": mergedAmplitudeID, "merge_time": mergeTime,
	"client_event_time": clientEventTime, "server_received_time": serverReceivedTime, "server_upload_time": serverUploadTime,
}

// batchKeys are the written keys with the punctuation before their values.
var batchKeys = [lastCopied + 1]string{
	userID: `"user_id":`, deviceID: `"device_id":`, eventType: `"event_type":`, eventTime: `"time":`,
	insertID: `"insert_id":`, eventID: `"event_id":`, sessionID: `"session_id":`,
	eventProperties: `"event_properties":`, userProperties: `"user_properties":`,
	groups: `"groups":`, groupProperties: `"group_properties":`,
	appVersion: `"app_version":`, platform: `"platform":`, osName: `"os_name":`, osVersion: `"os_version":`,
	deviceBrand: `"device_brand":`, deviceManufacturer: `"device_manufacturer":`, deviceModel: `"device_model":`,
	carrier: `"carrier":`, country: `"country":`, region: `"region":`, city: `"city":`, dma: `"dma":`,
	language: `"language":`, locationLat: `"location_lat":`, locationLng: `"location_lng":`,
	ip: `"ip":`, idfa: `"idfa":`, adid: `"adid":`, library: `"library":`, plan: `"plan":`,
}

// exportNames are the keys of exportKeys by their slot.
var exportNames = func() (names [slots]string) {
	for name, s := range exportKeys {
		names[s] = name
	}
	return names
}()

// meaning is what is remembered of a key.
type meaning struct {
	slot slot
	kept int    // the index in program.kept; only for wanted
	lost *int64 // counts the events on which it is lost; for noPlace and wanted
}
