# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# Full for longer than no_space_timeout, or with error_if_no_space: ENOSPC for
# the writes that need space, nothing else is lost, and freed grains help.

. "$TOP/tests/lib/redo.sh"

mkdisk base 64M
mkdisk d1 32M
dev=/dev/mapper/chain
rio "$base" "w 0 64M 1"

# at once
mkchain chain "$base" "$d1" -- error_if_no_space
rio --model "$SCRATCH/model" $dev "w 0 8M 2" f
started=$SECONDS
rio --model "$SCRATCH/model" $dev "enospc w 32M 24M 3" || fail "no ENOSPC"
((SECONDS - started < 20)) || fail "waited all the same"
wait_for 5 status_is chain $ST_SPACE out_of_space_erroring
rio --model "$SCRATCH/model" $dev "r 0 32M" "w 0 4M 4" "r 0 8M" "r 56M 8M" f
# discarding gives space, without a reload
rio --model "$SCRATCH/model" $dev "d 32M 24M" f
again() { rio --model "$SCRATCH/model" $dev "w 33M 2M 5" 2> /dev/null; }
wait_for 20 again
rio --model "$SCRATCH/model" $dev v
rmdm chain
mkchain chain "$base" "$d1"
holds $dev model
rmdm chain

# after three seconds
rio "$d1" "n 0 32M"
rm "$SCRATCH/model"
mkchain chain "$base" "$d1" -- no_space_timeout 3
rio --model "$SCRATCH/model" $dev "w 0 8M 2" f
started=$EPOCHREALTIME
rio --model "$SCRATCH/model" $dev "enospc w 32M 24M 3" || fail "no ENOSPC"
took=$(awk "BEGIN { print int($EPOCHREALTIME - $started) }")
((took >= 2 && took <= 30)) || fail "ENOSPC after $took seconds"
rio --model "$SCRATCH/model" $dev "r 0 32M" "w 0 4M 4" "r 0 8M" f
# growing helps then, too
grow_disk d1 160M
again() { rio --model "$SCRATCH/model" $dev "w 32M 24M 6" 2> /dev/null; }
wait_for 20 again
rio --model "$SCRATCH/model" $dev v
wait_for 5 status_is chain $ST_SPACE ok
rmdm chain
mkchain chain "$base" "$d1"
holds $dev model

