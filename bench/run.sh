#!/usr/bin/env bash
# Times whole commands over a generated export of EVENTS lines (default 1 500 000, about 3 GB of text), paired with gzip -dc.
#   bench/run.sh bin/export2batch
# Other tools are timed too where they are installed: jq, python3, duckdb.
# Figures go to standard output; what is measured is written below bench/data, which `make clean` leaves alone.
set -euo pipefail
bin=$(realpath "$1")
events=${EVENTS:-1500000}
runs=${RUNS:-3}
cd "$(dirname "$0")"
mkdir -p data
export=data/export-$events
[ -d "$export" ] || "$bin" --quiet generate --format dir -o "$export" --events "$events"
text=$(find "$export" -name '*.gz' -print0 | xargs -0 cat | gzip -dc | wc -c)
echo "export: $events lines, $text bytes of text, $(du -sb "$export" | cut -f1) bytes gzipped"

# measure NAME COMMAND…: seconds and peak memory of each run, sorted by time.
measure() {
	local name=$1
	shift
	for _ in $(seq "$runs"); do
		rm -rf data/out
		/usr/bin/time -f '%e %U %S %M' -o data/time "$@" >data/stdout 2>&1
		cat data/time
	done | sort -n | awk -v name="$name" -v text="$text" '
		{ wall[NR] = $1; cpu[NR] = $2 + $3; if ($4 > rss) rss = $4 }
		END { m = int((NR + 1) / 2); printf "%-44s %7.2f s %7.2f s cpu %6.0f MB/s %6.0f MB peak\n", name, wall[m], cpu[m], text / wall[m] / 1e6, rss / 1024 }'
}

# few is a tenth of the export, for tools that would take minutes with all of it.
few=data/few-$events
[ -d "$few" ] || { mkdir "$few" && find "$export" -name '*.gz' | sort | awk 'NR % 10 == 5' | xargs cp -t "$few"; }

one="taskset -c 0"
measure 'gzip -dc, one core' sh -c "find $export -name '*.gz' -print0 | $one xargs -0 gzip -dc >/dev/null"
measure 'convert --compress none, one core' $one "$bin" --quiet convert --jobs 1 --compress none -o data/out "$export"
measure 'convert, one core' $one "$bin" --quiet convert --jobs 1 -o data/out "$export"
measure 'convert, all cores' "$bin" --quiet convert -o data/out "$export"
rm -rf data/events
mv data/out data/events

all=$text
text=$(cat "$few"/*.gz | gzip -dc | wc -c)
echo "a tenth of it, $text bytes of text, as scripts would convert it:"
measure 'convert --compress none, one core' $one "$bin" --quiet convert --jobs 1 --compress none -o data/out "$few"
sed "s#'IN'#'$few/*.gz'#; s#'OUT'#'data/out'#" mapping.sql >data/mapping.sql
command -v duckdb >/dev/null && measure 'duckdb, one core' $one duckdb -c '.read data/mapping.sql'
command -v python3 >/dev/null && measure 'gzip -dc | python3, one core' $one sh -c "cat $few/*.gz | gzip -dc | python3 mapping.py >data/out"
command -v jq >/dev/null && measure 'gzip -dc | jq, one core' $one sh -c "cat $few/*.gz | gzip -dc | jq -c -f mapping.jq >data/out"
text=$all
echo "the whole export again:"
trap 'rm -rf data/events data/out data/work' EXIT
measure 'validate, one core' $one "$bin" --quiet validate --jobs 1 data/events
measure 'partition, one core' $one "$bin" --quiet partition --jobs 1 -o data/out data/events
measure 'partition, all cores' "$bin" --quiet partition -o data/out data/events
measure 'run, into the sandbox' sh -c "rm -rf data/work && '$bin' --quiet run -w data/work $export"
