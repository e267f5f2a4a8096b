# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 120
#
# A change id is a moment: a write under way when it is taken is before it or behind it. If
# what is read behind the id does not show the write yet, the write has to be said to be a
# change since. On lower devices that take their time with writes, not with flushes.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/cbt.sh"
require_target delay

dev=/dev/mapper/chain

# slowly <name> <disk>: writes take a second
slowly() {
	mkdm "$1" <<< "0 $(sectors "$2") delay $2 0 0 $2 0 1000 $2 0 0"
}

mkdisk base 64M
mkdisk d1 96M
mkdisk store 16M
rio "$base" "w 0 64M 1" f
slowly slowbase "$base"

# under_way: a write, an id while it is under way, and what is said of it
under_way() {
	local before after
	rio "$dev" "w 8M 64k 2" f
	before=$(message chain cbt_mark)
	rio_exec "$dev" "w 8M 64k 3" &
	local writer=$!
	sleep 0.3
	before=$(message chain cbt_mark)
	if rio "$dev" "q 8M 64k 2" 2> /dev/null; then
		note "the id came first"
		wait $writer
		expect_changed chain "$before" now 128
	else
		wait $writer
		expect_changed chain "$before" now
	fi
	after=$(message chain cbt_mark)
	expect_changed chain "$(id_of "$before" $(($(number "$before") - 1)))" "$after" 128
}

mkchain chain /dev/mapper/slowbase -- cbt "$store"
under_way

# a grain that the delta has; one that it has not is in the map when its write has ended
slowly slowd1 "$d1"
reload lsr chain /dev/mapper/slowbase /dev/mapper/slowd1 -- cbt "$store"
under_way
rmdm chain
