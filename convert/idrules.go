package convert

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"unicode/utf8"

	"export2batch/internal/jsonscan"
)

// idText is what an id means.
func (r *ruled) idText(line []byte, f *jsonscan.Field) []byte {
	text := f.Value(line)
	if f.Kind != jsonscan.String {
		return text
	}
	if text = text[1 : len(text)-1]; f.Escaped {
		r.m.scratch = jsonscan.AppendUnescaped(r.m.scratch[:0], text)
		text = r.m.scratch
	}
	return text
}

// setID replaces an id. An empty one is no id.
func (r *ruled) setID(line []byte, s slot, id []byte) []byte {
	if len(id) == 0 {
		r.m.at[s] = nil
		return line
	}
	text := r.room(line)
	start := len(text)
	return r.set(s, jsonscan.AppendQuoted(text, id), start, jsonscan.String)
}

// normalise trims and lower-cases user and device id.
func (r *ruled) normalise(line []byte) []byte {
	for _, s := range [...]slot{userID, deviceID} {
		f := r.m.at[s]
		if f == nil || f.Kind != jsonscan.String {
			continue
		}
		was := r.idText(line, f)
		id := was
		if r.trim {
			id = bytes.TrimSpace(id)
		}
		if r.lower && !isLower(id) {
			id = bytes.ToLower(id)
		}
		if !bytes.Equal(id, was) {
			line = r.setID(line, s, id)
			r.trace.made(exportNames[s], exportNames[s], "ids")
		}
	}
	return line
}

func isLower(id []byte) bool {
	for _, c := range id {
		if c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// mapIDs gives users and devices the ids that the maps have for them.
func (r *ruled) mapIDs(line []byte) ([]byte, verdict) {
	for _, c := range [...]struct {
		slot     slot
		ids      idMap
		unmapped string
	}{{userID, r.userMap, unmappedUser}, {deviceID, r.deviceMap, unmappedDevice}} {
		f := r.m.at[c.slot]
		if c.ids == nil || f == nil {
			continue
		}
		name := exportNames[c.slot]
		if id, ok := c.ids[string(r.idText(line, f))]; ok {
			r.mapped[name]++
			line = r.setID(line, c.slot, []byte(id))
			r.trace.made(name, name, "map")
			continue
		}
		r.unmapped[name]++
		r.trace.step("map", name+" is not in its map")
		switch r.rules.Unmapped {
		case Drop:
			return line, verdict{kind: dropped, rule: c.unmapped}
		case Reject:
			return line, verdict{kind: refused, rule: c.unmapped, reason: name + " is not in its map"}
		}
	}
	return line, verdict{}
}

// maxPseudonyms bounds the pseudonyms that are remembered.
const maxPseudonyms = 1 << 16

// pseudonyms makes and remembers them.
type pseudonyms struct {
	mac   hash.Hash
	known map[string]string // quoted
}

func (p *pseudonyms) of(key, id []byte) string {
	if q, ok := p.known[string(id)]; ok {
		return q
	}
	if p.mac == nil {
		p.mac, p.known = hmac.New(sha256.New, key), map[string]string{}
	}
	if len(p.known) >= maxPseudonyms {
		clear(p.known)
	}
	p.mac.Reset()
	p.mac.Write(id)
	q := `"` + hex.EncodeToString(p.mac.Sum(nil)) + `"`
	p.known[string(id)] = q
	return q
}

// appendPseudonym appends the HMAC-SHA256 of an id, in hexadecimal digits.
func appendPseudonym(dst, key, id []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(id)
	return hex.AppendEncode(dst, mac.Sum(nil))
}

// pseudonymise replaces ids by pseudonyms.
func (r *ruled) pseudonymise(line []byte, ids ...slot) []byte {
	for _, s := range ids {
		f := r.m.at[s]
		if f == nil {
			continue
		}
		quoted := r.ids.of(r.pseudonymKey, r.idText(line, f))
		text := r.room(line)
		start := len(text)
		line = r.set(s, append(text, quoted...), start, jsonscan.String)
		if s <= lastCopied {
			r.trace.made(exportNames[s], exportNames[s], "pseudonym-key-file")
		}
	}
	return line
}

// merged notes that two Amplitude IDs are one user. Without rules, r is nil.
func (r *ruled) merged(line []byte, m *mapper) {
	a, b := m.at[amplitudeID], m.at[mergedAmplitudeID]
	if a == nil || b == nil {
		return
	}
	if r != nil {
		if r.sampled && !r.inSample(line, a) && !r.inSample(line, b) {
			return
		}
		if r.pseudonymKey != nil {
			line = r.pseudonymise(line, amplitudeID, mergedAmplitudeID)
			a, b = m.at[amplitudeID], m.at[mergedAmplitudeID]
		}
	}
	m.pairs.addMerged(line, a, b)
}
