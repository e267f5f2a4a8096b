# SPDX-License-Identifier: GPL-2.0-or-later
#
# Zoned devices are refused, as base and as delta.

. "$TOP/tests/lib/redo.sh"

modprobe -r null_blk 2> /dev/null || true
modprobe null_blk nr_devices=1 zoned=1 zone_size=16 gb=1 memory_backed=1 2> /dev/null ||
	skip "no zoned null_blk here"
defer modprobe -r null_blk
zoned=/dev/nullb0
[[ $(cat /sys/block/nullb0/queue/zoned) == host-managed ]] || skip "null_blk is not zoned here"

mkdisk base 16M
refused 'zoned' "$zoned" "$(line "$base" "$zoned")"
refused 'zoned' "$zoned" "0 32768 redo $zoned 0"
mkdisk d1 16M
refused 'zoned' "$zoned" "0 $(sectors "$zoned") redo $zoned 1 $d1"
