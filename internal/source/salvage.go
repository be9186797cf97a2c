package source

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
)

// salvage finds the members of an archive whose directory, at its end, is
// missing or damaged, as after a download that broke off. It walks the local
// headers from the start:
//
//	"PK\x03\x04" version(2) flags(2) method(2) time(4) crc(4) packed(4)
//	unpacked(4) name length(2) extra length(2) name extra data
//	and, with bit 3 of the flags, where the sizes above are zero:
//	"PK\x07\x08" crc(4) packed(4 or 8) unpacked(4 or 8)
//
// The last member may be cut short; reading it says so.
func salvage(a *archiveFile, size int64) (memberList, error) {
	found := memberList{damage: "the archive has no directory (was it cut short?): its members were found one by one, the last may be incomplete"}
	for off := int64(0); off < size; {
		var h [30]byte
		if _, err := a.ReadAt(h[:], off); err != nil || string(h[:4]) != "PK\x03\x04" {
			break
		}
		le := binary.LittleEndian
		flags, method := le.Uint16(h[6:]), le.Uint16(h[8:])
		nameLen, extraLen := int64(le.Uint16(h[26:])), int64(le.Uint16(h[28:]))
		name := make([]byte, nameLen)
		start := off + 30 + nameLen + extraLen
		if _, err := a.ReadAt(name, off+30); err != nil || start > size {
			break
		}
		end, next := start+int64(le.Uint32(h[18:])), int64(0)
		var cut bool
		if flags&8 != 0 {
			end, next = findDescriptor(a, start, size)
			cut = next == end
		} else {
			if le.Uint32(h[18:]) == 0xffffffff {
				end = start + zip64Size(a, off+30+nameLen, extraLen)
			}
			cut = end < start || end > size
			if cut {
				end = size
			}
			next = end
		}
		if !bytes.HasSuffix(name, []byte("/")) {
			found.list = append(found.list, member{
				name: string(name), size: -1,
				open: func() (io.ReadCloser, error) {
					return a.open(func() (io.ReadCloser, error) {
						return openRaw(io.NewSectionReader(a, start, end-start), method, cut)
					})
				},
			})
		}
		off = next
	}
	if len(found.list) == 0 {
		return found, fmt.Errorf("%s: the archive is damaged and no member can be found", a.path)
	}
	return found, nil
}

// zip64Size is the packed size that the extra fields of a local header give
// where its own field is too small; -1 where they do not.
//
//	id(2)=1 length(2) unpacked(8) packed(8)
func zip64Size(a *archiveFile, off, length int64) int64 {
	extra := make([]byte, length)
	if _, err := a.ReadAt(extra, off); err != nil {
		return -1
	}
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			break
		}
		if id == 1 && n >= 16 {
			return int64(binary.LittleEndian.Uint64(extra[8:]))
		}
		extra = extra[n:]
	}
	return -1
}

// cutReader reports the end of data that is known to go on.
type cutReader struct{ r io.Reader }

func (c cutReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func openRaw(section io.Reader, method uint16, cut bool) (io.ReadCloser, error) {
	r := section
	if cut {
		r = cutReader{section}
	}
	switch method {
	case zip.Store:
		return io.NopCloser(r), nil
	case zip.Deflate:
		return flate.NewReader(r), nil
	}
	return nil, zip.ErrAlgorithm
}

// findDescriptor finds where the data that starts at start ends: before the
// descriptor that names just this size. Without one the data runs to the end,
// and next is end.
func findDescriptor(a *archiveFile, start, size int64) (end, next int64) {
	const chunk = 1 << 20
	buf := make([]byte, chunk+24)
	for base := start; base < size; base += chunk {
		n, _ := a.ReadAt(buf, base) // what cannot be read is not searched
		for i := 0; ; i++ {
			at := bytes.Index(buf[i:min(n, chunk+3)], []byte("PK\x07\x08"))
			if at < 0 {
				break
			}
			i += at
			packed := base + int64(i) - start
			d := buf[i:n]
			// The long form of a small size looks like the short one: what
			// stands behind the short one tells them apart.
			short := len(d) >= 16 && int64(binary.LittleEndian.Uint32(d[8:])) == packed
			long := len(d) >= 24 && binary.LittleEndian.Uint64(d[8:]) == uint64(packed)
			if long && short && string(d[16:18]) == "PK" {
				long = false
			}
			if long {
				return start + packed, start + packed + 24
			}
			if short {
				return start + packed, start + packed + 16
			}
		}
	}
	return size, size
}
