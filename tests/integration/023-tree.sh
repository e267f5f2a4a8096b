# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
# timeout: 600
#
# Spoilt blocks of the map: an I/O error for their region, said in the log with
# the device; never what lies below, never an older version, and all the rest
# can be read.

. "$TOP/tests/lib/redo.sh"

mkdisk base 2G		# two levels of directories
mkdisk d1 64M
rio "$base" "w 0 1M 1" "w 1500M 1M 1"
mkchain chain "$base" "$d1"
rio /dev/mapper/chain "w 64k 64k 2" "w 10M 4k 2" "w 1500M 64k 2" f
rmdm chain
cp --sparse=always "$SCRATCH/d1.img" "$SCRATCH/good.img"

mapfile -t leaves < <(poke "$d1" find leaf)
mapfile -t dirs < <(poke "$d1" find dir)
[[ ${#leaves[@]} -eq 3 ]] || fail "${#leaves[@]} leaves, expected 3"
[[ ${#dirs[@]} -eq 3 ]] || fail "${#dirs[@]} directories, expected 3: a root and two"
leaf=${leaves[0]} root=${dirs[0]} dir=${dirs[1]}

# all metadata is in the first 5 MiB, and nothing else is ever spoilt
restore() {
	dd if="$SCRATCH/good.img" of="$d1" bs=1M count=5 conv=fsync,notrunc status=none
}

# the region of the first leaf cannot be read or written
region_lost() {
	dd if=/dev/mapper/chain bs=4k skip=16 count=1 iflag=direct of=/dev/null status=none 2> /dev/null &&
		fail "$1: a mapped grain was read"
	dd if=/dev/mapper/chain bs=4k count=1 iflag=direct of=/dev/null status=none 2> /dev/null &&
		fail "$1: a grain whose mapping is lost was read"
	return 0
}

# spoilt <log text> <poke argument>...: table refused, or the region lost, in a
# view; with a "+" before the text in a writable chain, too
spoilt() {
	local text=${1#+} how modes=(-r)
	[[ $1 != +* ]] || modes+=('')
	shift
	for how in "${modes[@]}"; do
		poke --restore "$SCRATCH/good.img" 1280 "$d1" "$@"
		log_mark "tree $*"
		# shellcheck disable=SC2086 # nothing or an option
		if line "$base" "$d1" | dmsetup create chain $how 2> /dev/null; then
			defer rmdm chain
			region_lost "$*"
			[[ -n $how ]] || {
				dd if=/dev/zero of=/dev/mapper/chain bs=4k seek=16 count=1 \
					oflag=direct,dsync conv=notrunc status=none 2> /dev/null &&
					fail "$*: a write to the region was taken"
			}
			if [[ $2 == "$leaf" && ${#modes[@]} -eq 2 ]]; then
				rio /dev/mapper/chain "q 10M 4k 2" "q 1500M 64k 2" "0 20M 1M"
			elif [[ $2 == "$dir" ]]; then
				rio /dev/mapper/chain "q 1500M 64k 2"
			fi
			rmdm chain
		fi
		log_read
		log_names "$d1" "$text" || fail "$*: nothing in the log about it: $LOG"
	done
}

for block in "$leaf" "$dir" "$root"; do
	spoilt '+checksum' break "$block" 2000/1 ^1
	spoilt '.' set "$block" magic ^1
	spoilt '.' set "$block" uuid 00112233445566778899aabbccddeeff
	spoilt '.' set "$block" blocknr +1
	spoilt '.' set "$block" generation +1
	spoilt '.' set "$block" place +1
	spoilt '.' set "$block" level +1
	spoilt '.' set "$block" aux 1
	spoilt '.' wipe "$block"
done

# another valid block of the same kind in its place
spoilt '.' copy "${leaves[2]}" "$leaf"
# pointers: to itself, to its own parent, to fixed blocks, beyond the device
p() { printf '0x1%03x%012x' "$(($(poke "$d1" get "$1" generation) & 0xfff))" "$1"; }
spoilt '+.' set "$dir" word0 "$(p "$dir")"
spoilt '.' set "$dir" word0 "$(p "$root")"
spoilt '+.' set "$root" word0 "$(p "$root")"
spoilt '.' set "$root" word0 "$(p "$leaf")"
spoilt '.' set "$dir" word0 0x1000000000000001
spoilt '.' set "$dir" word0 0x1000000000000000
spoilt '.' set "$dir" word0 0x1000000000004000
spoilt '.' set "$dir" word0 0x1000ffffffffffff
spoilt '.' set "$dir" word0 0x3000000000000000
spoilt '.' set "$dir" word0 0xffffffffffffffff
# entries of a leaf: the whole leaf is suspect
units=$(poke "$d1" get sb nr_units)
# one beyond the units that are taken, one beyond the device
spoilt '.' set "$leaf" word16 $((0x1000000000000000 + units * 4096 + 1))
spoilt '+.' set "$leaf" word16 0x1000000000004001
spoilt '.' set "$leaf" word16 0x1000ffffffffffff
spoilt '.' set "$leaf" word16 0x1000000000001000	# a unit's header
spoilt '.' set "$leaf" word16 0x1000000000000001	# the superblock
spoilt '.' set "$leaf" word16 0x4000000000000000
spoilt '.' set "$leaf" word16 0x1001000000001001
spoilt '.' set "$leaf" word16 0x2000000000000005

# and the pairs of them: the last grain that there is, zero, nothing
restore
poke "$d1" set "$leaf" word16 $((0x1000000000000000 + units * 4096 - 1))
mkview view "$base" "$d1"
dd if=/dev/mapper/view bs=4k skip=16 count=1 iflag=direct of=/dev/null status=none
rmdm view
restore
poke "$d1" set "$leaf" word16 0x2000000000000000
mkview view "$base" "$d1"
rio /dev/mapper/view "0 64k 4k" "q 68k 60k 2"
rmdm view
restore
poke "$d1" set "$leaf" word16 0
mkview view "$base" "$d1"
rio /dev/mapper/view "q 64k 4k 1" "q 68k 60k 2"
