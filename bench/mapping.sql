-- The mapping of convert as a user would write it for DuckDB, without its checks and its account. IN and OUT are replaced by paths.
COPY (
  SELECT user_id, device_id, event_type, epoch_ms(event_time) AS time, "$insert_id" AS insert_id, event_id, session_id,
    event_properties, user_properties, "groups", version_name AS app_version, platform, os_name, os_version, device_brand,
    device_manufacturer, device_model, device_carrier AS carrier, country, region, city, dma, language, location_lat, location_lng,
    ip_address AS ip, idfa, adid, library, true AS "$skip_user_properties_sync"
  FROM read_json('IN', format = 'newline_delimited', ignore_errors = true, columns = {
    user_id: 'VARCHAR', device_id: 'VARCHAR', event_type: 'VARCHAR', event_time: 'TIMESTAMP', "$insert_id": 'VARCHAR', event_id: 'BIGINT',
    session_id: 'BIGINT', event_properties: 'JSON', user_properties: 'JSON', "groups": 'JSON', version_name: 'VARCHAR',
    platform: 'VARCHAR', os_name: 'VARCHAR', os_version: 'VARCHAR', device_brand: 'VARCHAR', device_manufacturer: 'VARCHAR',
    device_model: 'VARCHAR', device_carrier: 'VARCHAR', country: 'VARCHAR', region: 'VARCHAR', city: 'VARCHAR', dma: 'VARCHAR',
    language: 'VARCHAR', location_lat: 'DOUBLE', location_lng: 'DOUBLE', ip_address: 'VARCHAR', idfa: 'VARCHAR', adid: 'VARCHAR',
    library: 'VARCHAR'})
  WHERE event_type NOT IN ('', '$identify', '$groupidentify') AND (user_id IS NOT NULL OR device_id IS NOT NULL)
) TO 'OUT' (FORMAT json);
