#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs the Debian packages that building, testing and the demo need, and
# only those that are missing.  Nothing of the host's own boot is touched: the
# kernels that guests boot are unpacked elsewhere (tests/guest/debian-kernel.sh),
# their packages are never installed here.
#
# Usage: packages.sh [--list]

set -euo pipefail

packages=(
	build-essential flex bison bc libelf-dev libssl-dev kmod xz-utils rsync
	linux-source-6.12
	qemu-system-x86 qemu-utils busybox-static cpio nbdkit nbdkit-plugin-dev libnbd-bin
	dmsetup libdevmapper-dev libjson-c-dev libblkid-dev uuid-dev libcmocka-dev
	pkg-config lvm2 e2fsprogs fio sparse python3 perl util-linux
	coreutils findutils procps psmisc
	clang libclang-rt-14-dev
)

# Any version will do.
missing() {
	local p
	for p in "${packages[@]}"; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) == installed ]] ||
			echo "$p"
	done
}

# linux-*-6.12 live in bookworm-security or, earlier in Debian 12's life, in
# bookworm-backports; which mirror has them is the administrator's choice.
ensure_612() {
	local candidate
	candidate=$(apt-cache policy linux-source-6.12 | awk '/Candidate:/ {print $2}')
	[[ -n $candidate && $candidate != '(none)' ]] && return
	echo "packages.sh: apt knows no linux-source-6.12: enable bookworm-security" \
		"or bookworm-backports in /etc/apt/sources.list" >&2
	exit 1
}

if [[ ${1:-} == --list ]]; then
	printf '%s\n' "${packages[@]}"
	exit 0
fi

mapfile -t wanted < <(missing)
[[ ${#wanted[@]} -eq 0 ]] && exit 0

if [[ $(id -u) -ne 0 ]]; then
	echo "packages.sh: missing packages, and only root can install them: ${wanted[*]}" >&2
	exit 1
fi

echo "packages.sh: installing ${wanted[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=600 update
ensure_612
apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold \
	install --no-install-recommends "${wanted[@]}"
