package sandbox

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// The error texts of Amplitude, Batch Event Upload API, InvalidRequestError;
// errIDLength and errThrottled as seen in its answers.
const (
	errNoBody         = "Missing request body"
	errNotJSON        = "Invalid JSON request body"
	errMissing        = "Request missing required field"
	errMalformedEvent = "Invalid event JSON"
	errAPIKey         = "Invalid API key"
	errInvalid        = "Invalid field values on some events"
	errIDLength       = "Invalid id length for user_id or device_id"
	errTooLarge       = "Payload too large"
	errThrottled      = "Too many requests for some devices and users"
	errSilenced       = "Events silenced for device_id"
)

// answer is what a request will be told; nothing has been written yet.
type answer struct {
	code        int
	contentType string
	allow       string // the Allow header of a 405
	retryAfter  string // the Retry-After header
	body        []byte
}

// refusal is the body of a 400 and of the other refusals that are no 429.
type refusal struct {
	Code         int          `json:"code"`
	Error        string       `json:"error"`
	MissingField string       `json:"missing_field,omitempty"`
	Invalid      fieldIndexes `json:"events_with_invalid_fields,omitempty"`
	Missing      fieldIndexes `json:"events_with_missing_fields,omitempty"`
	Lengths      fieldIndexes `json:"events_with_invalid_id_lengths,omitempty"`
}

// throttled is the body of a 429. Every key is there, empty or not.
type throttled struct {
	Code             int            `json:"code"`
	Error            string         `json:"error"`
	Threshold        float64        `json:"eps_threshold"`
	Devices          map[string]int `json:"throttled_devices"`
	Users            map[string]int `json:"throttled_users"`
	ExceededDevices  map[string]int `json:"exceeded_daily_quota_devices"`
	ExceededUsers    map[string]int `json:"exceeded_daily_quota_users"`
	ThrottledIndexes []int          `json:"throttled_events"`
}

// silenced is the body of a 400 for silenced devices. It may also say which
// devices are throttled.
type silenced struct {
	Code             int            `json:"code"`
	Error            string         `json:"error"`
	Threshold        float64        `json:"eps_threshold"`
	ExceededDevices  map[string]int `json:"exceeded_daily_quota_devices"`
	SilencedDevices  []string       `json:"silenced_devices"`
	SilencedIndexes  []int          `json:"silenced_events"`
	Devices          map[string]int `json:"throttled_devices"`
	ThrottledIndexes []int          `json:"throttled_events"`
}

func newThrottled(threshold float64) *throttled {
	return &throttled{
		Code: http.StatusTooManyRequests, Error: errThrottled, Threshold: threshold,
		Devices: map[string]int{}, Users: map[string]int{},
		ExceededDevices: map[string]int{}, ExceededUsers: map[string]int{},
		ThrottledIndexes: []int{},
	}
}

func jsonAnswer(code int, body any) answer {
	text, err := json.Marshal(body)
	if err != nil { // none of our types can fail
		return answer{code: http.StatusInternalServerError, contentType: "text/plain", body: []byte(err.Error())}
	}
	return answer{code: code, contentType: "application/json", body: text}
}

func refuse(code int, text string) answer {
	return jsonAnswer(code, refusal{Code: code, Error: text})
}

func badRequest(text string) answer { return refuse(http.StatusBadRequest, text) }

func missingField(name string) answer {
	return jsonAnswer(http.StatusBadRequest, refusal{Code: http.StatusBadRequest, Error: errMissing, MissingField: name})
}

// ingested is the 200: events newly taken, bytes of the decompressed body, and
// the sandbox's time in milliseconds.
func ingested(events, bytes int, millis int64) answer {
	b := append(make([]byte, 0, 128), `{"code":200,"events_ingested":`...)
	b = strconv.AppendInt(b, int64(events), 10)
	b = append(b, `,"payload_size_bytes":`...)
	b = strconv.AppendInt(b, int64(bytes), 10)
	b = append(b, `,"server_upload_time":`...)
	b = strconv.AppendInt(b, millis, 10)
	return answer{code: http.StatusOK, contentType: "application/json", body: append(b, '}')}
}

func (a answer) header(w http.ResponseWriter) {
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.allow != "" {
		w.Header().Set("Allow", a.allow)
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	w.WriteHeader(a.code)
}

func (a answer) write(w http.ResponseWriter) {
	a.header(w)
	w.Write(a.body) // the client may be gone; there is nobody to tell
}
