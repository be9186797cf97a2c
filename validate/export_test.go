package validate

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// goodExport is a line of an export, with all the keys that real ones have.
const goodExport = `{"server_received_time":"2023-01-03 18:00:01.289000","app":328567,"device_carrier":null,"$schema":13,"city":"Bengaluru","user_id":"user-1","uuid":"37e708c8-fec4-410c-9910-b52272db34b3","event_time":"2023-01-03 17:59:23.245000","platform":"Web","os_version":"120","amplitude_id":187254031180,"processed_time":"2023-01-03 18:00:06.883000","user_creation_time":"2022-10-12 03:21:10.389063","version_name":"6.3.5","ip_address":"76.2.204.25","paying":true,"dma":null,"group_properties":{},"user_properties":{"button_value_15":"Äpfel, Öl \u0026 Übermut","button_value_26":"Über uns","[App] screen.group 37":77,"login_method":"magic link"},"client_upload_time":"2023-01-03 17:59:59.978000","$insert_id":"lisuVuIggItB","event_type":"Page Viewed","library":"amplitude-js/8.21.4","amplitude_attribution_ids":null,"device_type":"Mac","device_manufacturer":null,"start_version":"1.7.5","location_lng":77.59369,"server_upload_time":"2023-01-03 18:00:01.305000","event_id":344,"location_lat":null,"os_name":"Safari","amplitude_event_type":null,"device_brand":null,"groups":{"org id":["2537"],"company":["ancient island Inc."]},"event_properties":{"network_url":"noble meadow"},"data":{"path":"/2/httpapi","user_properties_updated":true,"group_first_event":{},"group_ids":{}},"device_id":"25c0267b-e1a4-492c-880f-a913f07abd45R","language":"Hindi","device_model":null,"country":"India","region":"Karnataka","is_attribution_event":false,"adid":null,"session_id":1672768448645,"device_family":"Mac","sample_rate":null,"idfa":null,"client_event_time":"2023-01-03 17:59:23.245000"}`

func newExportChecker(t testing.TB) *checker {
	return newTestChecker(t, Options{Schemas: []string{SchemaExport}})
}

// FuzzExportFastPath holds the fast path for exports to the library.
func FuzzExportFastPath(f *testing.F) {
	f.Add([]byte(goodExport))
	for _, line := range []string{
		`{"event_type":"a","device_id":"d","event_time":"2023-01-02T03:04:05Z","$schema":1e400,"x":1E5}`,
		`{"event_type":"","user_id":1.0,"event_time":null,"client_event_time":"2023-01-02 03:04:05 +02"}`,
		`{"scope":1,"merge_time":"2023-01-02 03:04:05","amplitude_id":1,"merged_amplitude_id":2}`,
	} {
		f.Add([]byte(line))
	}
	c := newExportChecker(f)
	f.Fuzz(func(t *testing.T, line []byte) { compareExport(t, c, line) })
}

// TestMutatedExports does the same over lines with members exchanged.
func TestMutatedExports(t *testing.T) {
	t.Parallel()
	c := newExportChecker(t)
	rng := rand.New(rand.NewPCG(5, 6))
	n := map[verdict]int{}
	for range 3000 {
		n[compareExport(t, c, mutateExport(rng))]++
	}
	if n[fastAccepted] < 400 || n[libraryAccepted] < 100 || n[libraryRefused] < 400 {
		t.Errorf("%v of 3000: the mutations say little", n)
	}
	if compareExport(t, c, []byte(goodExport)) != fastAccepted {
		t.Error("the library is asked about a good line")
	}
}

// compareExport holds what is found in a line, and the fast path, to what the
// library says.
func compareExport(t *testing.T, c *checker, line []byte) verdict {
	t.Helper()
	found, err := c.check(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	got := short(found)
	if c.event.scan(line, c.minIDLength) != nil {
		if len(found) == 0 {
			t.Errorf("%q: not JSON, but nothing found", line)
		}
		return notJSON
	}
	accepted := c.acceptsExport(&c.event)
	value, err := decode(line)
	if err != nil {
		t.Fatal(err)
	}
	c.found = nil
	if err := c.schemas[0].check(c, withoutHuge(value)); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(c.found, compare)
	if want := short(c.found); !slices.Equal(got, want) {
		t.Errorf("%s: found %q, the library finds %q, accepted: %t", line, got, want, accepted)
	}
	switch {
	case accepted:
		return fastAccepted
	case len(c.found) == 0:
		return libraryAccepted
	}
	return libraryRefused
}

func mutateExport(rng *rand.Rand) []byte {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(goodExport), &members); err != nil {
		panic(err)
	}
	names := append(slices.Sorted(maps.Keys(members)), "price", "quantity", "plan", "merge_time", "merged_amplitude_id", "first_event", "$insert_key", "new key")
	times := []string{"user_id", "device_id", "event_time", "client_event_time", "server_received_time", "server_upload_time"}
	values := []string{
		`null`, `null`, `true`, `0`, `-1`, `1.0`, `1.5`, `1e3`, `-0`, `12345678901234567`, strings.Repeat("1", 300), strings.Repeat("1", 301), `1e400`, `0.` + strings.Repeat("0", 299),
		`""`, `"a"`, `"` + secret + `"`, `{}`, `[]`, `{"a":{"a":1,"a":2}}`, `[null,1e400]`,
		`"2023-01-02 03:04:05"`, `"2023-01-02T03:04:05.1"`, `"2023-01-02 03:04:05."`, `"2023-01-02 03:04:05.123Z"`, `"2023-01-02 03:04:05z"`, `"2023-01-02 03:04:05+02:00"`,
		`"2023-01-02 03:04:05 UTC"`, `"2023-01-02 03:04:05.1x"`, `"2023-01-02 03:04"`, `"2023-1-02 03:04:05"`, `"2023-01-02\u002003:04:05"`, `"2023-01-02 03:04:05Z "`, `"٢٠٢٣-01-02 03:04:05"`,
	}
	for range 1 + rng.IntN(4) {
		name := names[rng.IntN(len(names))]
		if rng.IntN(2) == 0 {
			name = times[rng.IntN(len(times))]
		}
		if rng.IntN(4) == 0 {
			delete(members, name)
		} else {
			members[name] = json.RawMessage(values[rng.IntN(len(values))])
		}
	}
	line, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	if rng.IntN(20) == 0 {
		line = []byte(strings.Replace(string(line), `"event_t`, `"event\u005ft`, 1))
	}
	return line
}

// TestExportKeysOfSchema sees that a key whose schema says something that the
// fast path does not know is left to the library.
func TestExportKeysOfSchema(t *testing.T) {
	t.Parallel()
	defs := map[string]any{"time": map[string]any{"type": "string", "pattern": "x"}, "id": map[string]any{"type": "string", "maxLength": json.Number("3")}}
	for text, want := range map[string]bool{
		`{"type":"string","description":"x"}`:   true,
		`{"type":["string","null"]}`:            true,
		`{"type":"string","minLength":1}`:       true,
		`{}`:                                    true,
		`{"$ref":"#/$defs/time","title":"x"}`:   true,
		`{"type":"string","minLength":2}`:       false,
		`{"type":"string","pattern":"x"}`:       false,
		`{"type":"string","format":"time"}`:     false,
		`{"type":"strong"}`:                     false,
		`{"$ref":"#/$defs/id"}`:                 false,
		`{"$ref":"#/$defs/nosuch"}`:             false,
		`{"$ref":"#/$defs/time","minLength":1}`: false,
		`{"enum":["a"]}`:                        false,
		`true`:                                  false,
	} {
		schema, err := decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if k := exportKeyOf(schema, defs); (k.kinds != 0) != want {
			t.Errorf("%s: %+v, want known: %t", text, k, want)
		}
	}
}

// BenchmarkExport is the whole check of a line of an export.
func BenchmarkExport(b *testing.B) {
	c := newExportChecker(b)
	line := []byte(goodExport)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		found, err := c.check(line)
		if err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
