# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 400
#
# Other table lines while deltas are being merged: the line that the target shows, one for a
# revert that was loaded before the merge began, another delta on what goes into the base.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

mkdisk base 48M
for d in d1 d2 d3 r1; do
	mkdisk $d 96M
done
rio "$base" "w 0 48M 1"
mkchain chain "$base" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 12M 2" f
keep p2 model
reload lsr chain "$base" "$d1" "$d2"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 4M 12M 3" f

# a revert that was loaded before the merge began: d2 would lose what it lies on
dmsetup load chain --table "$(line "$base" "$d1" "$r1")"
message chain merge_throttle 1 > /dev/null
message chain merge "$(uuid_of "$d1")" > /dev/null
wait_for 20 eval '[[ $(merge_state "$d1") -eq 3 ]]'
message chain merge_pause > /dev/null
dmsetup suspend chain
log_mark resume
! dmsetup resume chain 2> /dev/null || fail "a revert came up in the middle of a merge"
log_read
[[ $LOG =~ 'being merged' ]] || fail "no reason: $LOG"
dmsetup load chain --table "$(line "$base" "$d1" "$d2")"
dmsetup resume chain
merge_ends chain
reload_shown chain
holds /dev/mapper/chain model
mkview v "$base"
holds /dev/mapper/v p2
rmdm v
dd if=/dev/zero of="$d1" bs=64k count=1 conv=fsync,notrunc status=none
dd if=/dev/zero of="$r1" bs=64k count=1 conv=fsync,notrunc status=none

# merge_all, its second step: the line is shorter than the one that was loaded, and loads;
# a snapshot on it, too. What was said of the merge holds on
reload lsr chain "$base" "$d2" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 2M 10M 4" f
message chain merge_throttle 1 > /dev/null
message chain merge_all > /dev/null
wait_for 60 status_is chain $ST_DELTAS 1
message chain merge_pause > /dev/null
reload_shown chain
status_is chain $ST_MERGE paused || fail "after a reload: $(status chain)"
status_is chain $ST_THROTTLE 1% || fail "after a reload: $(status chain)"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 5 128k" f v
keep p5 model
reload lsr chain "$base" "$d1" "$d3"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 6 128k" f v
message chain merge_throttle 100 > /dev/null
message chain merge_resume > /dev/null
merge_ends chain
reload_shown chain
[[ $(status chain $ST_DELTAS) -eq 1 ]] || fail "deltas: $(status chain)"
holds /dev/mapper/chain model
mkview v "$base"
holds /dev/mapper/v p5
rmdm v

# everything into the base, interrupted; then another delta lies on the sealed one. Of the
# grains that the first one had the base has got nothing, but the second has not got them
for d in "$d1" "$d2"; do
	dd if=/dev/zero of="$d" bs=64k count=1 conv=fsync,notrunc status=none
done
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 40M 7" f
keep p7 model
reload lsr chain "$base" "$d3" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 4M 8" f
message chain merge_throttle 1 > /dev/null
message chain merge_all > /dev/null
wait_for 20 eval '[[ $(merge_state "$d3") -eq 4 ]]'
rmdm chain
poke "$d3" set sb merge_pos 2048
mkchain chain "$base" "$d3" "$r1"
holds /dev/mapper/chain p7
merge_ends chain
holds /dev/mapper/chain p7
rmdm chain
