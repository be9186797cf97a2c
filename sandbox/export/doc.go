// Package export writes events as Amplitude's Export API gives them back: rows
// with what Amplitude made of each event, gzipped by the hour in which they
// were received, in a zip.
//
// The zip is laid out as the real one: entries PROJECT/PROJECT_YYYY-MM-DD_H#N.json.gz,
// stored, written as a stream with the sizes behind the data.
//
// A row has every key that rows of today have, in one order. What the sandbox
// does not work out is null, as it is for many real rows: it geolocates no ip,
// reads no user_agent, and knows no attribution. Strings over Amplitude's
// length are cut, groups over its limits left out, and revenue stands inside
// event_properties with a dollar before its keys.
package export
