#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What happens in the demo; see demo.sh.
#
# Usage: inside.sh first|second|host

set -eEuo pipefail

# These survive a power cut: checksums taken at the time, on the host's side
record=$REDO_RESULTS
PATH=$REDO_TOP/build/userspace:$PATH
export PATH LD_LIBRARY_PATH=$REDO_TOP/build/userspace
readonly chain=office clone=lab
all=(--all)	# on a host only what is ours
mnt=/run/redo-demo
disks=()

trap 'echo "FAILED: line $LINENO: $BASH_COMMAND" >&2' ERR

say() {
	printf '\n--- %s\n' "$*"
}

die() {
	echo "FAILED: $*" >&2
	exit 1
}

# Shows a command, then does it
run() {
	echo "# $*"
	"$@"
}

find_disks() {
	local i
	if [[ -z ${REDO_WORK:-} ]]; then
		disks=(/dev/redo-disk{0..9})
		return
	fi
	grep -q '^dm_redo ' /proc/modules || { modprobe dm-bufio; modprobe libcrc32c; insmod "$REDO_MODULE"; }
	for i in {0..9}; do
		disks+=("$(losetup --show -f "$REDO_WORK/disk$i")")
	done
}

# ---- what is compared --------------------------------------------------------

# Checksums of every file below $1/tree: nobody else changes them meanwhile
manifest() {
	(cd "$1" && find tree -type f -print0 | sort -z | xargs -0 md5sum)
}

# compare_tree <where> <manifest>: the same files, no more and no less, with the
# same content
compare_tree() {
	manifest "$1" > /run/manifest
	if ! cmp -s "$2" /run/manifest; then
		diff "$2" /run/manifest | head -n 20 >&2 || true
		die "$1: files differ from $(basename "$2")"
	fi
	echo "    $(wc -l < "$2") files are as they were then"
}

# The writer: files that appear all the time, each recorded once it is on disk
writer() {
	local n=0 name
	while :; do
		name=live/$(printf %05d $n)
		head -c $((20000 + RANDOM * 4)) /dev/urandom > "$mnt/$name"
		sync "$mnt/$name"
		(cd "$mnt" && md5sum "$name") >> "$record/live.log"
		((++n))
	done
}

# compare_live <where> <n>: of the files that the writer recorded, the first n are
# there and whole; of what came later at most one, the last, is unfinished
compare_live() {
	local name sum unfinished=0
	(cd "$1" && head -n "$2" "$record/live.log" | md5sum -c --quiet) ||
		die "$1: files that were on disk are not as they were"
	head -n "$2" "$record/live.log" | sed 's/^[^ ]*  //' | sort > /run/known
	(cd "$1" && find live -type f | sort) > /run/there
	while read -r name; do
		sum=$(md5sum < "$1/$name")
		grep -qxF "${sum%% *}  $name" "$record/live.log" || ((++unfinished))
	done < <(comm -13 /run/known /run/there)
	((unfinished <= 1)) || die "$1: $unfinished files were never written like this"
	echo "    $2 files written meanwhile are whole"
}

# ---- the story -----------------------------------------------------------------

copy_files() {
	mkdir -p "$mnt/tree" "$mnt/live"
	tar -C / -cf - --no-recursion -T "$record/names" | tar -C "$mnt/tree" -xf -
	echo "    $(wc -l < "$record/names") files, $(du -sm "$mnt/tree" | cut -f 1) MB"
	(($(du -sm "$mnt/tree" | cut -f 1) > 50)) || die "too little in /usr/share for a demo"
}

# A day's work: some files change, some go, some are new
work() {
	local name i=0
	while read -r name; do
		case $((i++ % 3)) in
		0)	rm "$name" ;;
		1)	head -c 30000 /dev/urandom | dd of="$name" conv=notrunc status=none ;;
		2)	echo "$1" >> "$name" ;;
		esac
	done < <(find "$mnt/tree" -type f | sort | awk -v n="$2" 'NR % 37 == n')
	mkdir "$mnt/tree/$1"
	cp -r "$REDO_TOP/kernel" "$mnt/tree/$1/"
	head -c 4000000 /dev/urandom > "$mnt/tree/$1/report"
}

# snapshot <name> <disk>: with the manifest of the moment
snapshot() {
	manifest "$mnt" > "$record/manifest-$1"
	# what has been recorded by now must be in it
	wc -l < "$record/live.log" > "$record/live-$1"
	run redosetup snapshot "$chain@$1" --delta "$2"
	echo "    $(wc -l < "$record/manifest-$1") files, and $(cat "$record/live-$1") written meanwhile"
}

# look <snapshot>: its view holds what was recorded
look() {
	local dev
	run redosetup view "$chain@$1"
	dev=/dev/mapper/$chain-$1
	e2fsck -fn "$dev" > /run/fsck 2>&1 || { cat /run/fsck; die "$1: fsck complains"; }
	mkdir -p /run/redo-view
	mount -o ro,noload "$dev" /run/redo-view
	compare_tree /run/redo-view "$record/manifest-$1"
	compare_live /run/redo-view "$(cat "$record/live-$1")"
	umount /run/redo-view
	run redosetup view --remove "$chain@$1"
}

# changed <view> <view>: bytes of the 64 KiB blocks in which they differ
changed() {
	python3 - "$1" "$2" <<-'END'
		import sys
		block, n = 65536, 0
		with open(sys.argv[1], 'rb', 0) as a, open(sys.argv[2], 'rb', 0) as b:
		    while data := a.read(block):
		        n += data != b.read(block)
		print(n * block)
	END
}

# right_size <snapshot> <snapshot> <file>: has the backup what has changed, and not much more?
# (What was written without a change is in it, too, and a head.)
right_size() {
	local bytes size
	redosetup view "$chain@$1"
	redosetup view "$chain@$2"
	bytes=$(changed "/dev/mapper/$chain-$1" "/dev/mapper/$chain-$2")
	redosetup view --remove "$chain@$1"
	redosetup view --remove "$chain@$2"
	size=$(stat -c %s "$3")
	echo "    $bytes bytes in blocks that differ, $size in $(basename "$3")"
	((bytes > 0 && size < 2 * bytes + 1000000)) || die "$3: not what has changed"
}

first() {
	say "A filesystem with real files, on an ordinary disk."
	mkfs.ext4 -q "${disks[0]}"
	run redosetup init $chain "${disks[0]}" --cbt "${disks[7]}"
	mkdir -p $mnt
	mount /dev/mapper/$chain $mnt
	copy_files

	say "Snapshots, while files are being written."
	: > "$record/live.log"
	writer &
	writer=$!
	snapshot monday "${disks[1]}"
	work tuesday-work 1
	snapshot tuesday "${disks[2]}"
	work wednesday-work 2
	snapshot wednesday "${disks[3]}"
	work thursday-work 3
	run redosetup tree
	run dmsetup status $chain

	say "Every snapshot is looked at, while the chain goes on."
	for s in monday tuesday wednesday; do
		look $s
	done

	say "Monday is backed up in full, tuesday as what has changed since."
	run redosetup cbt list $chain
	run redosetup backup $chain@monday -o "$record/monday.full"
	run redosetup backup $chain@tuesday --since $chain@monday -o "$record/tuesday.increment"
	right_size monday tuesday "$record/tuesday.increment"

	say "A clone of tuesday: a second disk that costs nothing until it changes."
	run redosetup clone $chain@tuesday $clone --delta "${disks[4]}"
	mkdir -p /run/redo-lab
	mount /dev/mapper/$clone /run/redo-lab
	compare_tree /run/redo-lab "$record/manifest-tuesday"
	head -c 8000000 /dev/urandom > /run/redo-lab/tree/experiment
	manifest /run/redo-lab > "$record/manifest-lab"
	umount /run/redo-lab

	say "Thursday's work was a mistake: back to wednesday."
	kill $writer
	wait $writer 2> /dev/null || true
	cp "$record/live.log" "$record/live-before.log"
	umount $mnt
	run redosetup revert -y $chain@wednesday --delta "${disks[5]}"
	mount /dev/mapper/$chain $mnt
	compare_tree $mnt "$record/manifest-wednesday"
	compare_live $mnt "$(cat "$record/live-wednesday")"
	run redosetup tree

	say "Work goes on, and is on disk when sync says so."
	rm -rf $mnt/live
	mkdir $mnt/live
	work friday-work 4
	manifest $mnt > "$record/manifest-friday"
	sync -f $mnt
	: > "$record/after.log"
}

# Goes on until the power is cut
write_on() {
	local n=0 name
	while :; do
		name=live/$(printf %05d $n)
		head -c $((20000 + RANDOM * 4)) /dev/urandom > "$mnt/$name"
		sync "$mnt/$name"
		(cd "$mnt" && md5sum "$name") >> "$record/after.log"
		[[ $n -ne 3 ]] || echo "PULL THE PLUG"
		((++n))
	done
}

second() {
	say "What is on the disks?"
	run redosetup list
	run redosetup activate "${all[@]}"
	run redosetup tree
	mkdir -p $mnt
	mount /dev/mapper/$chain $mnt	# ext4 replays its own journal
	compare_tree $mnt "$record/manifest-friday"
	(cd $mnt && md5sum -c --quiet "$record/after.log") ||
		die "files that sync said were on disk are not"
	[[ -s $record/after.log ]] || die "nothing was written before the power cut"
	echo "    $(wc -l < "$record/after.log") files synced before the power cut are there"

	say "The snapshots and the clone, again."
	cp "$record/live-before.log" "$record/live.log"
	for s in monday tuesday wednesday; do
		look $s
	done
	mkdir -p /run/redo-lab
	mount /dev/mapper/$clone /run/redo-lab
	compare_tree /run/redo-lab "$record/manifest-lab"
	umount /run/redo-lab

	say "Taken down; every checksum and reference on the deltas is verified."
	umount $mnt
	run redosetup deactivate "${all[@]}"
	for i in 1 2 3 4 5; do
		run redosetup check "${disks[i]}"
	done
	consolidate
	back_up
	delete_all
}

# The delta that takes the writes goes into the one below
consolidate() {
	local n
	say "The snapshot of wednesday is deleted while files are being written."
	run redosetup activate $chain
	mount /dev/mapper/$chain $mnt
	rm -rf $mnt/live
	mkdir $mnt/live
	: > "$record/live.log"
	writer &
	writer=$!
	run redosetup delete -y --throttle 8MiB $chain@wednesday
	n=$(wc -l < "$record/live.log")
	kill $writer
	wait $writer 2> /dev/null || true
	writer=''
	((n > 0)) || die "nothing was written meanwhile"
	compare_tree $mnt "$record/manifest-friday"
	compare_live $mnt "$n"
	cp "$record/live.log" "$record/live-last.log"
	umount $mnt
	run redosetup tree $chain
	! redosetup view $chain@wednesday 2> /dev/null || die "wednesday is there still"

	say "Those below it are as they were."
	cp "$record/live-before.log" "$record/live.log"
	look monday
	look tuesday
}

# What has changed since tuesday is known, though the power was cut and wednesday is gone
back_up() {
	say "Friday is backed up as what has changed since tuesday, and put together again."
	run redosetup cbt list $chain
	run redosetup snapshot $chain@friday --delta "${disks[8]}"
	run redosetup backup $chain@friday --since $chain@tuesday -o "$record/friday.increment"
	right_size tuesday friday "$record/friday.increment"
	run redosetup restore "${disks[9]}" "$record"/{monday.full,tuesday.increment,friday.increment}
	run redosetup view $chain@friday
	run cmp /dev/mapper/$chain-friday "${disks[9]}" || die "what is restored is not friday"
	run redosetup view --remove $chain@friday
}

# All go into the base, which is read through the chain meanwhile
delete_all() {
	local expected=${disks[6]}
	say "What the whole disk is to hold is copied, and the clone given up."
	run dd if=/dev/mapper/$chain of="$expected" bs=1M iflag=direct oflag=direct status=none
	! redosetup delete -y --all $chain 2> /run/refused || die "deleted under a clone"
	cat /run/refused
	run dd if=/dev/zero of="${disks[4]}" bs=4k count=3 conv=notrunc,fsync status=none

	say "All snapshots are deleted, while the files are read."
	mount -o ro /dev/mapper/$chain $mnt
	run redosetup delete -y --all $chain &
	deletion=$!
	compare_tree $mnt "$record/manifest-friday"
	wait $deletion || die "the deletion has failed"
	umount $mnt
	run redosetup list
	run redosetup deactivate $chain

	say "The base alone, without the chain: every block, and the files on it."
	run cmp "${disks[0]}" "$expected" || die "the base is not what it should be"
	mount -o ro "${disks[0]}" $mnt
	compare_tree $mnt "$record/manifest-friday"
	cp "$record/live-last.log" "$record/live.log"
	compare_live $mnt "$(wc -l < "$record/live.log")"
	umount $mnt
}

host_clean_up() {
	local status=$? d
	set +e
	trap - ERR
	[[ -z ${writer:-} ]] || kill "$writer" 2> /dev/null
	umount -q /run/redo-view /run/redo-lab $mnt
	for d in $chain-{monday,tuesday,wednesday,friday} $clone $chain; do
		dmsetup info "$d" > /dev/null 2>&1 && dmsetup remove --retry "$d"
	done
	losetup -d "${disks[@]}"
	exit $status
}

# names_free: on a host they may be somebody's
names_free() {
	local d
	for d in $chain{,-monday,-tuesday,-wednesday,-friday} $clone; do
		! dmsetup info "$d" > /dev/null 2>&1 || die "there is a device $d already"
	done
}

case ${1:-} in
first)
	find_disks
	first
	write_on ;;
second)
	find_disks
	second ;;
host)
	names_free
	trap host_clean_up EXIT
	find_disks
	all=($chain $clone)
	first
	write_on > /dev/null & writer=$!
	sleep 3
	kill $writer
	wait $writer 2> /dev/null || true
	writer=''
	umount $mnt
	run redosetup deactivate "${all[@]}"
	second ;;
*)
	die "usage: inside.sh first|second|host" ;;
esac
