package generate

import (
	"strconv"
	"time"
)

// timeLayout is how the export writes times, in UTC.
const timeLayout = "2006-01-02 15:04:05.000000"

// appendLine appends the record as one line of an export.
func appendLine(b []byte, rec *record) []byte {
	l := line{b: append(b, '{'), layout: timeLayout}
	if rec.shape == shapeReexported {
		l.layout = "2006-01-02 15:04:05.999999"
	}
	l.time("server_received_time", rec.received)
	l.number("app", rec.app)
	l.text("device_carrier", rec.carrier)
	l.number("$schema", 13)
	l.text("city", some(rec.city))
	l.text("user_id", rec.userID)
	l.key("uuid")
	l.b = append(append(append(l.b, '"'), rec.uuid...), '"')
	l.time("event_time", rec.eventTime)
	l.text("platform", some(rec.platform))
	l.text("os_version", rec.osVersion)
	l.number("amplitude_id", rec.amplitudeID)
	l.time("processed_time", rec.processed)
	l.time("user_creation_time", rec.created)
	l.text("version_name", rec.versionName)
	l.text("ip_address", some(rec.ip))
	l.raw("paying", rec.paying)
	l.text("dma", rec.dma)
	l.raw("group_properties", rec.groupProperties)
	l.rawBytes("user_properties", rec.userProperties)
	l.time("client_upload_time", rec.clientUpload)
	l.text("$insert_id", rec.insertID)
	l.text("event_type", some(rec.eventType))
	l.text("library", some(rec.library))
	l.raw("amplitude_attribution_ids", rec.attribution)
	l.text("device_type", rec.deviceType)
	l.text("device_manufacturer", rec.maker)
	l.text("start_version", some(rec.startVersion))
	l.degrees("location_lng", rec.located, rec.lng)
	l.time("server_upload_time", rec.upload)
	l.number("event_id", rec.eventID)
	l.degrees("location_lat", rec.located, rec.lat)
	l.text("os_name", rec.osName)
	l.text("amplitude_event_type", rec.amplitudeEventType)
	l.text("device_brand", rec.brand)
	l.raw("groups", rec.groups)
	l.rawBytes("event_properties", rec.eventProperties)
	l.raw("data", rec.data)
	l.text("device_id", rec.deviceID)
	l.text("language", some(rec.language))
	l.text("device_model", rec.model)
	l.text("country", some(rec.country))
	l.text("region", some(rec.region))
	l.raw("is_attribution_event", strconv.FormatBool(rec.attribution[0] == '['))
	l.text("adid", rec.adid)
	l.number("session_id", rec.sessionID)
	l.text("device_family", rec.deviceType)
	l.raw("sample_rate", "null")
	l.text("idfa", rec.idfa)
	l.time("client_event_time", rec.clientEvent)

	switch rec.shape {
	case shapeModern, shapeSampled:
		l.text("partner_id", text{})
		l.raw("plan", rec.plan)
		l.text("source_id", text{})
		l.text("data_type", some("event"))
		if rec.shape == shapeModern {
			l.text("$insert_key", text{})
		} else {
			l.text("$sample_rate", text{})
		}
		l.raw("global_user_properties", "{}")
	case shapeReexported:
		l.old(rec)
	}
	return append(l.b, '}', '\n')
}

// line is a JSON object being written.
type line struct {
	b      []byte
	layout string
}

func (l *line) key(name string) {
	if l.b[len(l.b)-1] != '{' {
		l.b = append(l.b, ',')
	}
	l.b = append(l.b, '"')
	l.b = append(l.b, name...)
	l.b = append(l.b, '"', ':')
}

func (l *line) raw(name, json string) {
	l.key(name)
	l.b = append(l.b, json...)
}

func (l *line) rawBytes(name string, json []byte) {
	l.key(name)
	l.b = append(l.b, json...)
}

func (l *line) number(name string, n int64) {
	l.key(name)
	l.b = strconv.AppendInt(l.b, n, 10)
}

func (l *line) time(name string, micros int64) {
	l.key(name)
	l.b = append(l.b, '"')
	l.b = time.UnixMicro(micros).UTC().AppendFormat(l.b, l.layout)
	l.b = append(l.b, '"')
}

func (l *line) degrees(name string, set bool, n int) {
	if !set {
		l.raw(name, "null")
		return
	}
	l.key(name)
	l.b = appendDecimal(l.b, n, 4)
}

func (l *line) text(name string, t text) {
	if !t.set {
		l.raw(name, "null")
		return
	}
	l.key(name)
	l.b = append(l.b, '"')
	for i := range len(t.value) {
		// The generator's own texts have no control characters.
		if c := t.value[i]; c == '"' || c == '\\' {
			l.b = append(l.b, '\\')
		}
		l.b = append(l.b, t.value[i])
	}
	l.b = append(l.b, '"')
}

// old adds the keys that only old and re-exported rows have.
func (l *line) old(rec *record) {
	l.raw("first_event", "false")
	l.raw("merged_amplitude_id", "null")
	if rec.revenue {
		l.key("price")
		l.b = appendDecimal(l.b, rec.price, 2)
		l.number("quantity", int64(rec.quantity))
		l.text("product_id", some("sku."+strconv.Itoa(rec.productID)))
		l.key("revenue")
		l.b = appendDecimal(l.b, rec.price*rec.quantity, 2)
	} else {
		l.raw("price", "null")
		l.raw("quantity", "null")
		l.raw("product_id", "null")
		l.raw("revenue", "null")
	}
	l.raw("followed_an_identify", "false")
	l.text("display_name", some(rec.eventType))
}
