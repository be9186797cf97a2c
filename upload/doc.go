// Package upload sends the partitions of a finished partition folder to the
// Batch Event Upload API, each event once and in order, and keeps on disk how
// far it is.
//
// It guarantees, whatever happens to the process, the machine or the network:
//
//   - The events of a partition are sent in file order, one request at a time.
//   - Every event ends up accepted, or set aside in rejected/ with the reason
//     the destination gave. Only what the destination named, or what bisection
//     isolated, is set aside; everything else is sent until it is taken.
//   - A request is repeated only when it may not have been taken, and then
//     with exactly the same events, so that Amplitude recognises them by their
//     insert_id. After a crash that is at most one request a partition.
//   - Pace, throttle and daily quota of a user or device hold for the whole
//     run. An id over its quota waits alone, and with it, in each partition,
//     every later event that shares an id with one that waits, and so on
//     forward: the order of everybody's events stays that of the file.
//   - The API key goes to the destination and nowhere else: no redirect is
//     followed, and neither the state folder nor an error or log line holds it.
//
// # State folder
//
//	STATE/journal                what was sent and what came back
//	STATE/rejected/NAME.ndjson   events set aside, one file a partition
//	STATE/summary.json           the account, written when nothing is pending
//	STATE/report.json report.txt the account and how the run went, written when
//	                             it ends, however it ends
//	STATE/retry/001/             what was set aside, written like partitions when
//	                             it is to be sent again; 002/ what was set aside
//	                             of that, and so on
//	STATE/retry/001.upload/      the state folder of sending it
//
// The journal is the truth. rejected/ is made to agree with it at each start:
// the same events, each once; their texts may have been mended.
//
// # Journal
//
// Integers are little endian; "varint" is that of encoding/binary, "string" a
// varint length and its bytes; times are milliseconds since the epoch; CRC is
// CRC-32C. Partitions are numbered as in the manifest, events as in their
// file, both from 0.
//
//	journal  header commit…
//	header   "e2bupld\n" version:uint32
//	commit   length:uint32 crc:uint32 check:uint32 record…
//	         length  bytes of all its records
//	         crc     CRC of them
//	         check   CRC of the commit's offset in the file (uint64), length, crc
//	record   type:uint8 length:varint payload
//
//	1 begin    manifest:[32] time:varint seed:uint64 url:string version:string
//	2 intent   partition request time:varint sum:[32] n:varint n×(skip take:varint)
//	3 ack      partition request attempts doubts ingested time:varint
//	4 refused  partition request attempts doubts status time:varint
//	5 aside    partition event:varint rule:string reason:string
//	6 key      salt:[16] sum:[4]
//	7 park     time until n:varint n×id:uint64
//
// begin is the first record and the only one of the first commit: manifest is
// the SHA-256 of manifest.json. An intent stands in the journal, synced, before
// its request is sent; its events are n ranges, each skipping some events
// behind the one before and taking the next; sum is the SHA-256 of the events
// joined by commas, as in the body. The request numbers of a partition rise by
// one. An intent is open until its ack (everything was taken) or refused
// (nothing was), which is synced before the partition's next request is sent.
// doubts counts the attempts before the last that may have been taken: refused
// with doubts says that the events will be sent again in other requests.
//
// park says until when ids wait for their daily quota; an id is the XXH64 of
// its text under seed (devices) or seed+1 (users), 1 in place of 0. What shares
// ids with them is found again by reading the partition from its start, since
// whatever is pending and comes before an event must go before it: a park that
// is lost costs a request that is refused, never the order.
//
// key marks, by four bytes of a salted hash, the API key under which the first
// request was accepted.
//
// One goroutine writes the records of all partitions: what came together while
// the commit before was being synced is one commit, one write and one sync. So
// only the last commit can be torn, and a torn one is cut off. A commit that
// does not read back although another one follows is damage, and refused with
// its offset. A record of a type not listed here is refused too: it was written
// by a newer version.
//
// # A run
//
//	schedule   which partition is sent next; a place is left while waiting
//	sender     a pass over one partition: fill a chunk, cut it, deliver it
//	delivery   one request until it is decided, through pace and gate
//	gate       requests in flight, opened and closed by how they go
//	sizes      bytes of a body, lowered by a 413
//	parked     ids over their quota; held: who waits with them in a pass
//	memory     buffers for as many requests as are at work
//	lane       a sender without a destination: dry runs, written requests
package upload
