# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# redosetup activate where the base has changed, moved, or lies in a file.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 32M
mkdisk d2 32M
rio "$base" "w 0 16M 1"
cleanup() {
	local name
	for name in vm-s1 vm-s2 lab vm; do
		rmdm $name
	done
}
defer cleanup
redosetup init vm "$base"
redosetup snapshot vm@s1 --delta "$d1"
rio /dev/mapper/vm "w 1M 1M 2" f
redosetup snapshot vm@s2 --delta "$d2"
redosetup deactivate vm

# written to behind the deltas' back: refused, the tool's own words say what to do
rio "$base" "w 0 4k 9"
tool_refuses 1 "$base has changed.*--base.*--force" activate vm
tool_refuses 1 "$base has changed.*--force" activate vm --base "$base"
tool_refuses 1 "$base has changed.*--force" view vm@s2
redosetup activate --force vm
rio /dev/mapper/vm "q 0 4k 9" "q 4k 1020k 1" "q 1M 1M 2"
[[ $(dmsetup table vm) == *force_base ]] || fail "table: $(dmsetup table vm)"
# what is over it needs no word more
redosetup view vm@s2 > /dev/null
rio /dev/mapper/vm-s2 "q 0 4k 9" "q 1M 1M 2"
redosetup view --remove vm@s2
redosetup deactivate vm
redosetup view --force vm@s1 > /dev/null
rio /dev/mapper/vm-s1 "q 0 4k 9" "q 1M 1M 1"
tool_refuses 1 "$base has changed.*--force" activate vm
redosetup view --remove vm@s1
redosetup activate --force --base "$base" vm
redosetup deactivate vm
# of another size: not even so
grow_disk base 32M
tool_refuses 1 "$base has 65536 sectors instead of 32768" activate --force vm
truncate -s 16M "$SCRATCH/base.img"
losetup -c "$base"
# right again: --force takes nothing else
rio "$base" "w 0 4k 1"
redosetup activate vm
rio /dev/mapper/vm "q 0 1M 1"
redosetup deactivate vm
