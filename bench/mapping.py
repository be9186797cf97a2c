"""The mapping of convert as a user would write it in Python, without its checks and its account."""
import json
import sys
from calendar import timegm
from time import strptime

NAMES = {"version_name": "app_version", "device_carrier": "carrier", "ip_address": "ip", "$insert_id": "insert_id"}
KEPT = """user_id device_id event_type $insert_id event_id session_id event_properties user_properties groups version_name
platform os_name os_version device_brand device_manufacturer device_model device_carrier country region city dma language
location_lat location_lng ip_address idfa adid library""".split()

for line in sys.stdin:
    export = json.loads(line)
    kind = export.get("event_type")
    if not kind or kind in ("$identify", "$groupidentify") or not (export.get("user_id") or export.get("device_id")):
        continue
    event = {NAMES.get(k, k): export[k] for k in KEPT if export.get(k) is not None}
    time = export["event_time"]
    event["time"] = timegm(strptime(time[:19], "%Y-%m-%d %H:%M:%S")) * 1000 + int(time[20:23] or 0)
    event["$skip_user_properties_sync"] = True
    sys.stdout.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")
