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
//   - The API key goes to the destination and nowhere else: no redirect is
//     followed, and neither the state folder nor an error or log line holds it.
//
// # State folder
//
//	STATE/journal                what was sent and what came back
//	STATE/rejected/NAME.ndjson   events set aside, one file a partition
//	STATE/summary.json           the account, written when nothing is pending
//
// The journal is the truth. rejected/ is made to agree with it at each start.
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
//	1 begin    manifest:[32] time:varint url:string version:string
//	2 intent   partition request time:varint sum:[32] n:varint n×(skip take:varint)
//	3 ack      partition request attempts ingested time:varint
//	4 refused  partition request attempts status time:varint
//	5 aside    partition event:varint rule:string reason:string
//	6 key      salt:[16] sum:[4]
//
// begin is the first record and the only one of the first commit: manifest is
// the SHA-256 of manifest.json. An intent stands in the journal, synced, before
// its request is sent; its events are n ranges, each skipping some events
// behind the one before and taking the next; sum is the SHA-256 of the events
// joined by commas, as in the body. The request numbers of a partition rise by
// one. An intent is open until its ack (everything was taken) or refused
// (nothing was), which is synced before the partition's next request is sent.
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
// # Not here yet
//
// An id over its daily quota makes its whole partition wait, an hour at a time;
// parking only the id will be a record of its own type, which intents already
// allow for by naming their events as ranges.
package upload
