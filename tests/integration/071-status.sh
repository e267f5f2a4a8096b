# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# The status line: every position, and what it counts.

. "$TOP/tests/lib/redo.sh"

mkdisk base 32M
mkdisk d1 64M
mkdisk d2 40M		# two units and a half
rio "$base" "w 0 32M 1"
mkchain chain "$base" "$d1"

form='^(rw|ro|view|passthrough) [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+/[0-9]+ '
form+='(ok|low_water|out_of_space_queueing|out_of_space_erroring) [0-9]+ [0-9]+ [0-9]+ [-0-9a-f]+ '
form+='none - - - 0/0 0 100% - (off|point) - 0/0$'
check_form() {
	[[ $(status "$1") =~ $form ]] || fail "status: $(status "$1")"
}
check_form chain
[[ $(status chain | wc -w) -eq 25 ]] || fail "status: $(status chain)"
[[ $(status chain $ST_UNITS) -eq 4 ]] || fail "units: $(status chain)"
[[ $(status chain $ST_USED) -eq 0 ]] || fail "grains: $(status chain)"
[[ $(status chain $ST_SPACE) == ok ]] || fail "space: $(status chain)"
[[ $(status chain $ST_JOURNAL) == */1024 ]] || fail "journal: $(status chain)"
uuid=$(status chain $ST_UUID)
[[ ${uuid//-/} == $(poke "$d1" get sb uuid) ]] || fail "uuid $uuid, on disk $(poke "$d1" get sb uuid)"

rio /dev/mapper/chain "w 0 100k 2" f
[[ $(status chain $ST_USED) -eq 25 ]] || fail "25 grains written: $(status chain)"
[[ $(status chain $ST_TAKEN) -ge 2 ]] || fail "units taken: $(status chain)"
commits=$(status chain $ST_COMMITS)
rio /dev/mapper/chain "w 1M 4k 3" f
(($(status chain $ST_COMMITS) > commits)) || fail "commits: $(status chain)"
journal=$(status chain $ST_JOURNAL)
((${journal%/*} > 0)) || fail "journal: $(status chain)"
(($(status chain $ST_DIRTY) > 0)) || fail "dirty blocks: $(status chain)"
(($(status chain $ST_LEAVES) > 0)) || fail "leaves: $(status chain)"
rio /dev/mapper/chain "d 0 50k" f
[[ $(status chain $ST_USED) -eq 14 ]] || fail "12 grains discarded: $(status chain)"

reload lsr chain "$base" "$d1" "$d2"
check_form chain
[[ $(status chain $ST_DELTAS) -eq 2 ]] || fail "deltas: $(status chain)"
[[ $(status chain $ST_UNITS) -eq 2 ]] || fail "units: $(status chain)"
[[ $(status chain $ST_USED) -eq 0 ]] || fail "grains: $(status chain)"
uuid=$(status chain $ST_UUID)
[[ ${uuid//-/} == $(poke "$d2" get sb uuid) ]] || fail "uuid $uuid, on disk $(poke "$d2" get sb uuid)"

mkview view "$base" "$d1"
check_form view
status_is view $ST_MODE view || fail "mode: $(status view)"
rmdm view

# below the checkpoint's thresholds the journal is the only place; removal cleans
rmdm chain
is_clean "$d2" || fail "not clean after removal"
is_clean "$d1" || fail "the sealed one is not clean after removal"
mkchain chain "$base" "$d1" "$d2"
if is_clean "$d2"; then
	rio /dev/mapper/chain "w 0 4k 9" f
	! is_clean "$d2" || fail "clean with something in the journal"
fi

# many commits: the journal goes around, checkpoints happen
before=$(status chain $ST_CHECKPOINTS)
ops=()
for ((i = 0; i < 1200; i++)); do
	ops+=("d $((i % 300 * 8))k 4k" "W $((i % 300 * 8))k 4k $((i + 1))")
done
rio --model "$SCRATCH/model" /dev/mapper/chain "${ops[@]}" v
(($(status chain $ST_CHECKPOINTS) > before)) || fail "no checkpoint in 1200 commits: $(status chain)"
rmdm chain
mkchain chain "$base" "$d1" "$d2"
holds /dev/mapper/chain model
