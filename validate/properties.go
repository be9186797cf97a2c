package validate

import (
	"strings"

	"export2batch/internal/finding"
	"export2batch/internal/jsonscan"
)

func checkUnknownKeys(c *checker, e *event) {
	if e.unknown == 0 {
		return
	}
	for i := range e.fields {
		if e.keys[i] == keyUnknown {
			c.report(ruleUnknownKey, keyPointer(e.fields[i].Key(e.text)), "is no key of an event: Amplitude ignores it", 1)
		}
	}
}

// maxPointerKey is how many bytes of an unknown key are shown.
const maxPointerKey = 100

func keyPointer(escaped []byte) string {
	name := string(jsonscan.AppendUnescaped(nil, escaped))
	if len(name) > maxPointerKey {
		name = strings.ToValidUTF8(name[:maxPointerKey], "") + "…"
	}
	return finding.Pointer(name)
}

func checkInsertID(c *checker, e *event) {
	f := e.field(keyInsertID)
	switch {
	case f == nil:
		c.report(ruleInsertID, "", "has no insert_id: sent twice, it counts twice", 1)
	case f.Kind == jsonscan.String && f.End-f.Start == 2:
		c.report(ruleInsertID, keyInsertID.pointer(), "is empty: sent twice, the event counts twice", 1)
	}
}

func checkIP(c *checker, e *event) {
	if e.stringIs(keyIP, "$remote") {
		c.report(ruleRemoteIP, keyIP.pointer(), "$remote would locate the user where the uploader is", 1)
	}
}

// stringIs tells whether the value of k is the string want.
func (e *event) stringIs(k key, want string) bool {
	f := e.field(k)
	if f == nil || f.Kind != jsonscan.String {
		return false
	}
	text := e.text[f.Start+1 : f.End-1]
	if f.Escaped {
		text = jsonscan.AppendUnescaped(nil, text)
	}
	return string(text) == want
}

// isOperation tells the operations of $identify: Amplitude, Identify API.
func isOperation(name string) bool {
	switch name {
	case "$set", "$setOnce", "$add", "$append", "$prepend", "$unset", "$clearAll", "$preInsert", "$postInsert", "$remove":
		return true
	}
	return false
}

func checkOperations(c *checker, e *event) {
	if e.userShape&hasOperation != 0 && !e.is(isIdentify) {
		c.report(ruleOperation, keyUserProperties.pointer(), "holds property operations, but the event is not $identify", 1)
	}
}

func checkSkippedIdentify(c *checker, e *event) {
	f := e.field(keySkipSync)
	if f == nil || string(f.Value(e.text)) != "true" {
		return
	}
	if e.is(isIdentify) || e.is(isGroupIdentify) {
		c.report(ruleSkippedIdentify, keySkipSync.pointer(), "the event does nothing but sync, which this leaves out", 1)
	}
}

// checkRevenue finds revenue that would count twice. Amplitude reckons it from
// the price where the revenue itself is missing.
func checkRevenue(c *checker, e *event) {
	lifted := keyRevenue
	if e.at[lifted] == 0 {
		lifted = keyPrice
	}
	if e.at[lifted] > 0 && e.eventShape&hasRevenue != 0 {
		c.report(ruleRevenueTwice, lifted.pointer(), "event_properties hold revenue too: it would count twice", 1)
	}
}

// checkLocation looks at the fields that are set together. The dma is missing
// everywhere outside the United States.
func checkLocation(c *checker, e *event) {
	have, missing := e.at[keyDMA] > 0, keyUnknown
	for _, k := range [...]key{keyCity, keyRegion, keyCountry} {
		if e.at[k] > 0 {
			have = true
		} else {
			missing = k
		}
	}
	if have && missing != keyUnknown {
		c.report(ruleLocation, "", "has part of its location only: setting one of country, region and city resets the others", 1)
	}
}

// checkReserved counts events with names that are Amplitude's own.
func checkReserved(c *checker, e *event) {
	if (e.kind|e.eventShape|e.userShape)&isReserved != 0 {
		c.note(onceReserved)
	}
}
