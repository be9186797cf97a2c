package parquet

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// arrow-go's decoders take as much memory as the data asks for, whatever the
// page header says (Snappy, zstd), or fail on pages without values (Brotli);
// LZ4 it does not know in its old form. They are replaced, for the whole
// process, by ones that do not go over the page they unpack into.
func init() {
	for codec, unpack := range map[compress.Compression]func(dst, src []byte) ([]byte, error){
		compress.Codecs.Snappy: unpackSnappy,
		compress.Codecs.Zstd:   unpackZstd,
		compress.Codecs.Gzip:   unpackBy(compress.Codecs.Gzip),
		compress.Codecs.Brotli: unpackBy(compress.Codecs.Brotli),
		compress.Codecs.Lz4Raw: unpackBy(compress.Codecs.Lz4Raw),
		compress.Codecs.Lz4:    unpackLZ4,
	} {
		writes, err := compress.GetCodec(codec)
		if err != nil { // only the old LZ4, which nobody writes
			writes = nil
		}
		compress.RegisterCodec(codec, boundedCodec{writes, unpack})
	}
}

// boundedCodec writes as the codec in it does, and unpacks into dst alone.
type boundedCodec struct {
	compress.Codec
	unpack func(dst, src []byte) ([]byte, error)
}

func (c boundedCodec) Decode(dst, src []byte) []byte {
	out, err := c.DecodeWithError(dst, src)
	if err != nil {
		panic(err)
	}
	return out
}

func (c boundedCodec) DecodeWithError(dst, src []byte) ([]byte, error) {
	if len(dst) == 0 { // a page of nulls
		return dst, nil
	}
	return c.unpack(dst, src)
}

// unpackBy is for the decoders of arrow-go that keep to dst.
func unpackBy(codec compress.Compression) func(dst, src []byte) ([]byte, error) {
	c, err := compress.GetCodec(codec)
	if err != nil {
		panic(err) // they are always there
	}
	return func(dst, src []byte) ([]byte, error) { return compress.Decode(c, dst, src) }
}

func unpackSnappy(dst, src []byte) ([]byte, error) {
	if n, err := snappy.DecodedLen(src); err != nil || n > len(dst) {
		return nil, fmt.Errorf("snappy: unpacks to more than its %d bytes", len(dst))
	}
	return snappy.Decode(dst, src)
}

// zstdDecoders are reused: each keeps its tables.
var zstdDecoders = sync.Pool{New: func() any {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPage), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // the options are right
	}
	return dec
}}

func unpackZstd(dst, src []byte) ([]byte, error) {
	dec := zstdDecoders.Get().(*zstd.Decoder)
	defer zstdDecoders.Put(dec)
	return dec.DecodeAll(src, dst[:0:len(dst)])
}

// unpackLZ4 unpacks the codec LZ4 of old writers, which comes in two forms
// that only trying tells apart: as Hadoop frames it,
//
//	length of the text(4) { length of the block(4) block } …   big-endian
//
// or a bare block, as LZ4_RAW has it.
func unpackLZ4(dst, src []byte) ([]byte, error) {
	if unpackHadoop(dst, src) {
		return dst, nil
	}
	n, err := lz4.UncompressBlock(src, dst)
	if err != nil {
		return nil, err
	}
	return dst[:n], nil
}

func unpackHadoop(dst, src []byte) bool {
	for len(src) >= 8 && len(dst) > 0 {
		text, block := uint64(binary.BigEndian.Uint32(src)), uint64(binary.BigEndian.Uint32(src[4:]))
		src = src[8:]
		if text > uint64(len(dst)) || block > uint64(len(src)) {
			return false
		}
		n, err := lz4.UncompressBlock(src[:block], dst[:text])
		if err != nil || uint64(n) != text {
			return false
		}
		dst, src = dst[n:], src[block:]
	}
	return len(dst) == 0 && len(src) == 0
}
