# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1
#
# A table loaded read-only: the target itself fails writes and discards, and no
# byte of any device changes, not even with a journal to be replayed.

. "$TOP/tests/lib/redo.sh"

mkdisk base 16M
mkdisk d1 32M
mkdisk d2 32M
mkdisk blank 16M
rio "$base" "w 0 16M 1"
mkchain chain "$base" "$d1"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 12k 100k 2" "d 1M 64k" f
keep one model
reload slr chain "$base" "$d1" "$d2"
rio --model "$SCRATCH/model" /dev/mapper/chain "w 16k 3k 3" "x 40 5 64k" f
# stop dead: what is in the journals now stays there
dmsetup suspend --nolockfs --noflush chain
cp --sparse=always "$SCRATCH/d2.img" "$SCRATCH/d2-copy.img"
cp --sparse=always "$SCRATCH/d1.img" "$SCRATCH/d1-copy.img"
dmsetup resume chain
rmdm chain
losetup -d "$d2"
mv "$SCRATCH/d2-copy.img" "$SCRATCH/d2.img"
d2=$(losetup --show -f "$SCRATCH/d2.img")
defer losetup -d "$d2"

all=("$base" "$d1" "$d2" "$blank")
before=$(sums "${all[@]}")

mkview view "$base" "$d1" "$d2"
status_is view $ST_MODE view || fail "status: $(status view)"
holds /dev/mapper/view model
[[ $(blockdev --getro /dev/mapper/view) -eq 1 ]] || fail "not read-only"
# blockdev --setrw lifts the block layer's own refusal; the target's stays
blockdev --setrw /dev/mapper/view || true
for op in "w 0 4k 9" "W 12k 4k 9" "w 1s 1s 9" "d 12k 4k" "z 12k 4k"; do
	rio /dev/mapper/view "eio $op" || fail "a view took \"$op\""
done
rio /dev/mapper/view f || fail "a flush of a view fails"
holds /dev/mapper/view model
rmdm view

mkview view "$base" "$d1"
holds /dev/mapper/view one
rmdm view
[[ $(sums "${all[@]}") == "$before" ]] || fail "a view wrote to a device"

# a blank delta is not formatted by a read-only line
refused '.' "$blank" "$(line "$base" "$d1" "$blank")" -r
refused '.' "$blank" "$(line "$base" "$blank")" -r
[[ $(sums "${all[@]}") == "$before" ]] || fail "a read-only line wrote to a device"

# it was not the view that was to blame: the chain comes up writable and is right
mkchain chain "$base" "$d1" "$d2"
holds /dev/mapper/chain model
