// Package sandbox is a local server that answers as Amplitude documents: it
// takes events, keeps a ledger of every one it accepted and, with
// Options.Events, what they hold, so that they can be looked at and exported
// again.
//
// It exists to judge an uploader, so it shares no code with one, believes
// nothing it is sent, and refuses where the documentation says that Amplitude
// refuses. It guarantees:
//
//   - A request is taken as a whole or not at all. Everything that can refuse
//     it (size, JSON, key, events, throttle, quota) is looked at before the
//     first event is taken, in that order.
//   - An answer of 200 is sent only when the events are in the ledger; with
//     Options.Data, when they are on the disk.
//   - Given the same requests in the same order, the same Options.Now and the
//     same fault seed, the answers, the ledger and the export are the same.
//   - What can be read back names this machine as its host, unless
//     Options.AnyHost: no page on the internet reads it.
//
// The parts are in packages of their own: store keeps the lines, people knows
// who is who, properties keeps their tables, export writes rows, page is what
// a browser shows.
//
// # Ledger
//
// One line for each accepted event, in the order of acceptance:
//
//	{"seq":1,"request":1,"insert_id":"i-1","device_id":"device-1","user_id":null,"event_type":"open","time":1700000000000,"duplicate":false}
//
//	seq         number of the line, from 1, without gaps
//	request     number of the accepted request the event came in, from 1, without gaps
//	insert_id device_id user_id event_type time
//	            the value as it was sent, byte for byte; null when absent
//	duplicate   the event was accepted but not taken: the same device_id and
//	            insert_id were taken within the seven days before
//
// With Options.Data = DIR the ledger is DIR/ledger.ndjson. Beside it lie
//
//	DIR/received.ndjson   {"seq":1,"received":1700000000}: the event with this
//	                      seq was received at this second (Unix time), and so
//	                      were those after it up to the next line; a line
//	                      overrules earlier ones with its seq or a higher one.
//	                      It gives the deduplication its times after a restart.
//	DIR/events.ndjson.zst what the events held (Options.Events), written and
//	                      synced before their lines in the ledger; content.go
//	                      has its lines, package store the file
//	DIR/lock              held while a sandbox uses the folder
//
// All files are only ever appended to. A last line without its newline is
// what a killed process left: it is cut off at the next start and is no
// damage. Anything else that does not read back is an error, never repaired.
//
// When the process is killed while it writes, a part of a request's events can
// stay in the ledger although their client got no answer. The client sends the
// request again; the events that had been written then appear a second time,
// as duplicates, and the others are taken: nothing is lost, and nothing that
// has an insert_id is counted twice. The same goes for a request answered with
// 500 because the disk failed.
package sandbox
