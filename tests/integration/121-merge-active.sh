# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean 6.1
# timeout: 400
#
# The active delta is merged while it is written to: into its parent, into the base; and
# everything into the base. With snapshots in the middle, and found again afterwards.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

mkdisk base 24M
for d in d1 d2 d3 d4; do
	mkdisk $d 64M
done
rio "$base" "w 0 24M 1"
mkchain chain "$base" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 60 1 512k" "d 3M 4M" f
keep p2 model
reload lsr chain "$base" "$d1" "$d2"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 60 2 512k" "d 9M 4M" f

# into the parent, with all kinds of writes meanwhile
message chain merge_throttle 20 > /dev/null
message chain merge "$(uuid_of "$d2")" > /dev/null
rio --model "$SCRATCH/model" /dev/mapper/chain "x 100 3 256k" f v
message chain merge_throttle 100 > /dev/null
rio --model "$SCRATCH/model" /dev/mapper/chain "x 60 4 256k" f v
merge_ends chain
[[ $(status chain $ST_KIND) == active ]] || fail "kind: $(status chain)"
[[ $(status chain $ST_DELTAS) -eq 1 ]] || fail "deltas: $(status chain)"
[[ $(status chain $ST_UUID) == $(uuid_of "$d1") ]] || fail "active: $(status chain)"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 40 5 256k" f v
[[ $(merge_state "$d2") -eq 6 && $(merge_state "$d1") -eq 0 ]] || fail "marks"
[[ $(poke "$d1" get sb state) -eq 2 ]] || fail "d1 is not active"
refused 'merged into what is below' "$d2" "$(line "$base" "$d1" "$d2")" -r
rmdm chain
mkchain chain "$base" "$d1" "$d2"
holds /dev/mapper/chain model
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 6 256k" f v
reload_shown chain
holds /dev/mapper/chain model

# a snapshot in the middle of it: what is left of the source is sealed
reload lsr chain "$base" "$d1" "$d3"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 60 7 512k" f
message chain merge_throttle 10 > /dev/null
message chain merge "$(uuid_of "$d3")" > /dev/null
rio --model "$SCRATCH/model" /dev/mapper/chain "x 40 8 256k" f
keep p4 model
reload lsr chain "$base" "$d1" "$d3" "$d4"
message chain merge_throttle 100 > /dev/null
rio --model "$SCRATCH/model" /dev/mapper/chain "x 40 9 256k" f v
merge_ends chain
reload_shown chain
[[ $(shown chain) != *" 3 "* && $(status chain $ST_DELTAS) -eq 2 ]] || fail "deltas: $(shown chain)"
holds /dev/mapper/chain model
mkview v "$base" "$d1"
holds /dev/mapper/v p4
rmdm v

# everything into the base; the device stays, without deltas
[[ $(message chain merge_all) == "merging all into base" ]] || fail "the answer to merge_all"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 60 10 256k" f v
merge_ends chain
[[ $(status chain $ST_MODE) == passthrough ]] || fail "mode: $(status chain)"
[[ $(status chain $ST_KIND) == all && $(status chain $ST_DELTAS) -eq 0 ]] || fail "$(status chain)"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 1M 100k 77" "W 5M 4k 78" "z 2M 64k" f v
[[ $(shown chain) == "0 49152 redo "*" 0" ]] || fail "the line: $(shown chain)"
reload_shown chain
rio --model "$SCRATCH/model" /dev/mapper/chain "w 3M 100k 79" f v
rmdm chain
holds "$base" model

# once more from there, and crashed lines: d4 is gone, d1 too
mkchain chain "$base" "$d1" "$d4"
[[ $(status chain $ST_MODE) == passthrough ]] || fail "mode: $(status chain)"
holds /dev/mapper/chain model
