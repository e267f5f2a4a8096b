# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml
#
# A table that does not describe the chain is refused with the device's name,
# and no byte of any device changes.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 32M
mkdisk d2 32M
mkdisk d3 32M
mkdisk twin 16M		# the base's size and content, but for the last sector
mkdisk small 8M
mkdisk large 24M
rio "$base" "w 0 16M 1"
rio "$twin" "w 0 16M 1" "w 16776704 1s 2"
rio "$small" "w 0 8M 1"
rio "$large" "w 0 16M 1"

mkchain chain "$base" "$d1"
rio /dev/mapper/chain "w 0 64k 11"
reload lsr chain "$base" "$d1" "$d2"
rio /dev/mapper/chain "w 64k 64k 12"
reload lsr chain "$base" "$d1" "$d2" "$d3"
rio /dev/mapper/chain "w 128k 64k 13" f
rmdm chain

all=("$base" "$d1" "$d2" "$d3" "$twin" "$small" "$large")
before=$(writes "${all[@]}")
S="0 32768 redo"

# wrong order
refused 'parent|order|depth' "$d2" "$S $base 3 $d2 $d1 $d3"
refused 'parent|order|depth' - "$S $base 3 $d1 $d3 $d2"
refused 'parent|order|depth' "$d3" "$S $base 3 $d3 $d2 $d1"
# one left out
refused 'parent|order|depth' "$d2" "$S $base 2 $d2 $d3"
refused 'parent|order|depth' "$d3" "$S $base 2 $d1 $d3"
refused 'parent|order|depth' "$d3" "$S $base 1 $d3"
# one listed twice
refused 'twice|duplicate|more than once|already' "$d1" "$S $base 4 $d1 $d1 $d2 $d3"
refused 'twice|duplicate|more than once|already' "$d3" "$S $base 4 $d1 $d2 $d3 $d3"
refused 'twice|duplicate|more than once|already' "$d1" "$S $base 4 $d1 $d2 $d3 $d1"
# the base as a delta, a delta as the base
refused 'twice|duplicate|more than once|already|base' "$base" "$S $base 1 $base"
refused 'twice|duplicate|more than once|already|base' "$base" "$S $base 4 $d1 $d2 $d3 $base"
refused 'parent|order|base' - "$S $d1 2 $d2 $d3"
# a writable line whose last delta is sealed
refused 'sealed' "$d2" "$S $base 2 $d1 $d2"
refused 'sealed' "$d1" "$S $base 1 $d1"
# the wrong base: smaller, larger, another
refused 'size|sectors|small' - "0 16384 redo $small 3 $d1 $d2 $d3"
refused 'size|sectors|small' - "$S $small 3 $d1 $d2 $d3"
refused 'size|sectors' - "0 49152 redo $large 3 $d1 $d2 $d3"
refused 'fingerprint|content|base' "$twin" "$S $twin 3 $d1 $d2 $d3"
refused 'fingerprint|content|base' "$twin" "$S $twin 2 $d1 $d2" -r
# a line for another length
refused 'size|sectors|length' - "0 32760 redo $base 3 $d1 $d2 $d3"
refused 'size|sectors|length' - "0 32769 redo $base 3 $d1 $d2 $d3"

[[ $(writes "${all[@]}") == "$before" ]] || fail "a refused table changed a device"

# the right one, and force_base with the wrong base
mkchain chain "$base" "$d1" "$d2" "$d3"
rio /dev/mapper/chain "q 0 64k 11" "q 64k 64k 12" "q 128k 64k 13" "q 192k 1M 1"
rmdm chain
mkchain chain "$twin" "$d1" "$d2" "$d3" -- force_base
rio /dev/mapper/chain "q 0 64k 11" "q 16776704 1s 2"
rmdm chain

# fewer deltas below than there are; more may have been merged
poke "$d3" set sbs depth 1
refused 'has 1 deltas below' "$d3" "$S $base 3 $d1 $d2 $d3"
poke "$d3" set sbs depth 2

# the same line again and again
for i in 1 2 3; do
	mkchain chain "$base" "$d1" "$d2" "$d3"
	rmdm chain
done

# the dm device itself, as base and as delta, whatever its table
mkchain chain "$base" "$d1" "$d2" "$d3"
mkdisk d4 32M
for l in "$S /dev/mapper/chain 0" "$S /dev/mapper/chain 1 $d4" \
	"$S $base 4 $d1 $d2 $d3 /dev/mapper/chain"; do
	echo "redo-test: itself" > /dev/kmsg
	dmsetup load chain --table "$l" 2> /dev/null && fail "loaded with itself below: $l"
done
rio /dev/mapper/chain "q 0 64k 11"

# two writers of one delta, or a writer of what another one shows as its base
refused '.' - "$S $base 3 $d1 $d2 $d3"
rio /dev/mapper/chain "q 64k 64k 12"

# A mount alone changes an ext4 superblock, which ends in a checksum of its own
mkdisk fs 64M
mkdisk top 32M
mkfs.ext4 -q "$fs"
mkchain files "$fs" "$top"
rmdm files
mkdir "$SCRATCH/mnt"
mount -o noload "$fs" "$SCRATCH/mnt" -r
umount "$SCRATCH/mnt"
mkchain files "$fs" "$top"
rmdm files
mount "$fs" "$SCRATCH/mnt"
umount "$SCRATCH/mnt"
refused 'fingerprint|content|base' "$fs" "0 131072 redo $fs 1 $top"
