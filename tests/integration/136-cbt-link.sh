# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 240
#
# Power cuts between the resume after a snapshot and the moment when the store names the new
# delta as the active one. The store's disk takes its time with writes, so that a copy that is
# made of it at once is what such a cut leaves behind.

. "$TOP/tests/lib/redo.sh"
. "$TOP/tests/lib/merge.sh"
. "$TOP/tests/lib/cbt.sh"
require_target delay

dev=/dev/mapper/chain

# slowly <disk>: the device "slow" is this store's, writes take 1.5 seconds
slowly() {
	mkdm slow <<< "0 $(sectors "$1") delay $1 0 0 $1 0 1500 $1 0 0"
}

# cut <disk>...: another disk of each, with what is on it now; the old ones go their way
cut() {
	local d
	for d; do
		cp --sparse=always "$SCRATCH/$d.img" "$SCRATCH/new-$d.img"
	done
}
# after_cut <disk>...: the variables are the copies' from here on
after_cut() {
	local d
	rmdm chain
	rmdm slow
	for d; do
		losetup -d "${!d}"
		mv "$SCRATCH/new-$d.img" "$SCRATCH/$d.img"
		printf -v "$d" %s "$(losetup --show -f "$SCRATCH/$d.img")"
	done
}

mkdisk base 16M
mkdisk d1 48M
mkdisk d2 48M
mkdisk d3 48M
mkdisk d4 48M
mkstore store
rio "$base" "w 0 16M 1" f
mkchain chain "$base" "$d1" -- cbt "$store"
rio $dev "w 1M 64k 2" f
rmdm chain

# d2 takes over and is written to; the store has it as the one to come only
slowly "$store"
mkchain chain "$base" "$d1" -- cbt /dev/mapper/slow
reload lsr chain "$base" "$d1" "$d2" -- cbt /dev/mapper/slow
cut store
rio $dev "w 2M 64k 3" f
cut d1 d2
after_cut store d1 d2

# d3 on it, and the same again; the id is that of what d2 has written
slowly "$store"
mkchain chain "$base" "$d1" "$d2" "$d3" -- cbt /dev/mapper/slow
cut store
id=$(id chain)
point then chain
rio $dev "q 2M 64k 3" "w 3M 64k 4" f
cut d1 d2 d3
after_cut store d1 d2 d3

# without d2 what it had written is gone: a change since
mkchain chain "$base" "$d1" "$d4" -- cbt "$store"
rio $dev "q 2M 64k 1" "w 4M 64k 5" f
point now chain
covers chain "$id" now then now
cbt_is chain ok || fail "after the second cut: $(status chain)"
rmdm chain
