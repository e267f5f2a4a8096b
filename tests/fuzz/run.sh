#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs the fuzz targets (libFuzzer, with address and undefined-behaviour sanitizers)
# over a corpus made of real deltas.
#
# Usage: run.sh --seconds N	each target for that long, with a seed of its own
#        run.sh --runs		a fixed number of runs with a fixed seed
#
# The corpus is made once, by the target itself in a guest, in build/fuzz/corpus.
# What a run learns is kept in build/fuzz/work, what it finds in build/fuzz/found;
# build/fuzz/fuzz-<target> <file> repeats it. SEED= sets the seed.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fuzz=$PWD/build/fuzz
corpus=$fuzz/corpus

# target, runs of --runs, greatest input
targets=(
	'block 300000 4097'
	'delta 8000 400000'
	'text 2000000 4096'
	'chains 100000 320'
	'stream 60000 20000'
	'store 100000 80000'
)

make_corpus() {
	[[ -e $corpus/.complete ]] && return
	rm -rf "$corpus"
	mkdir -p "$corpus/delta"
	make -s -C tests/model
	tests/guest/run-uml.sh --quiet --results "$fuzz/guest" --timeout 300 --memory 3072 \
		--module "$(tests/lib/modules.sh uml)" -- \
		bash -c "$PWD/build/tests/redo-corrupt --to 0 --save \$REDO_RESULTS"
	mv "$fuzz/guest"/[0-9]-[0-9] "$corpus/delta"
	tests/fuzz/corpus.py "$corpus"
	touch "$corpus/.complete"
}

failed=0 passed=0
run() {
	local target=$1 max=$2 log=$fuzz/$1.log line
	shift 2
	mkdir -p "$fuzz/work/$target" "$fuzz/found"
	if "$fuzz/fuzz-$target" -artifact_prefix="$fuzz/found/$target-" -max_len="$max" \
			-timeout=60 -rss_limit_mb=4096 "$@" \
			"$fuzz/work/$target" "$corpus/$target" > "$log" 2>&1; then
		line=$(grep '^Done ' "$log")
		echo "PASS fuzz $target [${line#Done }, $(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)]"
		passed=$((passed + 1))
	else
		echo "FAIL fuzz $target [seed $seed; $(grep -oE 'written to .*' "$log" | head -n 1)]"
		grep -E 'hold|ERROR|SUMMARY|runtime error' "$log" | head -n 5 || true
		failed=$((failed + 1))
	fi
}

mode=${1:-}
case $mode in
--seconds)	seconds=$2 seed=${SEED:-$RANDOM} ;;
--runs)		seed=${SEED:-1}; rm -rf "$fuzz/work" ;;
*)		sed -n '/^# Usage/,/^$/s/^# \?//p' "$0" >&2; exit 2 ;;
esac

make -s -C tests/fuzz
make_corpus
tests/fuzz/streams.py "$corpus/stream"
tests/fuzz/stores.py "$corpus"
for line in "${targets[@]}"; do
	read -r target runs max <<< "$line"
	if [[ $mode == --runs ]]; then
		run "$target" "$max" -seed="$seed" -runs="$runs"
	else
		run "$target" "$max" -seed="$seed" -max_total_time="$seconds"
	fi
done
echo "$passed passed, $failed failed, 0 skipped"
[[ $failed -eq 0 ]]
