# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml lean
# timeout: 300
#
# What is refused before and during a merge, and messages: holders by name, marks on
# the disk, points that are gone, reverts; pause, resume, throttle, hold.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"

mkdisk base 24M
for d in d1 d2 d3 c1 r1 n1; do
	mkdisk $d 48M
done
rio "$base" "w 0 24M 1"
mkchain chain "$base" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 12M 2" f
message_refused 'not the UUID' chain merge nonsense
message_refused 'no delta of the chain' chain merge 01234567-89ab-cdef-0123-456789abcdef
message_refused 'takes <delta uuid>' chain merge
message_refused 'takes <delta uuid>' chain merge "$(uuid_of "$d1")" something
message_refused 'no merge is running' chain merge_pause
message_refused 'no merge is to be resumed' chain merge_resume
for wrong in 0 101 x 5GiB 0MiB; do
	message_refused '1 to 100' chain merge_throttle $wrong
done
[[ $(message chain merge_throttle 7MiB) == "throttle 7MiB" ]] || fail "throttle"
status_is chain $ST_THROTTLE 7MiB || fail "$(status chain)"
[[ $(message chain merge_throttle 100) == "throttle 100%" ]] || fail "throttle"
keep p2 model
reload lsr chain "$base" "$d1" "$d2"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 6M 12M 3" f
keep p3 model
reload lsr chain "$base" "$d1" "$d2" "$d3"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 8M 2M 4" f

# a view and a clone are in the way, by name; the clone even when it is gone
mkview somebody "$base" "$d1"
message_refused 'somebody [(0-9:)]+ uses it' chain merge "$(uuid_of "$d2")"
message_refused 'somebody [(0-9:)]+ uses it' chain merge_all
message_refused 'nothing can be merged: a view' somebody merge "$(uuid_of "$d1")"
rmdm somebody
mkchain another "$base" "$d1" "$c1"
message_refused 'another [(0-9:)]+ uses it' chain merge "$(uuid_of "$d2")"
rmdm another
message_refused 'marked SHARED' chain merge "$(uuid_of "$d2")"
message_refused 'marked SHARED' chain merge "$(uuid_of "$d1")"
holds /dev/mapper/chain model

# d2 into d1 on the word of somebody who has looked: the clone's point goes
message chain merge_throttle 1 > /dev/null
message chain merge "$(uuid_of "$d2")" unshared > /dev/null
[[ $(message chain merge "$(uuid_of "$d2")" unshared) == merging* ]] || fail "the same again"
message_refused 'one at a time' chain merge "$(uuid_of "$d3")"
message_refused 'one at a time' chain merge_all
wait_for 20 eval '[[ $(merge_state "$d1") -eq 1 ]]'
[[ $(message chain merge_pause) == paused ]] || fail "pause"
status_is chain $ST_MERGE paused || fail "$(status chain)"
refused 'snapshot point does not exist any more' "$d1" "$(line "$base" "$d1")" -r
refused 'snapshot point does not exist any more' "$d1" "$(line "$base" "$d1" "$c1")"
refused 'would change|deactivate' - "$(line "$base" "$d1" "$d2")" -r
# reverts, and other lines for the same device
log_mark revert
! dmsetup load chain --table "$(line "$base" "$d1" "$d2" "$r1")" 2> /dev/null || fail "a revert was accepted"
log_read
[[ $LOG =~ 'being merged' ]] || fail "no reason: $LOG"
! dmsetup load chain --table "$(line "$base")" 2> /dev/null || fail "another line was accepted"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 5 128k" f v

# held by the table, found again; a line without the merge's source is none
rmdm chain
mkview v "$base" "$d1" "$d2"
holds /dev/mapper/v p3
rmdm v
mkchain chain "$base" "$d1" "$d2" "$d3" -- hold_merge
status_is chain $ST_MERGE held || fail "$(status chain)"
holds /dev/mapper/chain model
sleep 1
status_is chain $ST_MERGE held || fail "$(status chain)"
[[ $(message chain merge_resume) == running ]] || fail "resume"
merge_ends chain
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 6 128k" f v
reload_shown chain
mkview v "$base" "$d1"
holds /dev/mapper/v p3
rmdm v
n=$(events chain)
message chain merge "$(uuid_of "$d1")" unshared > /dev/null
merge_ends chain
(($(events chain) > n)) || fail "no event at the end"
holds /dev/mapper/chain model

# a snapshot by a line that still has all of them
reload lsr chain "$base" "$d1" "$d3" "$n1"
[[ $(status chain $ST_DELTAS) -eq 2 ]] || fail "deltas: $(status chain)"
rio --model "$SCRATCH/model" /dev/mapper/chain "x 20 7 128k" f v
rmdm chain
mkchain chain "$base" "$d3" "$n1"
holds /dev/mapper/chain model
