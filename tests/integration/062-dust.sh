# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# Bad blocks, from dm-dust: in the base, in a sealed delta's data, in the active
# delta's data. Reading them is an error, all else is right; a write mends them.

. "$TOP/tests/lib/redo.sh"
require_target dust

# dusty <variable> <name> <size>: a disk under dm-dust
dusty() {
	local disk
	mkdisk "$1" "$3"
	disk=${!1}
	mkdm "$2" <<< "0 $(sectors "$disk") dust $disk 0 4096"
	dmsetup message "$2" 0 enable
	printf -v "$1" %s "/dev/mapper/$2"
}

dusty base dust0 16M
dusty d1 dust1 48M
dusty d2 dust2 48M
dev=/dev/mapper/chain

rio "$base" "w 0 16M 1"
mkchain chain "$base" "$d1"
rio $dev "w 0 1M 2" f
reload lsr chain "$base" "$d1" "$d2"
rio $dev "w 4M 1M 3" f
rmdm chain

# Where the two deltas have put grains 0 and 1024: the first data grain of each
first_data() {
	echo $((4096 + 1))
}

for dust in "dust0 $((8 * 256))" "dust1 $(first_data)" "dust2 $(first_data)"; do
	read -r name block <<< "$dust"
	dmsetup message "$name" 0 addbadblock "$block"
done
mkchain chain "$base" "$d1" "$d2"
rio $dev "eio q 8M 4k 1" || fail "a bad block of the base is read"
rio $dev "eio q 0 4k 2" || fail "a bad block of a sealed delta is read"
rio $dev "eio q 4M 4k 3" || fail "a bad block of the active delta is read"
status_is chain $ST_MODE rw || fail "status: $(status chain)"
# everything beside them
rio $dev "q 4k 1020k 2" "q 4100k 1020k 3" "q 8196k 1M 1" "q 1M 3M 1"

# a part of a grain whose rest cannot be read
rio $dev "eio w 8M 512 5" || fail "half a grain is made up"
rio $dev "eio w 0 512 5" || fail "half a grain is made up"
# whole grains need nothing from below; in place, dust mends what is written
rio $dev "w 8M 4k 6" "w 0 4k 7" "w 4M 4k 8" f "q 8M 4k 6" "q 0 4k 7" "q 4M 4k 8"
rmdm chain
mkchain chain "$base" "$d1" "$d2"
rio $dev "q 8M 4k 6" "q 0 4k 7" "q 4M 4k 8" "q 4k 1020k 2"
