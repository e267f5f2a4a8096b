# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 120
#
# A change id is a moment: a write under way when it is taken is before it or behind it. If
# what is read behind the id does not show the write yet, the write has to be said to be a
# change since. On lower devices that take their time with writes, not with flushes.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"
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

# Beside the end of a merge into the base, after which nobody commits any more: whoever waits
# for a commit is let go, and the id is one of the base's.
fresh base2 8M
fresh d2 48M
mkstore store2
rio "$base2" "w 0 8M 1" f
dmsetup create slowd2 --table "0 $(sectors "$d2") delay $d2 0 0 $d2 0 200 $d2 0 0"
defer rmdm slowd2
mkchain other "$base2" -- cbt "$store2"
reload lsr other "$base2" /dev/mapper/slowd2 -- cbt "$store2"
rio /dev/mapper/other "w 1M 256k 5" f
message other merge "$(uuid_of "$d2")" unshared > /dev/null
while [[ ! -e $SCRATCH/merged ]]; do
	message other cbt_mark > /dev/null || echo failed > "$SCRATCH/failed"
done &
marks=$!
merge_ends other 60
touch "$SCRATCH/merged"
wait_for 30 eval "! kill -0 $marks 2> /dev/null"
[[ ! -e $SCRATCH/failed ]] || fail "a mark has failed"
before=$(message other cbt_mark)
rio /dev/mapper/other "w 2M 64k 6" f
expect_changed other "$before" now 32
rmdm other
