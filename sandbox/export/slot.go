package export

// slot is a key of an event that a row has a place for.
type slot uint8

const (
	userID slot = iota
	deviceID
	eventType
	sentTime
	insertID
	eventID
	sessionID
	eventProperties
	userProperties
	groups
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
	androidID
	library
	plan
	partnerID
	price
	quantity
	revenue
	productID
	revenueType
	currency
	slots

	none slot = 255
)

// slotOf knows the keys of Amplitude, Batch Event Upload API, event object.
func slotOf(key []byte) slot {
	switch string(key) {
	case "user_id":
		return userID
	case "device_id":
		return deviceID
	case "event_type":
		return eventType
	case "time":
		return sentTime
	case "insert_id":
		return insertID
	case "event_id":
		return eventID
	case "session_id":
		return sessionID
	case "event_properties":
		return eventProperties
	case "user_properties":
		return userProperties
	case "groups":
		return groups
	case "app_version":
		return appVersion
	case "platform":
		return platform
	case "os_name":
		return osName
	case "os_version":
		return osVersion
	case "device_brand":
		return deviceBrand
	case "device_manufacturer":
		return deviceManufacturer
	case "device_model":
		return deviceModel
	case "carrier":
		return carrier
	case "country":
		return country
	case "region":
		return region
	case "city":
		return city
	case "dma":
		return dma
	case "language":
		return language
	case "location_lat":
		return locationLat
	case "location_lng":
		return locationLng
	case "ip":
		return ip
	case "idfa":
		return idfa
	case "adid":
		return adid
	case "android_id":
		return androidID
	case "library":
		return library
	case "plan":
		return plan
	case "partner_id":
		return partnerID
	case "price":
		return price
	case "quantity":
		return quantity
	case "revenue":
		return revenue
	case "productId":
		return productID
	case "revenueType":
		return revenueType
	case "currency":
		return currency
	}
	return none
}
