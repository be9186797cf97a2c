package upload

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	magic      = "e2bupld\n"
	version    = 2
	headerSize = len(magic) + 4
	commitHead = 12
	// maxCommit bounds the records of a commit: maxParallel partitions, each
	// with an intent of mostEvents, mostEvents parked ids, or asidePiece events
	// set aside, of maxText characters each.
	maxCommit = 128 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendHeader(dst []byte) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, magic...), version)
}

// sealCommit fills in the head of a commit that will stand at offset.
func sealCommit(commit []byte, offset int64) {
	records := commit[commitHead:]
	binary.LittleEndian.PutUint32(commit[0:], uint32(len(records)))
	binary.LittleEndian.PutUint32(commit[4:], crc32.Checksum(records, castagnoli))
	binary.LittleEndian.PutUint32(commit[8:], headCheck(commit, offset))
}

func headCheck(commit []byte, offset int64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(offset))
	copy(b[8:], commit[:8])
	return crc32.Checksum(b[:], castagnoli)
}

// readHead returns the length of the records of the commit at offset and their
// checksum; ok is false when this is no head of a commit.
func readHead(head []byte, offset int64) (length int64, crc uint32, ok bool) {
	length = int64(binary.LittleEndian.Uint32(head))
	ok = length > 0 && length <= maxCommit && binary.LittleEndian.Uint32(head[8:]) == headCheck(head, offset)
	return length, binary.LittleEndian.Uint32(head[4:]), ok
}

// CorruptError says where a journal does not read back.
type CorruptError struct {
	Offset int64 // bytes from the beginning of the journal
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the journal is damaged at byte %d: %s", e.Offset, e.Reason)
}

// readJournal hands the records of a journal to visit, in their order, and
// returns the offset behind the last whole commit. What is behind it is torn.
func readJournal(r io.Reader, visit func(record) error) (end int64, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head := make([]byte, max(headerSize, commitHead))
	if _, err := io.ReadFull(in, head[:headerSize]); err != nil {
		return 0, shortOr(err, &CorruptError{0, "it is shorter than its header"})
	}
	if string(head[:len(magic)]) != magic {
		return 0, &CorruptError{0, "it is not a journal of export2batch"}
	}
	if v := binary.LittleEndian.Uint32(head[len(magic):]); v != version {
		return 0, fmt.Errorf("the journal has format %d, this version of export2batch reads %d: finish the upload with the version that began it", v, version)
	}
	end = int64(headerSize)
	var records []byte
	for {
		n, err := io.ReadFull(in, head[:commitHead])
		if err == io.EOF {
			return end, nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return end, err
		}
		length, crc, ok := int64(0), uint32(0), false
		if err == nil {
			length, crc, ok = readHead(head, end)
		}
		if !ok {
			return end, torn(in, head[:n], end)
		}
		if int64(cap(records)) < length {
			records = make([]byte, length)
		}
		records = records[:length]
		if n, err := io.ReadFull(in, records); err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				return end, err
			}
			return end, torn(in, append(head[:commitHead:commitHead], records[:n]...), end)
		}
		if crc32.Checksum(records, castagnoli) != crc {
			if _, err := in.Peek(1); err != io.EOF {
				return end, shortOr(err, &CorruptError{end, "a checksum does not match"})
			}
			return end, nil
		}
		for rest := records; len(rest) > 0; {
			var rec record
			if rec, rest, err = nextRecord(rest); err == nil {
				err = visit(rec)
			}
			if err != nil {
				return end, &CorruptError{end, err.Error()}
			}
		}
		end += commitHead + length
	}
}

// torn decides about bytes at offset, of which start is read, that are no
// whole commit: nil when they can be what a crash left of the last one.
func torn(r io.Reader, start []byte, offset int64) error {
	rest, err := io.ReadAll(io.LimitReader(r, maxCommit+commitHead))
	if err != nil {
		return err
	}
	rest = append(start, rest...)
	if len(rest) > maxCommit+commitHead {
		return &CorruptError{offset, "no commit starts here"}
	}
	for i := 1; i+commitHead <= len(rest); i++ {
		length, crc, ok := readHead(rest[i:], offset+int64(i))
		stop := int64(i+commitHead) + length
		if ok && stop <= int64(len(rest)) && crc32.Checksum(rest[i+commitHead:stop], castagnoli) == crc {
			return &CorruptError{offset, fmt.Sprintf("no commit starts here, but one does at byte %d", offset+int64(i))}
		}
	}
	return nil
}

// shortOr returns what means that data ends too early, or another error as it is.
func shortOr(err, short error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return short
	}
	return err
}
