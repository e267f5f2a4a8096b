# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# 1 and 2 deltas; every delta shows what it added; what is below does not change.

. "$TOP/tests/lib/redo.sh"

mkdisk base 32M
mkdisk d1 32M
mkdisk d2 32M
rio "$base" "w 0 32M 1"
before=$(sums "$base")

mkchain chain "$base" "$d1"
status_is chain $ST_MODE rw || fail "status: $(status chain)"
status_is chain $ST_DELTAS 1 || fail "status: $(status chain)"
status_is chain $ST_GRAIN 8 || fail "status: $(status chain)"
rio --model "$SCRATCH/model" /dev/mapper/chain "q 0 32M 1" "w 4k 8k 2" "w 10M 1M 2" v
keep one model
[[ $(sums "$base") == "$before" ]] || fail "a write went to the base"

reload lsr chain "$base" "$d1" "$d2"
status_is chain $ST_DELTAS 2 || fail "status: $(status chain)"
holds /dev/mapper/chain one
wait_for 20 is_clean "$d1"
below=$(sums "$base" "$d1")
rio --model "$SCRATCH/model" /dev/mapper/chain "w 8k 8k 3" "w 10500k 300k 3" "d 16k 1M" f v
[[ $(sums "$base" "$d1") == "$below" ]] || fail "a write went below the active delta"

# found again
dmsetup remove chain
mkchain chain "$base" "$d1" "$d2"
holds /dev/mapper/chain model
mkview view "$base" "$d1"
holds /dev/mapper/view one
