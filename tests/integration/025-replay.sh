# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# The power was cut, and a block that the journal changes is spoilt: what does not
# depend on it can be read, in a view and below a writable delta; nothing is written.

. "$TOP/tests/lib/redo.sh"

mkdisk base 32M
mkdisk d1 64M
mkdisk d2 32M
rio "$base" "w 0 32M 1"
mkchain chain "$base" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 0 16M 2" f
rmdm chain
mkchain chain "$base" "$d1"
# leaf 0: the first 2016 KiB
rio --model "$SCRATCH/model" /dev/mapper/chain "d 64k 64k" "w 20M 64k 3" f \
	"c $SCRATCH/d1.img $SCRATCH/active.img"
rmdm chain

# Without the superblocks, which may be marked
rest() {
	blockdev --flushbufs "$d1"
	tail -c +12289 "$d1" | cksum
}

# put_spoilt <kind>: d1 as it was then, with the first block of that kind spoilt
put_spoilt() {
	poke --restore "$SCRATCH/active.img" 4097 "$d1" nothing
	poke "$d1" break "$(poke "$d1" find "$1" | head -n 1 | cut -d ' ' -f 1)" 3000/1 ^1
}

# reads <device> <kind>: what does not depend on it can be read
reads() {
	if [[ $2 == leaf ]]; then
		rio --model "$SCRATCH/model" "/dev/mapper/$1" "eio q 0 4k 2" "eio q 1M 4k 2" \
			"r 2016k 30M"
	else
		holds "/dev/mapper/$1" model
	fi
}

for kind in alloc leaf; do
	put_spoilt $kind
	before=$(rest)
	mkview view "$base" "$d1"
	reads view $kind
	rmdm view
	refused 'can be read, but not be written to' "$d1" "$(line "$base" "$d1")"

	# sealed, its last checkpoint not made
	put_spoilt $kind
	poke "$d1" set sb state 3
	poke "$d1" set sb content_generation 5
	dd if=/dev/zero of="$d2" bs=1M count=1 conv=fsync status=none
	mkchain chain "$base" "$d1" "$d2"
	reads chain $kind
	rio /dev/mapper/chain "w 24M 64k 4" f "q 24M 64k 4"
	rmdm chain
	[[ $(rest) == "$before" ]] || fail "$kind: written to"
done
