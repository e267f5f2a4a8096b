# SPDX-License-Identifier: GPL-2.0-or-later
# kernels: small
# timeout: 600
#
# Memory is short, and the way out of it leads through chains: swap on one, and on
# another a filesystem with more dirty pages than memory holds. Nothing may wait for
# memory that only itself could free.

. "$TOP/tests/lib/redo.sh"
require mkfs.ext4 mkswap
disk=/dev/redo-disk0
readonly BEYOND=64 FILES=3 FILE_MIB=24

pressure() {
	/usr/bin/python3 -S -E "$TOP/tests/lib/pressure.py" "$@"
}

# setting <file> <value>: until the end of the case
setting() {
	defer eval "echo $(cat "$1") > $1"
	echo "$2" > "$1"
}

# parts <name>:<MiB>...: of the disk, as dm devices
parts() {
	local at=0 part size
	for part; do
		size=$((${part#*:} * 2048))
		mkdm "${part%:*}" <<< "0 $size linear $disk $at"
		at=$((at + size))
	done
}
at() {
	echo "/dev/mapper/$1"
}

parts swap-base:768 swap-1:768 swap-2:768 fs-base:384 fs-1:384 fs-2:384
setting /sys/module/dm_redo/parameters/budget 1
mkchain swap "$(at swap-base)" "$(at swap-1)"
mkchain fs "$(at fs-base)" "$(at fs-1)"
mkswap "$(at swap)" > /dev/null
mkfs.ext4 -q "$(at fs)"
mkdir "$SCRATCH/mnt" "$SCRATCH/view"
mount "$(at fs)" "$SCRATCH/mnt"
defer umount -q "$SCRATCH/mnt"

# of /proc/meminfo
mib() {
	awk -v name="$1:" '$1 == name { print int($2 / 1024) }' /proc/meminfo
}
started=$SECONDS
setting /proc/sys/vm/dirty_ratio 60
setting /proc/sys/kernel/hung_task_timeout_secs 40
swapon "$(at swap)"
defer swapoff -a

swapped() {
	awk '$1 == "pswpout" { print int($2 / 256) }' /proc/vmstat
}
out=$(swapped)
pressure memory $(($(mib MemAvailable) + BEYOND)) "$SCRATCH/stop" > "$SCRATCH/memory" 2>&1 &
hog=$!

# write_files <seed>
write_files() {
	local i writers=()
	for ((i = 0; i < FILES; i++)); do
		pressure write "$SCRATCH/mnt/$i" $FILE_MIB $(($1 + i)) &
		writers+=($!)
	done
	for i in "${writers[@]}"; do
		wait "$i" || fail "a writer has failed"
	done
}
# check_files <directory> <seed>
check_files() {
	local i
	for ((i = 0; i < FILES; i++)); do
		pressure check "$1/$i" $FILE_MIB $(($2 + i))
	done
}
# reached <what>: for the log
reached() {
	echo "$((SECONDS - started)) s, $(mib MemFree) MiB free, $(($(swapped) - out)) MiB swapped out:" \
		"$*; swap: $(status swap); fs: $(status fs)"
}
reached start
write_files 100
reached first files
redosetup snapshot fs@first --delta "$(at fs-2)"
redosetup snapshot swap@first --delta "$(at swap-2)"
reached snapshots
write_files 200
reached second files
touch "$SCRATCH/stop"
wait $hog || fail "the memory: $(tail -n 1 "$SCRATCH/memory")"
reached memory
out=$(($(swapped) - out))
((out >= BEYOND)) || fail "only $out MiB were swapped out"
! dmesg | sed -n "/redo-test: begin $CASE/,\$p" | grep -iE 'out of memory|oom-kill|invoked oom' ||
	fail "memory ran out"

drop_cache
check_files "$SCRATCH/mnt" 200
mkview view "$(at fs-base)" "$(at fs-1)"
mount -o ro,noload "$(at view)" "$SCRATCH/view"
check_files "$SCRATCH/view" 100
umount "$SCRATCH/view"
swapoff "$(at swap)"
umount "$SCRATCH/mnt"
e2fsck -fn "$(at fs)" > "$SCRATCH/fsck" 2>&1 || fail "fsck: $(tail -n 3 "$SCRATCH/fsck")"
note "$(cat "$SCRATCH/memory"); $out MiB swapped out and $((2 * FILES * FILE_MIB)) MiB of files \
written with $(mib MemTotal) MiB in all"
