# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean
#
# A batch of the active merge is copied only when writes that were on their way to its
# grains have arrived: the delta is slow to write, and fast to read.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

require fio
require_target delay
mkdisk base 16M
mkdisk d1 48M
mkdm slow <<< "0 98304 delay $d1 0 0 $d1 0 100"
mkchain chain "$base" /dev/mapper/slow
job=(--name=verify --filename=/dev/mapper/chain --direct=1 --ioengine=libaio --iodepth=64
	--size=16M --verify=crc32c --verify_fatal=1 --thread --output="$SCRATCH/fio")
fio "${job[@]}" --rw=write --bs=1M --do_verify=0 || fail "fio"

# each grain once, so that nothing hides what was lost
fio "${job[@]}" --rw=randwrite --bs=4k --randseed=7 --do_verify=0 & pid=$!
sleep 0.5
message chain merge_all > /dev/null
wait $pid || fail "fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
merge_ends chain
fio "${job[@]}" --rw=randwrite --bs=4k --randseed=7 --verify_only ||
	fail "fio: $(grep -aE "verify|error|err=" "$SCRATCH/fio" | head -n 3 | tr "\n" " ")"
