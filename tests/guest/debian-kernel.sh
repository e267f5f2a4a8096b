#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches Debian's newest kernel of a series, with its modules and its headers,
# and unpacks them into the cache.  Nothing is installed on the host: the
# packages' scripts would change what the host boots next time.
#
# Usage: debian-kernel.sh 6.1|6.12 [--print-dir]
#
# Prints the directory.  In it
#	vmlinuz, modules/	the kernel and its /lib/modules/<release>
#	release			its release, as uname -r shows it
#	kdir			what KDIR= of an out-of-tree module build wants

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib/cache.sh"

series=${1:-}
case $series in
6.1)	meta=linux-headers-amd64 ;;
6.12)	meta=linux-headers-6.12-amd64 ;;
*)	sed -n '4,15s/^# \?//p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac

# What the meta package depends on names the newest release of the series.
newest_release() {
	apt-cache depends "$meta" |
		sed -n 's/^ *Depends: linux-headers-\(.*\)$/\1/p' | head -n 1
}

# All packages that a module build needs, by following the dependencies
# between kernel packages only.  The image is added, its alternatives left out.
kernel_packages() {
	local release=$1 common
	common=linux-headers-${release%-amd64}-common
	echo "linux-image-$release linux-headers-$release $common"
	apt-cache depends "linux-headers-$release" |
		sed -n 's/^ *Depends: \(linux-kbuild-.*\)$/\1/p'
}

# The headers refer to one another as /usr/src/... and /usr/lib/...
relocate() {
	local root=$1 release=$2
	sed -i "s# /usr/src/# $root/usr/src/#" "$root"/usr/src/linux-headers-*/Makefile
	ln -sfn "usr/src/linux-headers-$release" "$root/kdir"
	ln -sfn "boot/vmlinuz-$release" "$root/vmlinuz"
	mkdir -p "$root/lib/modules"
	if [[ -d $root/usr/lib/modules/$release && ! -d $root/lib/modules/$release ]]; then
		rmdir "$root/lib/modules"
		ln -sfn ../usr/lib/modules "$root/lib/modules"
	fi
	depmod -b "$root" "$release"
	echo "$release" > "$root/release"
}

download() {
	local packages
	read -r -d '' -a packages < <(kernel_packages "$release"; printf '\0')
	mkdir -p "$1"
	(cd "$1" && apt-get -q -o APT::Sandbox::User=root download "${packages[@]}") >&2
}

unpack() {
	local deb
	for deb in "$1"/*.deb; do
		dpkg-deb -x "$deb" "$2" || return
	done
}

fetch() {
	[[ -e $dir/.redo-complete ]] && return
	echo "debian-kernel.sh: unpacking $(basename "$dir")" >&2
	rm -rf "$dir" "$dir.debs"
	download "$dir.debs" &&
	unpack "$dir.debs" "$dir" &&
	relocate "$dir" "$release" &&
	rm -rf "$dir.debs" &&
	touch "$dir/.redo-complete"
}

# Debian's archive drops a kernel as soon as there is a newer one, so with old
# package lists the download fails.
fetch_or_update() {
	with_lock "debian-$series" fetch && return
	echo "debian-kernel.sh: once more, with new package lists" >&2
	apt-get -q -o DPkg::Lock::Timeout=600 update >&2
	release=$(newest_release)
	dir=$REDO_CACHE/debian-$release
	with_lock "debian-$series" fetch
}

# What is there goes on being used when apt cannot say (no network, no lists).
release=$(newest_release || true)
if [[ -z $release ]]; then
	dir=$(ls -d "$REDO_CACHE/debian-$series".*-amd64 2>/dev/null | sort -V | tail -n 1)
	[[ -n $dir ]] || { echo "debian-kernel.sh: apt knows no $meta" >&2; exit 1; }
else
	dir=$REDO_CACHE/debian-$release
	[[ ${2:-} == --print-dir ]] || fetch_or_update
fi
[[ -e $dir/.redo-complete ]] || { echo "debian-kernel.sh: $series not unpacked yet" >&2; exit 1; }
echo "$dir"
