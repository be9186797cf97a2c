package source

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
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
// The last member may be cut short; reading it says so. Where no header stands
// where one should, or a member has no end, the next header is searched for.
func salvage(a *archiveFile, size int64) (memberList, error) {
	found := memberList{damage: "the archive has no directory (was it cut short?): its members were found one by one, the last may be incomplete"}
	var lost, first int64 // bytes that belong to no member, and where they begin
	descriptors := true   // false: there are none further on
	for off := int64(0); off < size; {
		var h [30]byte
		n, _ := a.ReadAt(h[:], off)
		if string(h[:2]) == "PK" && (string(h[2:4]) == "\x01\x02" || string(h[2:4]) == "\x05\x06" || string(h[2:4]) == "\x06\x06") {
			break // the directory, or what is left of it
		}
		le := binary.LittleEndian
		flags, method := le.Uint16(h[6:]), le.Uint16(h[8:])
		nameLen, extraLen := int64(le.Uint16(h[26:])), int64(le.Uint16(h[28:]))
		name := make([]byte, nameLen)
		start := off + 30 + nameLen + extraLen
		_, err := a.ReadAt(name, off+30)
		if n < len(h) || string(h[:4]) != localHeader || err != nil || start > size {
			next := nextHeader(a, off+1, size)
			if next == size { // a directory may end what cannot be read
				next = scan(a, "PK\x01\x02", off+1, size, func(int64, []byte) bool { return true })
			}
			if lost == 0 {
				first = off
			}
			lost += next - off
			off = next
			continue
		}
		end, next := start+int64(le.Uint32(h[18:])), int64(0)
		sum := le.Uint32(h[14:]) // 0: not known
		var cut bool
		if flags&8 != 0 {
			cut, sum = true, 0
			if descriptors {
				end, next, sum, descriptors = findDescriptor(a, start, size)
				cut = next == 0
			}
		} else {
			if le.Uint32(h[18:]) == 0xffffffff {
				end = start + zip64Size(a, off+30+nameLen, extraLen)
			}
			cut = end < start || end > size
			next = end
		}
		if cut {
			end = size
			// Headers in an archive that is a member are not those of this one.
			if n, _ := a.ReadAt(h[:4], start); string(h[:n]) != localHeader {
				end = nextHeader(a, start, size)
			}
			next = end
		}
		if !bytes.HasSuffix(name, []byte("/")) {
			found.list = append(found.list, member{
				name: string(name), size: -1,
				open: func() (io.ReadCloser, error) {
					return a.open(func() (io.ReadCloser, error) {
						return openRaw(io.NewSectionReader(a, start, end-start), method, cut, sum)
					})
				},
			})
		}
		off = next
	}
	if len(found.list) == 0 {
		return found, fmt.Errorf("%s: the archive is damaged and no member can be found", a.path)
	}
	if lost > 0 {
		found.damage += fmt.Sprintf("; %d bytes, the first of them at byte %d, belong to no member that can be read", lost, first)
	}
	return found, nil
}

const localHeader = "PK\x03\x04"

// nextHeader is where the next local header that can be one begins; size where
// there is none.
func nextHeader(a *archiveFile, from, size int64) int64 {
	return scan(a, localHeader, from, size, func(at int64, b []byte) bool {
		if len(b) < 30 || b[4] > 63 { // the highest version of the format is 6.3
			return false
		}
		name, extra := int64(binary.LittleEndian.Uint16(b[26:])), int64(binary.LittleEndian.Uint16(b[28:]))
		return name > 0 && at+30+name+extra <= size
	})
}

// scan finds the next place where signature stands and fits. That gets the place
// and what begins there, at least 30 bytes unless the archive ends. Without a
// place it is size.
func scan(a *archiveFile, signature string, from, size int64, fits func(at int64, b []byte) bool) int64 {
	const chunk = 1 << 20
	buf := make([]byte, chunk+30)
	for base := from; base < size; base += chunk {
		n, _ := a.ReadAt(buf, base) // what cannot be read is not searched
		for i := 0; ; i++ {
			at := bytes.Index(buf[i:min(n, chunk+3)], []byte(signature))
			if at < 0 {
				break
			}
			i += at
			if fits(base+int64(i), buf[i:n]) {
				return base + int64(i)
			}
		}
	}
	return size
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

// sumReader compares the CRC-32 of what was read, at its end.
type sumReader struct {
	io.ReadCloser
	got  hash.Hash32
	want uint32
}

func (s *sumReader) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.got.Write(p[:n])
	if err == io.EOF && s.got.Sum32() != s.want {
		err = zip.ErrChecksum
	}
	return n, err
}

// openRaw reads a member from its packed data. Sum is its CRC-32, or 0.
func openRaw(section io.Reader, method uint16, cut bool, sum uint32) (io.ReadCloser, error) {
	if cut {
		section = cutReader{section}
	}
	var r io.ReadCloser
	switch method {
	case zip.Store:
		r = io.NopCloser(section)
	case zip.Deflate:
		r = flate.NewReader(section)
	default:
		return nil, zip.ErrAlgorithm
	}
	if sum != 0 {
		r = &sumReader{r, crc32.NewIEEE(), sum}
	}
	return r, nil
}

// findDescriptor finds where the data that starts at start ends: before the
// descriptor that names just this size and, as sum, its CRC-32. Without one next
// is 0, and others tells whether there is any descriptor at all.
func findDescriptor(a *archiveFile, start, size int64) (end, next int64, sum uint32, others bool) {
	end = scan(a, "PK\x07\x08", start, size, func(at int64, d []byte) bool {
		others = true
		packed := at - start
		// The long form of a small size looks like the short one: what
		// stands behind the short one tells them apart.
		short := len(d) >= 16 && int64(binary.LittleEndian.Uint32(d[8:])) == packed
		long := len(d) >= 24 && binary.LittleEndian.Uint64(d[8:]) == uint64(packed)
		if long && short && string(d[16:18]) == "PK" {
			long = false
		}
		switch {
		case long:
			next = at + 24
		case short:
			next = at + 16
		default:
			return false
		}
		sum = binary.LittleEndian.Uint32(d[4:])
		return true
	})
	return end, next, sum, others
}
