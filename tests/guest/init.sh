#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first process of a guest once its root is in place (see guest.sh): makes a
# small Debian of it, loads the modules, runs the command, and ends the guest.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LC_ALL=C.UTF-8 TERM=dumb
export REDO_RESULTS
# No udev in here: libdevmapper makes the nodes in /dev/mapper.
export DM_DISABLE_UDEV=1

set -a
. "$REDO_RESULTS/environment"
set +a

mount_all() {
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs devtmpfs /dev
	mkdir -p /dev/pts /dev/shm
	mount -t devpts devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	mount -t tmpfs -o mode=755 tmpfs /run
	# The results directory may be below /tmp, so a tmpfs there would hide it.
	# The overlay is on tmpfs all the same.
	[[ $REDO_RESULTS == /tmp/* || $REDO_TOP == /tmp/* ]] || mount -t tmpfs tmpfs /tmp
	mount -t debugfs debugfs /sys/kernel/debug
	mount -t configfs configfs /sys/kernel/config 2>/dev/null
	mkdir -p /run/lock /run/lvm
	ln -sf /proc/self/fd /dev/fd
	ln -sf /proc/mounts /etc/mtab
}

name_disks() {
	local i letters=abcdefghijklmnop device
	for ((i = 0; i < REDO_DISKS; i++)); do
		for device in /dev/ubd${letters:i:1} /dev/vd${letters:i:1}; do
			[[ -b $device ]] && ln -sf "$device" "/dev/redo-disk$i"
		done
	done
}

load_modules() {
	local release name
	release=$(uname -r)
	mkdir -p "/lib/modules/$release"
	mount --bind "$REDO_MODULES_ROOT/lib/modules/$release" "/lib/modules/$release"
	# What plain dmsetup would load by itself if this guest ran udev
	for name in configfs loop dm-mod dm-bufio ext4; do
		modprobe "$name" || echo "init.sh: no module $name"
	done
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
	# The registry and crc32c that dm-redo depends on
	modprobe libcrc32c
	[[ -z $REDO_MODULE ]] || insmod "$REDO_MODULE"
}

# A guest has no clean shutdown to do: everything that matters is in the
# results directory, and nothing in here outlives the guest.
finish() {
	echo "$1" > "$REDO_RESULTS/status"
	sync -f "$REDO_RESULTS/status"
	busybox poweroff -f
	sleep 60
}

mount_all
echo "$REDO_KERNEL" > /proc/sys/kernel/hostname
ip link set lo up 2>/dev/null
name_disks
if ! load_modules > "$REDO_RESULTS/output" 2>&1; then
	echo "guest: dm-redo.ko could not be loaded" >> "$REDO_RESULTS/output"
	dmesg | tail -n 20 >> "$REDO_RESULTS/output"
	finish 125
fi

: > "$REDO_RESULTS/booted"
cd "$REDO_CWD" || cd /
setsid bash "$REDO_RESULTS/command" < /dev/null >> "$REDO_RESULTS/output" 2>&1
finish $?
