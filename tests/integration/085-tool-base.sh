# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# redosetup activate where the base has changed, moved, or lies in a file.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 32M
mkdisk d2 32M
rio "$base" "w 0 16M 1"
defer losetup -D
cleanup() {
	local name
	for name in vm-s1 vm-s2 file vm; do
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

# all in files, the loop devices gone, and their numbers given to others
losetup -D
mkdir "$SCRATCH/dir"
mv "$SCRATCH"/{base,d1,d2}.img "$SCRATCH/dir"
truncate -s 16M "$SCRATCH/blank"
losetup "$base" "$SCRATCH/blank"
tool_refuses 1 'deltas are not on any device' activate vm
redosetup activate --dry-run --scan-dir "$SCRATCH/dir" vm > "$SCRATCH/said"
grep -q "attach $SCRATCH/dir/base.img" "$SCRATCH/said" || fail "dry run: $(cat "$SCRATCH/said")"
[[ $(losetup -n -l | wc -l) -eq 1 ]] || fail "the dry run attached something"
redosetup activate --scan-dir "$SCRATCH/dir" vm
rio /dev/mapper/vm "q 0 1M 1" "q 1M 1M 2" "q 2M 14M 1"
redosetup deactivate vm
# attached by now: nothing twice
redosetup activate --scan-dir "$SCRATCH/dir" vm
[[ $(losetup -n -l | wc -l) -eq 4 ]] || fail "attached twice: $(losetup -l)"
redosetup deactivate vm
losetup -D
# two that fit, and the one that the user names
cp --sparse=always "$SCRATCH/dir/base.img" "$SCRATCH/dir/twin"
tool_refuses 1 '2 devices or files look like its base.*--base' activate --scan-dir "$SCRATCH/dir" vm
redosetup activate --scan-dir "$SCRATCH/dir" --base "$SCRATCH/dir/base.img" vm
rio /dev/mapper/vm "q 0 1M 1" "q 1M 1M 2" "q 2M 14M 1"
redosetup deactivate vm
losetup -D
# another delta's name for its base: a file's path
truncate -s 32M "$SCRATCH/dir/d3.img"
redosetup format --base "$SCRATCH/dir/twin" --chain file --snapshot s1 "$SCRATCH/dir/d3.img"
redosetup activate --scan-dir "$SCRATCH/dir" file
rio /dev/mapper/file "q 0 16M 1" "w 0 4k 2" f
redosetup deactivate file
losetup -l -n -O BACK-FILE | grep -q "dir/twin" || fail "not the file that the label names"
