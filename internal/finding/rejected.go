package finding

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"export2batch/internal/jsonscan"
)

// AppendRejected appends the NDJSON line under which a rejected/ file keeps a
// line that was set aside:
//
//	{"file","member","line","rule","reason","text"}
//
// with text_base64 in place of text where the line is not UTF-8.
func AppendRejected(dst []byte, p Place, rule, reason string, line []byte) []byte {
	dst = appendHead(dst, p, rule, reason)
	if utf8.Valid(line) {
		dst = jsonscan.AppendQuoted(append(dst, `,"text":`...), line)
	} else {
		dst = append(dst, `,"text_base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, line)
		dst = append(dst, '"')
	}
	return append(dst, '}', '\n')
}

// AppendRejectedRaw is AppendRejected for a line too long to hold, which was
// streamed to the file named raw, relative to the stage folder.
func AppendRejectedRaw(dst []byte, p Place, rule, reason, raw string) []byte {
	dst = appendHead(dst, p, rule, reason)
	dst = jsonscan.AppendQuoted(append(dst, `,"raw":`...), raw)
	return append(dst, '}', '\n')
}

func appendHead(dst []byte, p Place, rule, reason string) []byte {
	dst = jsonscan.AppendQuoted(append(dst, `{"file":`...), p.File)
	if p.Member != "" {
		dst = jsonscan.AppendQuoted(append(dst, `,"member":`...), p.Member)
	}
	dst = strconv.AppendInt(append(dst, `,"line":`...), p.Line, 10)
	dst = jsonscan.AppendQuoted(append(dst, `,"rule":`...), rule)
	return jsonscan.AppendQuoted(append(dst, `,"reason":`...), reason)
}

// RejectedPlace reads where the line that a rejected/ file keeps once stood.
func RejectedPlace(line []byte) (Place, error) {
	var p Place
	if err := json.Unmarshal(line, &p); err != nil {
		return p, fmt.Errorf("not a line of a rejected/ file: %w", err)
	}
	return p, nil
}
