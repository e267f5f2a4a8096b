# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: uml 6.1 6.12 kcsan
#
# ext4 in use on a chain, snapshots under it: each is a clean filesystem with the
# files of its time.

. "$TOP/tests/lib/redo.sh"
require mkfs.ext4 e2fsck

mkdisk base 96M
for i in 1 2 3; do
	mkdisk d$i 96M
done
mkfs.ext4 -q "$base"
mkdir "$SCRATCH/mnt"
chain=("$base" "$d1")
mkchain chain "${chain[@]}"
mount /dev/mapper/chain "$SCRATCH/mnt"
defer umount -q "$SCRATCH/mnt"

files() {
	(cd "$1" && find . -type f | sort | xargs -r md5sum)
}
fill() {
	mkdir "$SCRATCH/mnt/$1"
	cp "$TOP"/kernel/*.[ch] "$SCRATCH/mnt/$1/"
	head -c 3000000 /dev/urandom > "$SCRATCH/mnt/$1/random"
	truncate -s 1M "$SCRATCH/mnt/$1/sparse"
	[[ $1 == one ]] || rm "$SCRATCH/mnt/one/"*.c "$SCRATCH/mnt/one/random" 2> /dev/null || true
}
n=0
for round in one two three; do
	fill $round
	files "$SCRATCH/mnt" > "$SCRATCH/files$n"
	[[ -s $SCRATCH/files$n ]] || fail "no files"
	((++n))
	[[ $n -lt 3 ]] || break
	next=d$((n + 1))
	chain+=("${!next}")
	# dmsetup suspend freezes the filesystem
	reload slr chain "${chain[@]}"
	fstrim "$SCRATCH/mnt" 2> /dev/null || true
done
sync
umount "$SCRATCH/mnt"
rmdm chain

mkdir "$SCRATCH/view"
for i in 0 1 2; do
	mkview view "${chain[@]:0:i + 2}"
	# a frozen filesystem is clean but for its journal's flag: replay is not possible read-only
	e2fsck -fn /dev/mapper/view > "$SCRATCH/fsck" 2>&1 || fail "fsck of view $i: $(cat "$SCRATCH/fsck")"
	mount -o ro,noload /dev/mapper/view "$SCRATCH/view"
	files "$SCRATCH/view" > "$SCRATCH/seen"
	umount "$SCRATCH/view"
	rmdm view
	diff "$SCRATCH/files$i" "$SCRATCH/seen" > "$SCRATCH/diff" ||
		fail "snapshot $i has other files: $(head -n 5 "$SCRATCH/diff")"
done
