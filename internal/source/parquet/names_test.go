package parquet

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestNameColumns(t *testing.T) {
	for _, tt := range []struct {
		name    string
		names   string
		columns map[string]string
		keys    string
		refusal string
	}{
		{"Snowflake", "USER_ID,$INSERT_ID,Event_Time,EVENT_DATE", nil, "user_id,$insert_id,event_time,EVENT_DATE", ""},
		{"Fivetran", "id,_insert_id,ad_id,schema,uuid,_fivetran_synced", nil, "event_id,$insert_id,adid,$schema,uuid,_fivetran_synced", ""},
		{"an id that is no number", "uuid,id", nil, "uuid,id", ""},
		{"an alias does not displace the key", "ID,event_id,INSERT_ID,$insert_id", nil, "ID,event_id,INSERT_ID,$insert_id", ""},
		{"two aliases", "_insert_id,insert_id", nil, "$insert_id,insert_id", ""},
		{"given", "Who,USER_ID,x", map[string]string{"user_id": "Who", "event_type": "X"}, "user_id,USER_ID,event_type", ""},
		{"given to one that has a key", "event_time,client_event_time", map[string]string{"event_time": "client_event_time"}, "event_time~2,event_time", ""},
		{"given what is not there", "a", map[string]string{"user_id": "b"}, "a", ""},
		{"unknown, twice", "a,A,a", nil, "a,A,a~2", ""},
		{"without a name", ",a", nil, "~2,a", ""},
		{"known, twice", "USER_ID,user_id", nil, "", `column "USER_ID" is user_id too`},
		{"known, twice, one given", "USER_ID,user_id", map[string]string{"user_id": "USER_ID"}, "user_id,user_id~2", ""},
		{"given, not clearly", "abc,ABC", map[string]string{"user_id": "Abc"}, "", "only its letter case"},
		{"given, clearly", "abc,ABC", map[string]string{"user_id": "ABC"}, "abc,user_id", ""},
		{"given for two keys", "a", map[string]string{"user_id": "a", "device_id": "A"}, "", "two keys"},
	} {
		keys, _, err := nameColumns(strings.Split(tt.names, ","), func(i int) bool { return i == 0 }, tt.columns)
		var refusal *Refusal
		switch {
		case tt.refusal != "" && (!errors.As(err, &refusal) || !strings.Contains(refusal.Error(), tt.refusal)):
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.refusal)
		case tt.refusal == "" && (err != nil || !slices.Equal(keys, strings.Split(tt.keys, ","))):
			t.Errorf("%s: got %q, %v, want %s", tt.name, keys, err, tt.keys)
		}
	}
}

func TestMissingKeys(t *testing.T) {
	for _, tt := range []struct{ keys, want string }{
		{"event_type,user_id,event_time", ""},
		{"event_type,device_id,server_upload_time", ""},
		{"merge_time,merged_amplitude_id,amplitude_id", ""},
		{"device_id,server_upload_time", "no column event_type,"},
		{"event_type,event_time", "no column user_id or device_id,"},
		{"event_type,user_id,x", "no column event_time or client_event_time"},
	} {
		got := missingKeys(strings.Split(tt.keys, ","), strings.Split(tt.keys, ","))
		if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q", tt.keys, got)
		}
	}
}
