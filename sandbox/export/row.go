package export

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"time"

	"export2batch/internal/jsonscan"
	"export2batch/sandbox/people"
	"export2batch/sandbox/properties"
)

// Event is an event that was taken, and what was made of it.
type Event struct {
	Number      int64
	Received    int64 // ms since 1970
	Path        string
	AmplitudeID int64  // 0: nobody's
	Created     int64  // ms since 1970 of the person's earliest event
	Sent        []byte // the event as it was sent
	// UserProperties and GroupProperties are what the event shows; nil: the
	// user properties it carries, and no group properties.
	UserProperties  []byte
	GroupProperties []byte
}

// Row writes rows. It is not safe for concurrent use.
type Row struct {
	// Project is the number of the project, the app of a row.
	Project int64
	// GroupTypes are the group types that are tracked.
	GroupTypes []string

	fields []jsonscan.Field
	at     [slots][]byte // values by slot, nil when absent or null
}

// timeLayout is how an export writes times, in UTC.
const timeLayout = "2006-01-02 15:04:05.000000"

// Append appends the row of an event, without a newline.
func (r *Row) Append(b []byte, e *Event) ([]byte, error) {
	if err := r.read(e.Sent); err != nil {
		return b, err
	}
	sent := r.at[sentTime]
	event := Millis(sent, e.Received)
	kind := jsonscan.AppendUnquoted(nil, r.at[eventType])
	identifies := string(kind) == people.Identify || string(kind) == people.GroupIdentify

	w := writer{append(b, '{')}
	w.time("server_received_time", e.Received)
	w.number("app", r.Project)
	w.text("device_carrier", r.at[carrier])
	w.number("$schema", 13)
	w.text("city", r.at[city])
	w.text("user_id", r.at[userID])
	w.uuid("uuid", r.Project, e)
	w.time("event_time", event)
	w.text("platform", r.at[platform])
	w.text("os_version", r.at[osVersion])
	w.id("amplitude_id", e.AmplitudeID)
	w.time("processed_time", e.Received)
	if e.AmplitudeID == 0 || identifies && e.Created == 0 {
		w.raw("user_creation_time", nil)
	} else {
		w.time("user_creation_time", e.Created)
	}
	w.text("version_name", r.at[appVersion])
	w.text("ip_address", r.at[ip])
	w.raw("paying", nil)
	w.text("dma", r.at[dma])
	w.object("group_properties", e.GroupProperties)
	shown := e.UserProperties
	if shown == nil {
		shown = r.at[userProperties]
	}
	w.object("user_properties", shown)
	w.time("client_upload_time", e.Received)
	w.text("$insert_id", r.at[insertID])
	w.text("event_type", r.at[eventType])
	w.library("library", r.at[library])
	w.raw("amplitude_attribution_ids", nil)
	w.text("device_type", r.at[deviceModel])
	w.text("device_manufacturer", r.at[deviceManufacturer])
	w.raw("start_version", nil)
	w.raw("location_lng", r.at[locationLng])
	w.time("server_upload_time", e.Received)
	w.raw("event_id", r.at[eventID])
	w.raw("location_lat", r.at[locationLat])
	w.text("os_name", r.at[osName])
	w.raw("amplitude_event_type", nil)
	w.text("device_brand", r.at[deviceBrand])
	w.key("groups")
	w.b = r.appendGroups(w.b)
	w.key("event_properties")
	w.b = r.appendEventProperties(w.b)
	w.data("data", e)
	w.text("device_id", r.at[deviceID])
	w.text("language", r.at[language])
	w.text("device_model", r.at[deviceModel])
	w.text("country", r.at[country])
	w.text("region", r.at[region])
	w.raw("is_attribution_event", []byte("false"))
	w.text("adid", r.at[adid])
	w.session("session_id", r.at[sessionID])
	w.text("device_family", r.at[deviceModel])
	w.raw("sample_rate", nil)
	w.text("idfa", r.at[idfa])
	w.time("client_event_time", event)
	w.text("partner_id", r.at[partnerID])
	w.object("plan", r.at[plan])
	w.raw("source_id", nil)
	w.raw("data_type", []byte(`"event"`))
	w.raw("$insert_key", nil)
	w.object("global_user_properties", nil)
	return append(w.b, '}'), nil
}

// read finds the values of the event.
func (r *Row) read(sent []byte) (err error) {
	r.at = [slots][]byte{}
	if r.fields, err = jsonscan.Fields(r.fields[:0], sent); err != nil {
		return err
	}
	for i := range r.fields {
		f := &r.fields[i]
		key := f.Key(sent)
		if f.KeyEscaped {
			key = jsonscan.AppendUnescaped(nil, key)
		}
		if s := slotOf(key); s != none && f.Kind != jsonscan.Null {
			r.at[s] = f.Value(sent)
		}
	}
	if r.at[adid] == nil {
		r.at[adid] = r.at[androidID]
	}
	return nil
}

// appendGroups appends the tracked groups as {type:[name,…]}.
func (r *Row) appendGroups(b []byte) []byte {
	b = append(b, '{')
	named := r.at[groups]
	fields, err := jsonscan.Fields(nil, orEmpty(named))
	if err != nil {
		return append(b, '}') // a key twice: it names nothing
	}
	n := 0
	for i := range fields {
		f := &fields[i]
		kind := jsonscan.AppendUnescaped(nil, f.Key(named))
		if !slices.Contains(r.GroupTypes, string(kind)) || f.Kind == jsonscan.Null {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(jsonscan.AppendQuoted(b, kind), ':', '[')
		for j, name := range people.Names(f.Value(named)) {
			if n++; n > people.MaxGroups {
				break
			}
			if j > 0 {
				b = append(b, ',')
			}
			b = properties.AppendCut(b, jsonscan.AppendQuoted(nil, name))
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// appendEventProperties appends the event's properties with its revenue.
func (r *Row) appendEventProperties(b []byte) []byte {
	own := orEmpty(r.at[eventProperties])
	b = properties.AppendCut(b, own)
	filled := len(bytes.TrimSpace(own[1:len(own)-1])) > 0
	for _, m := range [...]struct {
		name string
		slot slot
	}{{"$price", price}, {"$quantity", quantity}, {"$revenue", revenue}, {"$productId", productID}, {"$revenueType", revenueType}, {"$currency", currency}} {
		value := r.at[m.slot]
		if value == nil {
			continue
		}
		b = b[:len(b)-1] // the brace
		if filled {
			b = append(b, ',')
		}
		filled = true
		b = append(jsonscan.AppendQuoted(b, m.name), ':')
		b = append(properties.AppendCut(b, value), '}')
	}
	return b
}

func orEmpty(object []byte) []byte {
	if object == nil {
		return []byte(`{}`)
	}
	return object
}

// Millis reads a time in ms as events carry it; otherwise is for one that is
// absent or outside of what a row can show.
func Millis(digits []byte, otherwise int64) int64 {
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(string(digits), 64)
		if err != nil || math.Abs(f) > math.MaxInt64/2 {
			return otherwise
		}
		n = int64(f)
	}
	if n < 0 || n > lastMillis {
		return otherwise
	}
	return n
}

// lastMillis is the end of the year 9999.
const lastMillis = 253_402_300_799_999

// writer is a JSON object being written.
type writer struct{ b []byte }

func (w *writer) key(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) raw(name string, value []byte) {
	w.key(name)
	if value == nil {
		value = []byte("null")
	}
	w.b = append(w.b, value...)
}

func (w *writer) text(name string, value []byte) {
	if value == nil {
		w.raw(name, nil)
		return
	}
	w.key(name)
	w.b = properties.AppendCut(w.b, value)
}

func (w *writer) object(name string, value []byte) {
	w.key(name)
	w.b = properties.AppendCut(w.b, orEmpty(value))
}

func (w *writer) number(name string, n int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *writer) id(name string, n int64) {
	if n == 0 {
		w.raw(name, nil)
		return
	}
	w.number(name, n)
}

func (w *writer) time(name string, ms int64) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = time.UnixMilli(ms).UTC().AppendFormat(w.b, timeLayout)
	w.b = append(w.b, '"')
}

// uuid writes one that is the same for the same events in the same order.
func (w *writer) uuid(name string, project int64, e *Event) {
	var in [24]byte
	for i, n := range []int64{project, e.Number, e.Received} {
		binary.BigEndian.PutUint64(in[8*i:], uint64(n))
	}
	sum := sha256.Sum256(in[:])
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	w.key(name)
	w.b = append(w.b, '"')
	for i, n := range [...]int{4, 6, 8, 10, 16} {
		from := [...]int{0, 4, 6, 8, 10}[i]
		if i > 0 {
			w.b = append(w.b, '-')
		}
		w.b = hex.AppendEncode(w.b, sum[from:n])
	}
	w.b = append(w.b, '"')
}

// library is what Amplitude puts where an event names none.
func (w *writer) library(name string, value []byte) {
	if value == nil {
		value = []byte(`"http/2.0"`)
	}
	w.text(name, value)
}

// session is -1 where there is none.
func (w *writer) session(name string, value []byte) {
	if value == nil {
		value = []byte("-1")
	}
	w.raw(name, value)
}

func (w *writer) data(name string, e *Event) {
	w.key(name)
	w.b = append(w.b, `{"path":`...)
	w.b = jsonscan.AppendQuoted(w.b, e.Path)
	w.b = append(w.b, `,"user_properties_updated":`...)
	w.b = strconv.AppendBool(w.b, e.UserProperties != nil)
	w.b = append(w.b, '}')
}
