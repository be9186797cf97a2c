#!/usr/bin/env bash
# Times whole commands over a generated export of EVENTS lines (default 1 500 000, about 3 GB of text), paired with gzip -dc.
#   bench/run.sh bin/export2batch
# Other tools are timed too where they are installed: jq, python3, duckdb.
# RATIO=1 measures nothing but validate against the schema library alone, both on one core over the same events.
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

one="taskset -c 0"

# cpu COMMAND…: CPU seconds of a command on one core.
cpu() {
	/usr/bin/time -f '%U %S' -o data/time $one "$@" >data/stdout
	awk '{ print $1 + $2 }' data/time
}

# ratio FOLDER: events per CPU second of validate over the plain event files of a folder, and of decoding and validating each with the schema
# library alone (BenchmarkLibrary), on one core and in turns; the medians. CPU seconds, so that other work on the machine matters less.
ratio() {
	local events file decoded=40000
	events=$(find "$1" -type f -print0 | xargs -0 cat | wc -l)
	file=$(find "$1" -type f -size +1M | sort | awk 'NR == 1')
	"${GO:-go}" test -c -o data/validate.test ../validate
	for _ in $(seq "$runs"); do
		echo "$(cpu "$bin" --quiet validate --jobs 1 "$1")" \
			"$(BENCH_EVENTS=$file cpu data/validate.test -test.run '^$' -test.bench '^BenchmarkLibrary$' -test.cpu 1 -test.benchtime ${decoded}x)"
	done | awk -v events="$events" -v decoded="$decoded" -v bytes="$(du -sb --apparent-size "$1" | cut -f1)" '
		function median(list, n,   i, j, t) {
			for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (list[j] < list[i]) { t = list[i]; list[i] = list[j]; list[j] = t }
			return list[int((n + 1) / 2)]
		}
		{ validate[NR] = events / $1; library[NR] = decoded / $2; ratios[NR] = validate[NR] / library[NR] }
		END {
			printf "validate plain files, one core, jobs 1: %d events of %d bytes: %.0f events a CPU second\n", events, bytes / events, median(validate, NR)
			printf "decode and schema library, one core: %.0f events a CPU second; validate is %.1f times as fast\n", median(library, NR), median(ratios, NR)
		}'
	rm -f data/validate.test
}

trap 'rm -rf data/events data/plain data/out data/work' EXIT
if [ -n "${RATIO:-}" ]; then
	"$bin" --quiet convert --compress none -o data/plain "$export"
	ratio data/plain/events
	exit
fi

# few is a tenth of the export, for tools that would take minutes with all of it.
few=data/few-$events
[ -d "$few" ] || { mkdir "$few" && find "$export" -name '*.gz' | sort | awk 'NR % 10 == 5' | xargs cp -t "$few"; }

measure 'gzip -dc, one core' sh -c "find $export -name '*.gz' -print0 | $one xargs -0 gzip -dc >/dev/null"
measure 'convert --compress none, one core' $one "$bin" --quiet convert --jobs 1 --compress none -o data/out "$export"
mv data/out data/plain
ratio data/plain/events
rm -rf data/plain
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
measure 'validate, one core' $one "$bin" --quiet validate --jobs 1 data/events
measure 'partition, one core' $one "$bin" --quiet partition --jobs 1 -o data/out data/events
measure 'partition, all cores' "$bin" --quiet partition -o data/out data/events
measure 'run, into the sandbox' sh -c "rm -rf data/work && '$bin' --quiet run -w data/work $export"
