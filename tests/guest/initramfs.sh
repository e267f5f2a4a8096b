#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the initramfs with which QEMU guests reach their root (the host's, over
# 9p).  Cached beside the kernel; prints its path.
#
# Usage: initramfs.sh <directory that debian-kernel.sh or build-kcsan.sh printed>

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib/cache.sh"

root=$1
release=$(cat "$root/release")
modules=(virtio_pci virtio_blk 9pnet_virtio 9p overlay)
image=$root/initramfs-$(sha256sum "$0" "$here/root-qemu.sh" | sha256sum | cut -c1-12)

# The files of the modules and of what they depend on, in the order of loading
module_files() {
	local name
	for name in "${modules[@]}"; do
		modprobe -d "$root" -S "$release" --show-depends "$name"
	done | awk '$1 == "insmod" && !seen[$2]++ {print $2}'
}

build() {
	local dir file name
	[[ -e $image ]] && return
	dir=$(mktemp -d)
	mkdir -p "$dir"/{bin,dev,proc,sys,modules,host,root,tmp}
	cp /bin/busybox "$dir/bin/busybox"
	cp "$here/root-qemu.sh" "$dir/init"
	chmod 755 "$dir/init"
	: > "$dir/modules/order"	# a kernel that has them all built in needs none
	for file in $(module_files); do
		name=$(basename "$file" .xz)
		if [[ $file == *.xz ]]; then
			xz -dc "$file" > "$dir/modules/$name"
		else
			cp "$file" "$dir/modules/$name"
		fi
		echo "$name" >> "$dir/modules/order"
	done
	(cd "$dir" && find . | cpio --quiet -o -H newc | gzip -1) > "$image.new"
	rm -rf "$dir"
	mv "$image.new" "$image"
}

with_lock initramfs build
echo "$image"
