# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 600
#
# Spoilt allocation blocks and unit headers: what is mapped can be read; nothing
# that is in use is ever given out a second time.

. "$TOP/tests/lib/redo.sh"

mkdisk base 32M
mkdisk d1 48M
rio "$base" "w 0 32M 1"
mkchain chain "$base" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 4M 2" "w 20M 64k 2" "w 24M 4M 2" "d 1M 256k" f
rmdm chain
cp --sparse=always "$SCRATCH/d1.img" "$SCRATCH/good.img"
alloc=$(poke "$d1" find alloc)
[[ $(wc -w <<< "$alloc") -eq 1 ]] || fail "allocation leaves: $alloc"

# Refused, or writes fail, or they are right; what was there stays in any case.
safe() {
	# metadata and the header of the first data unit; data that came since is harmless
	poke --restore "$SCRATCH/good.img" 4097 "$d1" "$@"
	log_mark "alloc $*"
	if line "$base" "$d1" -- error_if_no_space | dmsetup create chain 2> /dev/null; then
		defer rmdm chain
		dd if=/dev/urandom of=/dev/mapper/chain bs=64k seek=128 count=16 \
			oflag=direct,dsync conv=notrunc status=none 2> /dev/null || true
		rio --model "$SCRATCH/model" /dev/mapper/chain "r 0 5M" "r 20M 64k" ||
			fail "$*: what was there before is gone"
		rmdm chain
		if mkview view "$base" "$d1" 2> /dev/null; then
			rio --model "$SCRATCH/model" /dev/mapper/view "r 0 5M" "r 20M 64k" ||
				fail "$*: what was there before is gone after activation"
			rmdm view
		fi
	fi
	log_read
	[[ $2 == unit* ]] || log_names "$d1" || fail "$*: nothing in the log"
}

# A discard that would free grains there: the commit fails before it is in the journal,
# so that the delta can be opened afterwards, with all that was flushed.
freed() {
	poke --restore "$SCRATCH/good.img" 4097 "$d1" "$@"
	mkchain chain "$base" "$d1"
	blkdiscard -o 24M -l 64k /dev/mapper/chain 2> /dev/null || true	# a part of a leaf
	blkdiscard -o 25M -l 3M /dev/mapper/chain 2> /dev/null || true	# a whole one
	sync /dev/mapper/chain 2> /dev/null && fail "$*: grains were freed in a leaf that is spoilt"
	rmdm chain
	mkview view "$base" "$d1"
	rio --model "$SCRATCH/model" /dev/mapper/view v
	rmdm view
}

freed break "$alloc" 3000/1 ^1
freed wipe "$alloc"

safe break "$alloc" 3000/1 ^1
safe set "$alloc" magic ^1
safe set "$alloc" place +1
safe set "$alloc" generation +1
safe set "$alloc" uuid 00112233445566778899aabbccddeeff
safe wipe "$alloc"
# unit 0 said to hold data, a data unit to be free, types that are not there
safe set "$alloc" 64/4 2
safe set "$alloc" $((64 + 520))/4 0
safe set "$alloc" $((64 + 520))/4 3
safe set "$alloc" $((64 + 520))/4 0xffffffff
# the unit headers: nothing in daily use reads them
safe wipe unit1
safe break unit1 place ^1
safe set unit1 uuid 00112233445566778899aabbccddeeff
