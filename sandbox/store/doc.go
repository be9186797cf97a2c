// Package store keeps what events hold: lines of JSON, numbered, in the order
// in which they came, in a file or in memory, compressed with zstd. They are
// found again by number and by the time they were received.
//
// # File
//
// The file is a row of blocks, each a skippable zstd frame that says what
// follows, and a zstd frame of whole lines with a checksum:
//
//	skippable frame  magic 0x184D2A5E, length 48, then little endian:
//	                 u32 bytes of the frame behind it, u32 bytes of its lines,
//	                 u64 first number, u64 last number, u64 and u64 first and
//	                 last time received (ms since 1970), u32 zero, u32 CRC-32C
//	                 of all that
//	zstd frame       the lines
//
// zstd's own tools skip the first and print the second: `zstdcat FILE` is the
// NDJSON of the file.
//
// The file is only ever appended to. Whoever opens it says which number is the
// last that counts; a block behind it, or one that is cut short at the end, is
// what a killed process left, and is cut off. Where a block counts only in
// part, a block without lines is put behind it, whose first number says where
// it ends. Anything else that does not read back is an error, never repaired.
package store
