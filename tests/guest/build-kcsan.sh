#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the kernel in which the module is watched for data races (KCSAN: see
# kcsan.config), from Debian's linux-source: small, for QEMU, with everything that
# run-qemu.sh and the cases need.  Cached as build-uml.sh does it.
#
# Usage: build-kcsan.sh [--print-dir]
#
# Prints a directory like that of debian-kernel.sh: vmlinuz, lib/modules, release,
# kdir.  With --print-dir it builds nothing and fails if there is none yet.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/linux-source.sh"

kind=kcsan arch=x86_64 image=bzImage

# The test kernels have one idea of what a guest needs: uml.config without what is
# of User-Mode Linux, and without what watches the code there.
configuration() {
	sed -e '/^# What watches the code under test/,$d' \
		-e '/^# Consoles of UML/,/^$/d' \
		-e '/HOSTFS\|_UBD\|DEBUG_PREEMPT\|DM_DEBUG/d' "$here/uml.config"
	cat "$here/kcsan.config"
}

# Only one access in thousands is watched: what is watched is the module, and device
# mapper, with which it shares bios and tables. All other code has none but the barriers,
# without which what it orders would look like a race. (A write from there shows as one
# of unknown origin.)
watch_the_module() {
	sed -i -e '/^ifeq ($(CONFIG_KCSAN),y)/i kcsan-watched = $(if $(KBUILD_EXTMOD)$(filter drivers/md,$(obj)),,n)' \
		-e 's/$(KCSAN_SANITIZE)$(is-kernel-object)/$(KCSAN_SANITIZE)$(kcsan-watched)$(is-kernel-object)/' \
		-e 's/$(KCSAN_INSTRUMENT_BARRIERS)n/$(KCSAN_INSTRUMENT_BARRIERS)$(KCSAN_SANITIZE_$(target-stem).o)$(KCSAN_SANITIZE)$(is-kernel-object)n/' \
		"$tree/scripts/Makefile.lib"
	[[ $(grep -c 'kcsan-watched' "$tree/scripts/Makefile.lib") -eq 2 ]]
}

recipe() {
	configuration
	declare -f watch_the_module
}

finish_source() {
	local root=$tree/root
	mkdir -p "$root"
	ln -sfn .. "$root/kdir"
	ln -sfn ../arch/x86/boot/bzImage "$root/vmlinuz"
	watch_the_module
}

main_build "$@"
[[ -e $tree/root/release ]] || cp "$tree/include/config/kernel.release" "$tree/root/release"
echo "$tree/root"
