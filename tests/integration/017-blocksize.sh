# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# Logical block sizes: a delta's may not be larger than the chain's.

. "$TOP/tests/lib/redo.sh"

mkdisk b512 16M
mkdisk d512 32M
mkdisk --sector 4096 b4k 16M
mkdisk --sector 4096 d4k 32M
mkdisk --sector 4096 e4k 32M
[[ $(blockdev --getss "$d4k") -eq 4096 ]] || skip "no loop devices with 4 KiB sectors here"

before=$(sums "$d4k")
refused 'logical block size|block size' "$d4k" "$(line "$b512" "$d4k")"
[[ $(sums "$d4k") == "$before" ]] || fail "the refused delta was written to"

# 512-byte delta over either base; 4 KiB over 4 KiB
mkchain chain "$b512" "$d512"
[[ $(blockdev --getss /dev/mapper/chain) -eq 512 ]] || fail "logical block size of the chain"
rmdm chain
rio "$d512" "n 0 1M"
mkchain chain "$b4k" "$d512"
[[ $(blockdev --getss /dev/mapper/chain) -eq 4096 ]] || fail "logical block size of the chain"
rio --model "$SCRATCH/m1" /dev/mapper/chain "x 60 1 256k" f v
rmdm chain
mkchain chain "$b4k" "$e4k"
[[ $(blockdev --getss /dev/mapper/chain) -eq 4096 ]] || fail "logical block size of the chain"
rio --model "$SCRATCH/m2" /dev/mapper/chain "x 60 2 256k" f v
# a 4 KiB delta on top of that one
reload lsr chain "$b4k" "$e4k" "$d4k"
rio --model "$SCRATCH/m2" /dev/mapper/chain "x 60 3 256k" f v
rmdm chain
mkchain chain "$b4k" "$e4k" "$d4k"
holds /dev/mapper/chain m2
