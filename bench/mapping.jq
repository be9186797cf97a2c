# The mapping of convert as a user would write it for jq, without its checks, its time zones and its account.
select(.event_type and (.user_id or .device_id) and (.event_type | . != "$identify" and . != "$groupidentify"))
| {user_id, device_id, event_type,
   time: (.event_time | (.[0:19] | strptime("%Y-%m-%d %H:%M:%S") | mktime) * 1000 + (.[20:23] | if . == "" then 0 else tonumber end)),
   insert_id: .["$insert_id"], event_id, session_id, event_properties, user_properties, groups,
   app_version: .version_name, platform, os_name, os_version, device_brand, device_manufacturer, device_model,
   carrier: .device_carrier, country, region, city, dma, language, location_lat, location_lng, ip: .ip_address,
   idfa, adid, library, "$skip_user_properties_sync": true}
| with_entries(select(.value != null))
