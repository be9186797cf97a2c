package parquet

import (
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// meaning is what a leaf's values are.
type meaning uint8

const (
	meansText meaning = iota // also binary without any annotation
	meansJSON
	meansUUID
	meansInteger
	meansUnsigned
	meansDecimal
	meansFloat
	meansHalf
	meansBool
	meansTimestamp
	meansDate
	meansTimeOfDay
)

// valueType says how the values of a leaf become JSON.
type valueType struct {
	meaning  meaning
	physical pq.Type
	length   int   // bytes of a FIXED_LEN_BYTE_ARRAY
	scale    int   // of decimals: digits behind the point
	perSec   int64 // of timestamps and times of day: units in a second

	form   form // what the key of the column wants
	strict bool
}

// typeOf finds what the values of a leaf are, or the reason why they cannot be
// told.
func typeOf(n *schema.PrimitiveNode) (v valueType, reason string) {
	v = valueType{physical: n.PhysicalType(), length: n.TypeLength()}
	switch v.physical {
	case pq.Types.Boolean:
		v.meaning = meansBool
	case pq.Types.Int32, pq.Types.Int64:
		v.meaning = meansInteger
	case pq.Types.Int96:
		v.meaning = meansTimestamp
	case pq.Types.Float, pq.Types.Double:
		v.meaning = meansFloat
	case pq.Types.FixedLenByteArray:
		if v.length <= 0 {
			return v, "its values have no length"
		}
	}
	switch t := n.LogicalType().(type) {
	case schema.JSONLogicalType:
		v.meaning = meansJSON
	case schema.UUIDLogicalType:
		v.meaning = meansUUID
	case schema.DecimalLogicalType:
		v.meaning, v.scale = meansDecimal, int(t.Scale())
		if v.scale < 0 || v.scale > maxScale {
			return v, "its decimals have an impossible scale"
		}
	case schema.IntLogicalType:
		if !t.IsSigned() {
			v.meaning = meansUnsigned
		}
	case schema.DateLogicalType:
		v.meaning = meansDate
	case schema.TimestampLogicalType:
		v.meaning, v.perSec = meansTimestamp, perSecond(t.TimeUnit())
	case schema.TimeLogicalType:
		v.meaning, v.perSec = meansTimeOfDay, perSecond(t.TimeUnit())
	case schema.Float16LogicalType:
		v.meaning = meansHalf
	case schema.BSONLogicalType:
		return v, "its type is BSON, which is not read"
	case schema.IntervalLogicalType:
		return v, "its type is INTERVAL, which is not read"
	}
	if !v.fits() {
		return v, "its type " + n.LogicalType().String() + " does not fit the values " + v.physical.String()
	}
	return v, ""
}

// maxScale is what BigQuery's BIGNUMERIC needs (38), and more.
const maxScale = 100

// fits tells whether the meaning can be kept in the physical type.
func (v *valueType) fits() bool {
	number := v.physical == pq.Types.Int32 || v.physical == pq.Types.Int64
	text := v.physical == pq.Types.ByteArray || v.physical == pq.Types.FixedLenByteArray
	switch v.meaning {
	case meansText, meansJSON:
		return text
	case meansUUID:
		return v.physical == pq.Types.FixedLenByteArray && v.length == 16
	case meansInteger, meansUnsigned, meansTimeOfDay:
		return number
	case meansDate:
		return v.physical == pq.Types.Int32
	case meansTimestamp:
		return v.physical == pq.Types.Int64 || v.physical == pq.Types.Int96
	case meansHalf:
		return v.physical == pq.Types.FixedLenByteArray && v.length == 2
	case meansDecimal:
		return number || text && v.length <= 64
	}
	return true
}

func perSecond(u schema.TimeUnitType) int64 {
	switch u {
	case schema.TimeUnitMillis:
		return 1000
	case schema.TimeUnitMicros:
		return 1_000_000
	}
	return 1_000_000_000
}
