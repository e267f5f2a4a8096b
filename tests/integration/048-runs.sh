# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.12
#
# A stream of long writes ends up in runs, in whatever order its bios get their
# places: a leaf of the map is one word, and not one for each grain.

. "$TOP/tests/lib/redo.sh"
require fio

mkdisk base 512M
mkdisk d1 640M
mkdisk d2 240M		# 192 MiB fill 13 of its 15 units
size=192 leaves=$((192 * 256 / 504))

# stream <rw>: each write is longer than a leaf's third, and several are under way
stream() {
	fio --name=stream --filename=/dev/mapper/chain --direct=1 --ioengine=libaio \
		--iodepth=16 --bs=1m --size=${size}M --end_fsync=1 "$@" > "$SCRATCH/fio" ||
		fail "fio: $(grep -E 'err=|error' "$SCRATCH/fio" | head -n 1)"
}

# in_runs <most leaves>: what of the map needs words of its own, once it is read anew
in_runs() {
	local n
	rmdm chain
	mkchain chain "$base" "$d1"
	stream --rw=read:2012k --bs=4k		# a grain of each leaf
	n=$(status chain $ST_LEAVES)
	note "$n of $leaves leaves are more than one run"
	((n <= $1)) || fail "$n of $leaves leaves are more than one run, expected $1 at most"
}

# The first write is no stream yet.
mkchain chain "$base" "$d1"
stream --rw=write
in_runs 1

# Nothing is lost by it: a delta just large enough takes everything, in any order
rmdm chain
mkchain chain "$base" "$d2" -- error_if_no_space
stream --rw=randwrite --bs=80k --randseed=3
