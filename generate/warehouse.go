package generate

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/xitongsys/parquet-go/parquet"
	"github.com/xitongsys/parquet-go/writer"

	"export2batch/internal/durable"
)

const (
	// rowsPerPart bounds the rows in memory: a part for each processor, 4 kB a row.
	rowsPerPart = 500
	// rowsPerFile is when a folder gets a further Parquet file.
	rowsPerFile = 250_000
	// rowGroup is the size of a row group in bytes.
	rowGroup = 16 << 20
	// marshallers is the parallelism of the Parquet writer. The layout of the
	// file depends on it, so it does not follow the number of processors.
	marshallers = 4
)

// row is a line in the columns of a Snowflake copy of the export: names in
// capitals, ids as INT64, times as TIMESTAMP_NTZ, properties as JSON text, and
// no insert id.
type row struct {
	Adid                   *string  `parquet:"name=ADID, type=BYTE_ARRAY, convertedtype=UTF8"`
	AmplitudeAttributionID *string  `parquet:"name=AMPLITUDE_ATTRIBUTION_IDS, type=BYTE_ARRAY, convertedtype=UTF8"`
	AmplitudeEventType     *string  `parquet:"name=AMPLITUDE_EVENT_TYPE, type=BYTE_ARRAY, convertedtype=UTF8"`
	AmplitudeID            *int64   `parquet:"name=AMPLITUDE_ID, type=INT64"`
	App                    *int64   `parquet:"name=APP, type=INT64"`
	City                   *string  `parquet:"name=CITY, type=BYTE_ARRAY, convertedtype=UTF8"`
	ClientEventTime        *int64   `parquet:"name=CLIENT_EVENT_TIME, type=INT64, logicaltype=TIMESTAMP, logicaltype.isadjustedtoutc=false, logicaltype.unit=MICROS"`
	ClientUploadTime       *int64   `parquet:"name=CLIENT_UPLOAD_TIME, type=INT64, logicaltype=TIMESTAMP, logicaltype.isadjustedtoutc=false, logicaltype.unit=MICROS"`
	Country                *string  `parquet:"name=COUNTRY, type=BYTE_ARRAY, convertedtype=UTF8"`
	Data                   *string  `parquet:"name=DATA, type=BYTE_ARRAY, convertedtype=UTF8"`
	DeviceBrand            *string  `parquet:"name=DEVICE_BRAND, type=BYTE_ARRAY, convertedtype=UTF8"`
	DeviceCarrier          *string  `parquet:"name=DEVICE_CARRIER, type=BYTE_ARRAY, convertedtype=UTF8"`
	DeviceFamily           *string  `parquet:"name=DEVICE_FAMILY, type=BYTE_ARRAY, convertedtype=UTF8"`
	DeviceID               *string  `parquet:"name=DEVICE_ID, type=BYTE_ARRAY, convertedtype=UTF8"`
	DeviceManufacturer     *string  `parquet:"name=DEVICE_MANUFACTURER, type=BYTE_ARRAY, convertedtype=UTF8"`
	DeviceModel            *string  `parquet:"name=DEVICE_MODEL, type=BYTE_ARRAY, convertedtype=UTF8"`
	DeviceType             *string  `parquet:"name=DEVICE_TYPE, type=BYTE_ARRAY, convertedtype=UTF8"`
	Dma                    *string  `parquet:"name=DMA, type=BYTE_ARRAY, convertedtype=UTF8"`
	EventID                *int64   `parquet:"name=EVENT_ID, type=INT64"`
	EventProperties        *string  `parquet:"name=EVENT_PROPERTIES, type=BYTE_ARRAY, convertedtype=UTF8"`
	EventTime              *int64   `parquet:"name=EVENT_TIME, type=INT64, logicaltype=TIMESTAMP, logicaltype.isadjustedtoutc=false, logicaltype.unit=MICROS"`
	EventType              *string  `parquet:"name=EVENT_TYPE, type=BYTE_ARRAY, convertedtype=UTF8"`
	GlobalUserProperties   *string  `parquet:"name=GLOBAL_USER_PROPERTIES, type=BYTE_ARRAY, convertedtype=UTF8"`
	GroupProperties        *string  `parquet:"name=GROUP_PROPERTIES, type=BYTE_ARRAY, convertedtype=UTF8"`
	Groups                 *string  `parquet:"name=GROUPS, type=BYTE_ARRAY, convertedtype=UTF8"`
	Idfa                   *string  `parquet:"name=IDFA, type=BYTE_ARRAY, convertedtype=UTF8"`
	IPAddress              *string  `parquet:"name=IP_ADDRESS, type=BYTE_ARRAY, convertedtype=UTF8"`
	IsAttributionEvent     *bool    `parquet:"name=IS_ATTRIBUTION_EVENT, type=BOOLEAN"`
	Language               *string  `parquet:"name=LANGUAGE, type=BYTE_ARRAY, convertedtype=UTF8"`
	Library                *string  `parquet:"name=LIBRARY, type=BYTE_ARRAY, convertedtype=UTF8"`
	LocationLat            *float64 `parquet:"name=LOCATION_LAT, type=DOUBLE"`
	LocationLng            *float64 `parquet:"name=LOCATION_LNG, type=DOUBLE"`
	OsName                 *string  `parquet:"name=OS_NAME, type=BYTE_ARRAY, convertedtype=UTF8"`
	OsVersion              *string  `parquet:"name=OS_VERSION, type=BYTE_ARRAY, convertedtype=UTF8"`
	PartnerID              *string  `parquet:"name=PARTNER_ID, type=BYTE_ARRAY, convertedtype=UTF8"`
	Paying                 *bool    `parquet:"name=PAYING, type=BOOLEAN"`
	Plan                   *string  `parquet:"name=PLAN, type=BYTE_ARRAY, convertedtype=UTF8"`
	Platform               *string  `parquet:"name=PLATFORM, type=BYTE_ARRAY, convertedtype=UTF8"`
	ProcessedTime          *int64   `parquet:"name=PROCESSED_TIME, type=INT64, logicaltype=TIMESTAMP, logicaltype.isadjustedtoutc=false, logicaltype.unit=MICROS"`
	Region                 *string  `parquet:"name=REGION, type=BYTE_ARRAY, convertedtype=UTF8"`
	ServerReceivedTime     *int64   `parquet:"name=SERVER_RECEIVED_TIME, type=INT64, logicaltype=TIMESTAMP, logicaltype.isadjustedtoutc=false, logicaltype.unit=MILLIS"`
	ServerUploadTime       *int64   `parquet:"name=SERVER_UPLOAD_TIME, type=INT64, logicaltype=TIMESTAMP, logicaltype.isadjustedtoutc=false, logicaltype.unit=MILLIS"`
	SessionID              *int64   `parquet:"name=SESSION_ID, type=INT64"`
	SourceID               *string  `parquet:"name=SOURCE_ID, type=BYTE_ARRAY, convertedtype=UTF8"`
	StartVersion           *string  `parquet:"name=START_VERSION, type=BYTE_ARRAY, convertedtype=UTF8"`
	UserCreationTime       *int64   `parquet:"name=USER_CREATION_TIME, type=INT64, logicaltype=TIMESTAMP, logicaltype.isadjustedtoutc=false, logicaltype.unit=MICROS"`
	UserID                 *string  `parquet:"name=USER_ID, type=BYTE_ARRAY, convertedtype=UTF8"`
	UserProperties         *string  `parquet:"name=USER_PROPERTIES, type=BYTE_ARRAY, convertedtype=UTF8"`
	UUID                   *string  `parquet:"name=UUID, type=BYTE_ARRAY, convertedtype=UTF8"`
	VersionName            *string  `parquet:"name=VERSION_NAME, type=BYTE_ARRAY, convertedtype=UTF8"`
}

func (t text) pointer() *string {
	if !t.set {
		return nil
	}
	return &t.value
}

func newRow(rec *record) row {
	str := func(s string) *string { return &s }
	number := func(n int64) *int64 { return &n }
	millis := func(micros int64) *int64 { return number(micros / millisecond) }
	boolean := func(b bool) *bool { return &b }
	degrees := func(n int) *float64 {
		if !rec.located {
			return nil
		}
		d := float64(n) / 10_000
		return &d
	}
	out := row{
		Adid:                 rec.adid.pointer(),
		AmplitudeEventType:   rec.amplitudeEventType.pointer(),
		AmplitudeID:          number(rec.amplitudeID),
		App:                  number(rec.app),
		City:                 str(rec.city),
		ClientEventTime:      number(rec.clientEvent),
		ClientUploadTime:     number(rec.clientUpload),
		Country:              str(rec.country),
		Data:                 str(rec.data),
		DeviceBrand:          rec.brand.pointer(),
		DeviceCarrier:        rec.carrier.pointer(),
		DeviceFamily:         rec.deviceType.pointer(),
		DeviceID:             rec.deviceID.pointer(),
		DeviceManufacturer:   rec.maker.pointer(),
		DeviceModel:          rec.model.pointer(),
		DeviceType:           rec.deviceType.pointer(),
		Dma:                  rec.dma.pointer(),
		EventID:              number(rec.eventID),
		EventProperties:      str(string(rec.eventProperties)),
		EventTime:            number(rec.eventTime),
		EventType:            str(rec.eventType),
		GlobalUserProperties: str("{}"),
		GroupProperties:      str(rec.groupProperties),
		Groups:               str(rec.groups),
		Idfa:                 rec.idfa.pointer(),
		IPAddress:            str(rec.ip),
		IsAttributionEvent:   boolean(rec.attribution[0] == '['),
		Language:             str(rec.language),
		Library:              str(rec.library),
		LocationLat:          degrees(rec.lat),
		LocationLng:          degrees(rec.lng),
		OsName:               rec.osName.pointer(),
		OsVersion:            rec.osVersion.pointer(),
		Platform:             str(rec.platform),
		ProcessedTime:        number(rec.processed),
		Region:               str(rec.region),
		ServerReceivedTime:   millis(rec.received),
		ServerUploadTime:     millis(rec.upload),
		SessionID:            number(rec.sessionID),
		StartVersion:         str(rec.startVersion),
		UserCreationTime:     number(rec.created),
		UserID:               rec.userID.pointer(),
		UserProperties:       str(string(rec.userProperties)),
		UUID:                 str(string(rec.uuid)),
		VersionName:          rec.versionName.pointer(),
	}
	if rec.shape == shapeModern || rec.shape == shapeSampled { // other lines have no such key
		out.Plan = str(rec.plan)
	}
	if rec.attribution != "null" {
		out.AmplitudeAttributionID = str(rec.attribution)
	}
	if rec.paying != "null" {
		out.Paying = boolean(rec.paying != "false")
	}
	return out
}

// rows is a part ready to be written.
type rows struct {
	rows []row
	tally
}

func (p *plan) newRows() func(part) (rows, error) {
	c := p.newComposer()
	return func(part part) (rows, error) {
		out := rows{rows: make([]row, 0, len(part.events))}
		for _, e := range part.events {
			rec := c.compose(e)
			out.add(rec)
			out.rows = append(out.rows, newRow(rec))
		}
		return out, nil
	}
}

// writeWarehouse writes one Parquet file, or into a folder as many as it takes.
func (p *plan) writeWarehouse(ctx context.Context, inFolder bool, s *Summary) error {
	out := &warehouse{path: p.options.Output, inFolder: inFolder}
	defer out.abort()
	err := inOrder(ctx, p.parts(ctx, rowsPerPart), p.newRows, func(part part, rs rows) error {
		s.count(rs.tally, part.repeat)
		return out.add(rs.rows)
	})
	if err == nil {
		err = out.finish()
	}
	if err == nil {
		s.Files = int64(out.number)
		s.WrittenBytes = out.written
		out.done.added = nil // nothing to abort any more
	}
	return err
}

// warehouse is the Parquet file being written and those before it.
type warehouse struct {
	path     string
	inFolder bool
	number   int // files begun
	rows     int // in the file
	file     *durable.File
	parquet  *writer.ParquetWriter
	written  int64
	done     folder
}

func (w *warehouse) add(rows []row) error {
	for i := range rows {
		if w.parquet == nil {
			if err := w.begin(); err != nil {
				return err
			}
		}
		if err := w.parquet.Write(&rows[i]); err != nil {
			return fmt.Errorf("write parquet: %w", err)
		}
		w.rows++
		if w.inFolder && w.rows == rowsPerFile {
			if err := w.finish(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *warehouse) begin() error {
	file, err := durable.Create(durable.OS, w.name(w.number))
	if err != nil {
		return err
	}
	w.file = file
	w.number++
	w.rows = 0
	w.parquet, err = writer.NewParquetWriterFromWriter(writerFunc(func(b []byte) (int, error) {
		n, err := file.Write(b)
		w.written += int64(n)
		return n, err
	}), new(row), marshallers)
	if err != nil {
		return fmt.Errorf("start parquet: %w", err)
	}
	w.parquet.RowGroupSize = rowGroup
	w.parquet.PageSize = 32 << 10
	w.parquet.CompressionType = parquet.CompressionCodec_SNAPPY
	return nil
}

func (w *warehouse) name(number int) string {
	if !w.inFolder {
		return w.path
	}
	// As Snowflake names what it unloads.
	return filepath.Join(w.path, "data_0_0_"+strconv.Itoa(number)+".snappy.parquet")
}

// finish completes the file under way, if there is one.
func (w *warehouse) finish() error {
	if w.parquet == nil {
		return nil
	}
	if err := w.parquet.WriteStop(); err != nil {
		return fmt.Errorf("finish parquet: %w", err)
	}
	w.parquet = nil
	if err := w.file.Commit(); err != nil {
		return err
	}
	w.done.added = append(w.done.added, w.name(w.number-1))
	return nil
}

func (w *warehouse) abort() {
	if w.file != nil {
		w.file.Abort()
	}
	w.done.abort()
}
