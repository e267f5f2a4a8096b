# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# What a writable line formats: a blank device of 16 MiB or more, nothing else.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
rio "$base" "w 0 16M 1"

# the smallest that works, one sector less
mkdisk exact 16M
mkdisk less 16776704
mkchain chain "$base" "$exact"
rmdm chain
before=$(writes "$less")
refused 'sectors|small|size|unit' "$less" "$(line "$base" "$less")"
[[ $(writes "$less") == "$before" ]] || fail "a device that is too small was written to"
mkdisk tiny 4k
refused '.' "$tiny" "$(line "$base" "$tiny")"

# not blank: anything in the first 4 KiB
mkdisk used 32M
for at in 0 1 511 512 4095; do
	dd if=/dev/zero of="$used" bs=4k count=1 conv=fsync status=none
	echo -n x | dd of="$used" bs=1 seek=$at conv=fsync,notrunc status=none
	before=$(writes "$used")
	refused '.' "$used" "$(line "$base" "$used")"
	[[ $(writes "$used") == "$before" ]] || fail "byte $at did not save the device: $before, now $(writes "$used")"
done
# ... and nothing beyond that
dd if=/dev/zero of="$used" bs=4k count=1 conv=fsync status=none
dd if=/dev/urandom of="$used" bs=4k seek=3 count=1000 conv=fsync status=none
mkchain chain "$base" "$used"
rio /dev/mapper/chain "w 0 1M 5" "q 0 1M 5" "q 1M 1M 1"
rmdm chain
mkchain chain "$base" "$used"
rio /dev/mapper/chain "q 0 1M 5" "q 1M 1M 1"
rmdm chain

# a magic at any of its three places saves what is left of a delta
for keep in 0 1 2; do
	mkdisk "m$keep" 16M
	name=m$keep disk=${!name}
	magic=RDSB
	[[ $keep -eq 0 ]] && magic=RDUN
	echo -n $magic | dd of="$disk" bs=4k seek=$keep conv=fsync,notrunc status=none
	before=$(writes "$disk")
	refused '.' "$disk" "$(line "$base" "$disk")"
	[[ $(writes "$disk") == "$before" ]] || fail "a delta with a magic in block $keep was formatted"
done

# only the last one is formatted
mkdisk blank1 16M
mkdisk blank2 16M
before=$(writes "$blank1" "$blank2")
refused '.' "$blank1" "$(line "$base" "$blank1" "$blank2")"
[[ $(writes "$blank1" "$blank2") == "$before" ]] || fail "a blank delta in the middle was formatted"

# what is formatted says who it is
mkdisk d1 32M
mkdisk d2 32M
mkchain chain "$base" "$d1"
reload lsr chain "$base" "$d1" "$d2"
rmdm chain
[[ $(poke "$d1" get sb parent_uuid) == 00000000000000000000000000000000 ]] || fail "parent of d1"
[[ $(poke "$d2" get sb parent_uuid) == $(poke "$d1" get sb uuid) ]] || fail "parent of d2"
[[ $(poke "$d2" get sb tree_uuid) == $(poke "$d1" get sb tree_uuid) ]] || fail "tree of d2"
[[ $(poke "$d2" get sb uuid) != $(poke "$d1" get sb uuid) ]] || fail "uuid of d2"
[[ $(poke "$d1" get sb depth)$(poke "$d2" get sb depth) == 01 ]] || fail "depth"
[[ $(poke "$d1" get sb state)$(poke "$d2" get sb state) == 32 ]] || fail "state"
[[ $(poke "$d1" get sb content_generation) -ne 0 ]] || fail "no content generation"
[[ $(poke "$d2" get sb parent_content) == $(poke "$d1" get sb content_generation) ]] ||
	fail "content generation of the parent"
[[ $(poke "$d1" get sb virtual_sectors) -eq 32768 ]] || fail "virtual size"
[[ $(poke "$d1" get sb base_sectors) -eq 32768 ]] || fail "size of the base"
