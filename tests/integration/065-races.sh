# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: kcsan
# timeout: 600
#
# As much as two processors can do at once, for what looks for data races: reads, first
# writes, overwrites, parts of grains, flushes, discards and zeroes on the same grains,
# while the status is asked, memory is asked back and snapshots are taken. What is read
# is not looked at here, other cases do that. REDO_SECONDS sets how long.

. "$TOP/tests/lib/redo.sh"
require fio

seconds=${REDO_SECONDS:-120}
mkdisk base 64M
for i in 1 2 3 4; do
	mkdisk d$i 96M
done
chain=("$base" "$d1")
mkchain chain "${chain[@]}"

job() {
	echo "--name=$1 --rw=$1 --bssplit=$2 --iodepth=$3"
}
# shellcheck disable=SC2046 # lists of options
fio --filename=/dev/mapper/chain --direct=1 --ioengine=libaio --thread --time_based \
	--runtime="$seconds" --size=64M --norandommap --output="$SCRATCH/fio" \
	$(job randread 4k/50:64k/50 8) $(job randwrite 4k/60:512/20:48k/20 16) \
	$(job randrw 4k/70:1k/30 4) --fsync=4 $(job randtrim 64k/80:4M/20 1) \
	$(job write 128k/100 4) &
fio=$!

around() {
	while :; do
		dmsetup status chain || true
		dmsetup message chain 0 nothing 2> /dev/null || true
		blkdiscard -z -o 8M -l 1M /dev/mapper/chain || true
		echo 2 > /proc/sys/vm/drop_caches
	done > /dev/null
}
around & around=$!
defer kill $around
for d in "$d2" "$d3" "$d4"; do
	sleep $((seconds / 5))
	chain+=("$d")
	reload lsr chain "${chain[@]}"
done
wait $fio || fail "fio: $(grep -aE "error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
note "$(sed -n 's/^[^,]*: IOPS=\([^,]*\),.*/\1/p' "$SCRATCH/fio" | paste -sd/) IOPS"
