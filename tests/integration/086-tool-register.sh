# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# What redosetup remembers of a chain in its register: that it is there, that it
# has deltas, and how it is forgotten.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 32M
rio "$base" "w 0 16M 1"
defer rmdm vm
defer rmdm wm

listed() {
	redosetup list --noheadings -o chain 2> /dev/null | xargs
}

redosetup init vm "$base"
tool_refuses 2 names deactivate --forget --all
tool_refuses 1 'no such chain' deactivate --forget nobody
redosetup deactivate --forget --dry-run vm > /dev/null
dmsetup info vm > /dev/null 2>&1 || fail "--dry-run took it down"
redosetup deactivate vm
[[ $(listed) == vm ]] || fail "not remembered: $(listed)"
redosetup deactivate --forget vm
[[ $(listed) == '' ]] || fail "not forgotten: $(listed)"
tool_refuses 1 'no such chain' activate vm
# an active one goes down with it
redosetup init vm "$base"
redosetup deactivate --forget vm
dmsetup info vm > /dev/null 2>&1 && fail "not taken down"
# made by dmsetup alone: nothing to forget
mkchain vm "$base"
tool_refuses 1 'is not in' deactivate --forget vm
rmdm vm

# one with deltas is not forgotten, whether they are found or not
redosetup init vm "$base"
redosetup snapshot vm@s1 --delta "$d1"
tool_refuses 1 'has deltas' deactivate --forget vm
redosetup deactivate vm
tool_refuses 1 'has deltas' deactivate --forget vm
losetup -d "$d1"
# its base alone would be another content, and a write to it the end of the delta
tool_refuses 1 'deltas are not on any device' activate vm
redosetup activate --all 2> /dev/null && fail "activated without its delta"
dmsetup info vm > /dev/null 2>&1 && fail "active without its delta"
redosetup list 2>&1 > /dev/null | grep -q 'deltas are not on any device' || fail "list is silent"
losetup "$d1" "$SCRATCH/d1.img"
redosetup activate vm
redosetup deactivate vm
losetup -d "$d1"
tool_refuses 1 'deltas are not on any device' deactivate --forget vm < /dev/null
redosetup deactivate --forget -y vm
[[ $(listed) == '' ]] || fail "not forgotten: $(listed)"
losetup "$d1" "$SCRATCH/d1.img"

# registered, and its deltas by plain dmsetup: they are that chain's all the same
mkdisk other 16M
mkdisk d2 32M
mkdisk d3 32M
rio "$other" "w 0 16M 2"
redosetup init wm "$other"
reload lsr wm "$other" "$d2"
rio /dev/mapper/wm "w 1M 1M 3" f
reload lsr wm "$other" "$d2" "$d3"
dmsetup remove wm
[[ $(redosetup list --noheadings -o chain,state,deltas --device "$d2" --device "$d3" 2>&1 | xargs) == "wm inactive 2" ]] ||
	fail "list: $(redosetup list --device "$d2" --device "$d3" 2>&1)"
redosetup activate --device "$d2" --device "$d3" --all
rio /dev/mapper/wm "q 0 1M 2" "q 1M 1M 3"
redosetup deactivate --device "$d2" --device "$d3" wm
tool_refuses 1 'deltas are not on any device' activate --device "$d1" wm
