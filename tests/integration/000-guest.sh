# SPDX-License-Identifier: GPL-2.0-or-later
#
# The guest itself: dmsetup and a scratch disk work, and what is written through
# a linear target is read back from the disk below it.

require dmsetup losetup

mkdisk disk 16M
[[ $(sectors "$disk") -eq 32768 ]] || fail "a disk of 16 MiB has $(sectors "$disk") sectors"

mkdm smoke <<< "0 16384 linear $disk 16384"
dd if=/dev/urandom of="$SCRATCH/data" bs=64k count=16 status=none
dd if="$SCRATCH/data" of=/dev/mapper/smoke bs=64k oflag=direct conv=fsync status=none
drop_cache
same "$SCRATCH/data" <(dd if="$disk" bs=1M skip=8 count=1 iflag=direct status=none)

expect_fail 'linear: Device lookup failed' -- \
	dmsetup create wrong --table "0 8 linear /dev/nonexistent 0"
