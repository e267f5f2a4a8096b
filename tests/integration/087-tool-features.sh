# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# redosetup --feature: kept through snapshot, revert, deactivate and activate.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
for d in d1 d2 d3 d4; do
	mkdisk $d 32M
done
rio "$base" "w 0 16M 1"
cleanup() {
	local name
	for name in vm-s1 lab own own-redo-base vm; do
		rmdm $name
	done
}
defer cleanup

# the words after the deltas of the live table
args() {
	local words nr
	read -ra words <<< "$(dmsetup table "$1")"
	nr=${words[4]}
	echo "${words[*]:5+nr}"
}

has_args() { # <chain> <words>
	[[ $(args "$1") == "$2" ]] || fail "$1: \"$2\" expected, not \"$(args "$1")\""
}

tool_refuses 1 'frobnicate.*low_water=<units>' init vm "$base" --feature frobnicate
tool_refuses 1 'low_water=<units>' init vm "$base" --feature low_water
tool_refuses 1 'takes no value' init vm "$base" --feature ignore_discard=1
tool_refuses 1 'force_base.*--force' init vm "$base" --feature force_base
redosetup init vm "$base" --feature low_water=1 --feature error_if_no_space
has_args vm '3 low_water 1 error_if_no_space'
redosetup snapshot vm@s1 --delta "$d1"
has_args vm '3 low_water 1 error_if_no_space'
redosetup show vm > "$SCRATCH/show"
grep -q 'low_water=1 error_if_no_space' "$SCRATCH/show" || fail "show: $(cat "$SCRATCH/show")"
redosetup deactivate vm
redosetup show vm > "$SCRATCH/show"
grep -q 'low_water=1 error_if_no_space' "$SCRATCH/show" || fail "show: $(cat "$SCRATCH/show")"
redosetup activate vm
has_args vm '3 low_water 1 error_if_no_space'
redosetup revert -y vm@s1 --delta "$d2" > /dev/null
has_args vm '3 low_water 1 error_if_no_space'
# a view and a clone are another matter
redosetup view vm@s1 > /dev/null
has_args vm-s1 ''
redosetup view --remove vm@s1
redosetup clone vm@s1 lab --delta "$d3" --feature no_space_timeout=7
has_args lab '2 no_space_timeout 7'
redosetup deactivate --all
redosetup activate --all
has_args lab '2 no_space_timeout 7'
has_args vm '3 low_water 1 error_if_no_space'
redosetup deactivate --all

# on top, and none
tool_refuses 1 'needs a number' activate vm --feature low_water=many
redosetup activate vm --feature low_water=9
has_args vm '3 error_if_no_space low_water 9'
redosetup deactivate vm
redosetup activate --force vm --feature none --feature ignore_discard
has_args vm '2 ignore_discard force_base'
redosetup deactivate vm
# --force was for once
redosetup activate vm
has_args vm '1 ignore_discard'

# given by dmsetup, kept by deactivate
dmsetup load vm --table "$(line "$base" "$d2" -- low_water 5)"
dmsetup suspend vm
dmsetup resume vm
redosetup deactivate vm
redosetup activate vm
has_args vm '2 low_water 5'
redosetup deactivate vm
redosetup activate vm --feature none
has_args vm ''
redosetup deactivate vm
redosetup activate vm
has_args vm ''

# a base under its own name
mkdisk disk 16M
mkdm own <<< "0 $(sectors "$disk") linear $disk 0"
redosetup init own /dev/mapper/own --feature ignore_discard
has_args own '1 ignore_discard'
redosetup deactivate own
redosetup activate own
has_args own '1 ignore_discard'
redosetup snapshot own@s1 --delta "$d4"
redosetup deactivate own
redosetup activate own
has_args own '1 ignore_discard'
redosetup deactivate own
