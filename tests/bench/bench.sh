#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The benchmark: `make bench` is this.
#
# Usage: bench.sh [--no-install] [--quick] [--rounds N] [--charts] [JOB]...
#
# Without JOBs (patterns such as 'first-write*') all of them; BENCH=quick is --quick:
# the jobs that matter most, two rounds.  --charts writes the charts in Documentation.
#
# The jobs from one CPU run in a guest whose clock counts the instructions that it
# has executed, one a nanosecond: whatever else the host is doing, the same run gives
# the same figures.  CLOCK=real has it run by the host's clock.  What is measured from
# two CPUs always is: it is a second guest, whose CPUs run at the same time.
#
# BASE=<device> DELTA=<device> runs the jobs on this host's own kernel and on these
# devices, WHICH ARE OVERWRITTEN; asks first unless YES=1.  The module must be loaded.
#
# Prints a table and how far each goal is met, and writes build/bench.json and, for
# the README, build/bench.md.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"

quick_jobs=(randread-mapped overwrite-mapped 'first-write*' 'seq-*' 'passthrough-*' 'delete-all*' 'merge-*' 'cbt-*')
jobs=() install=yes rounds='' charts=- quick=${BENCH:-}
while [[ $# -gt 0 ]]; do
	case $1 in
	--no-install)	install='' ;;
	--quick)	quick=quick ;;
	--rounds)	rounds=$2; shift ;;
	--charts)	charts=Documentation ;;
	-*)		sed -n '/^# Usage/,/^$/s/^# \?//p' "$0" >&2; exit 2 ;;
	*)		jobs+=("$1") ;;
	esac
	shift
done
if [[ $quick == quick ]]; then
	[[ ${#jobs[@]} -gt 0 ]] || jobs=("${quick_jobs[@]}")
	rounds=${rounds:-2}
else
	quick=''
fi
[[ ${#jobs[@]} -gt 0 ]] || jobs=('*')
rounds=${rounds:-3}

die() {
	echo "bench: $*" >&2
	exit 1
}

# keep <file>: where it will be found after the end
keep() {
	cp "$1" build/bench-kernel.log
	echo build/bench-kernel.log
}

# in_guest <accelerator, or nothing> one|two <rounds>
in_guest() {
	local results=$work/$2
	mkdir -p "$results"
	REDO_ACCEL=$1 tests/guest/run-qemu.sh 6.12 --timeout "${TIMEOUT:-3600}" --memory 6144 \
		--module "$module" --results "$results" \
		-- tests/bench/inside.py ${quick:+--quick} "$results/rounds.json" "$2" "$3" "${jobs[@]}" ||
		die "the guest has failed; its console: $(keep "$results/kernel.log")"
	taken+=("$results/rounds.json")
}

# Is any of the jobs one that is measured from two CPUs?
wants_two() {
	local job
	for job in "${jobs[@]}"; do
		# shellcheck disable=SC2053
		[[ randread-mapped-2cpu == $job || overwrite-mapped-2cpu == $job ]] && return
	done
	return 1
}

wants_one() {
	local job
	for job in "${jobs[@]}"; do
		[[ $job == *-2cpu || $job == *-1of2 ]] || return 0
	done
	return 1
}

guests() {
	local accel=icount
	module=$(tests/lib/modules.sh 6.12)
	[[ ${CLOCK:-} != real ]] || accel=tcg
	! wants_one || in_guest "$accel" one "$rounds"
	# real time is noisy: more rounds
	! wants_two || in_guest tcg two "${ROUNDS_TWO:-$((2 * rounds + 1))}"
}

host() {
	local device which
	[[ -n ${BASE:-} && -n ${DELTA:-} ]] || die "BASE= and DELTA= belong together"
	[[ $(id -u) -eq 0 ]] || die "real devices need root"
	for device in "$BASE" "$DELTA"; do
		[[ -b $device ]] || die "$device: not a block device"
		[[ -z $(lsblk -no MOUNTPOINTS "$device" | tr -d '\n ') ]] || die "$device: in use"
	done
	[[ ! $BASE -ef $DELTA ]] || die "BASE= and DELTA= are one device"
	modprobe dm-redo 2> /dev/null || dmsetup targets | grep -q '^redo ' ||
		die "the redo target is not there: make modules, insmod build/host/dm-redo.ko"
	if [[ ${YES:-} != 1 ]]; then
		read -r -p "Everything on $BASE and $DELTA will be overwritten. Go on? [y/N] " answer ||
			die "not confirmed: YES=1 goes on without asking"
		[[ $answer == [yY]* ]] || die "not confirmed"
	fi
	for which in one two; do
		tests/bench/inside.py ${quick:+--quick} --base "$BASE" --delta "$DELTA" "$work/$which.json" \
			"$which" "$rounds" "${jobs[@]}"
		taken+=("$work/$which.json")
	done
}

[[ -z $install ]] || tests/lib/packages.sh
mkdir -p build
work=$(mktemp -d "$top/build/bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
taken=()
started=$SECONDS
if [[ -n ${BASE:-}${DELTA:-} ]]; then
	host
else
	guests
fi
tests/bench/report.py build/bench.json "$charts" "${taken[@]}"
echo "build/bench.json written, after $((SECONDS - started)) seconds."
