# SPDX-License-Identifier: GPL-2.0-or-later
#
# fio --verify with snapshots during the run.  Sourced, after redo.sh.

# fio_verify <queue depth>
fio_verify() {
	local d chain pid job
	require fio
	mkdisk base 24M
	for d in 1 2 3; do
		mkdisk d$d 48M
	done
	chain=("$base" "$d1")
	mkchain chain "${chain[@]}"
	job=(--name=verify --filename=/dev/mapper/chain --direct=1 --ioengine=libaio
		--iodepth="$1" --rw=randwrite --bssplit=512/20:1k/10:4k/40:20k/20:256k/10
		--size=24M --verify=crc32c --verify_fatal=1 --randseed="$1" --fsync=100
		--thread)
	fio "${job[@]}" --do_verify=0 --rate=4M --output="$SCRATCH/fio" &
	pid=$!
	for d in "$d2" "$d3"; do
		sleep 1.5
		kill -0 $pid || fail "fio ended early: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
		chain+=("$d")
		reload lsr chain "${chain[@]}"
	done
	wait $pid || fail "fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
	fio "${job[@]}" --verify_only --output="$SCRATCH/fio" || fail "fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
	rmdm chain
	mkchain chain "${chain[@]}"
	fio "${job[@]}" --verify_only --output="$SCRATCH/fio" ||
		fail "after a new start: fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
	note "$(du -k "$SCRATCH"/d[123].img | awk '{ n += $1 } END { print n }') KiB in the deltas"
}
